/* tf-dispatch: GET /v1/job. */

#include "app.h"
#include "hold.h"
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
	    .misfit = hold_misfit,
	    .prepare = hold_prepare,
	    .background = hold_run,
	};

	return app_main(&app, argc, argv);
}
