/* tf-auth: /v1/oauth2/…, /v1/client-permissions/…, /v1/secrets/…, /oidc/…, /auth/…. */

#include "app.h"
#include "routes.h"
#include "schema.h"

int
main(int argc, char **argv)
{
	static const struct app app = {
	    .name = "tf-auth",
	    .routes = &auth_routes,
	    .workers = 64,
	    .needs = SVC_DB | SVC_SEAL | SVC_OIDC,
	    .schema = &model_schema,
	    .background = auth_background,
	};

	return app_main(&app, argc, argv);
}
