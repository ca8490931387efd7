/* tf-result: /v1/result/{job_id} and the logs below it. */

#include "app.h"
#include "routes.h"
#include "schema.h"
#include "stream.h"

int
main(int argc, char **argv)
{
	static const struct app app = {
	    .name = "tf-result",
	    .routes = &result_routes,
	    .workers = RESULT_WORKERS,
	    .needs = SVC_DB | SVC_BLOB | SVC_SEEN,
	    .schema = &model_schema,
	};

	return app_main(&app, argc, argv);
}
