/* tf-dispatch: GET /v1/job. */

#include "app.h"
#include "routes.h"
#include "schema.h"

int
main(int argc, char **argv)
{
	static const struct app app = {
	    .name = "tf-dispatch",
	    .routes = &dispatch_routes,
	    .workers = 32,
	    .needs = SVC_DB | SVC_SEAL,
	    .schema = &model_schema,
	};

	return app_main(&app, argc, argv);
}
