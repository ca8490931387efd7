/* tf-job: POST /v1/job and what is below it. */

#include "app.h"
#include "log.h"
#include "outbox.h"
#include "routes.h"
#include "schema.h"
#include "trim.h"

static void *
trim(void *arg)
{
	trim_run(arg, app_stopping, app_sleep_ms);
	return NULL;
}

/* A broker that keeps one of the two waiting does not keep the other. */
static void
background(struct svc *s)
{
	pthread_t trimming;
	bool trims;

	if (s->broker == NULL)
		return;
	trims = app_thread(&trimming, trim, s);
	if (!trims)
		log_error("no thread to trim queues of the broker");
	outbox_run(s, app_stopping, app_sleep_ms);
	if (trims)
		(void)pthread_join(trimming, NULL);
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
