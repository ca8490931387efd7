/* tf-job: POST /v1/job and what is below it. */

#include "app.h"
#include "outbox.h"
#include "routes.h"
#include "schema.h"

static void
background(struct svc *s)
{
	if (s->broker != NULL)
		outbox_run(s, app_stopping, app_sleep_ms);
}

int
main(int argc, char **argv)
{
	static const struct app app = {
	    .name = "tf-job",
	    .routes = &job_routes,
	    .workers = 64,
	    .needs = SVC_DB | SVC_BROKER | SVC_SEEN | SVC_SEAL,
	    .schema = &model_schema,
	    .background = background,
	};

	return app_main(&app, argc, argv);
}
