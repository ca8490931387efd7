/* tf-file: /v1/result/{job_id}/artifact and /v1/job/{job_id}/attachments. */

#include "app.h"
#include "retention.h"
#include "routes.h"
#include "schema.h"

static void
background(struct svc *s)
{
	retention_run(s, app_stopping, app_sleep_ms);
}

int
main(int argc, char **argv)
{
	static const struct app app = {
	    .name = "tf-file",
	    .routes = &file_routes,
	    .workers = 64,
	    .needs = SVC_DB | SVC_BLOB | SVC_SEEN,
	    .schema = &model_schema,
	    .background = background,
	};

	return app_main(&app, argc, argv);
}
