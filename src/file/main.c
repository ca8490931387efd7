/* tf-file: /v1/result/{job_id}/artifact and /v1/job/{job_id}/attachments. */

#include "app.h"
#include "routes.h"
#include "schema.h"

int
main(int argc, char **argv)
{
	static const struct app app = {
	    .name = "tf-file",
	    .routes = &file_routes,
	    .workers = 16,
	    .needs = SVC_DB | SVC_BLOB,
	    .schema = &model_schema,
	};

	return app_main(&app, argc, argv);
}
