/* tf-status: /v1/ and /v1/health/…. */

#include "app.h"
#include "routes.h"
#include "schema.h"

int
main(int argc, char **argv)
{
	static const struct app app = {
	    .name = "tf-status",
	    .routes = &status_routes,
	    .workers = 8,
	    .needs = SVC_DB | SVC_BLOB | SVC_BROKER,
	    .schema = &model_schema,
	    .prepare = status_prepare,
	    .background = status_background,
	};

	return app_main(&app, argc, argv);
}
