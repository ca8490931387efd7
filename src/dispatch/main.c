/* tf-dispatch: GET /v1/job. */

#include "app.h"
#include "handout.h"
#include "hold.h"
#include "journal.h"
#include "log.h"
#include "routes.h"
#include "schema.h"

#define LOOK_MS 1000
#define JOURNAL_ROUNDS 60

static pthread_t sweeper;

static void *
sweep(void *arg)
{
	struct svc *s = arg;
	unsigned round;
	int64_t n;

	for (round = 0; !app_stopping(); round++) {
		while (
		    handout_sweep(s, &n) == ERR_OK && n > 0 && !app_stopping())
			log_info(
			    "%lld jobs went back or ended, as their agents "
			    "gave no sign",
			    (long long)n);
		while (round % JOURNAL_ROUNDS == 0 &&
		       journal_sweep(s, &n) == ERR_OK && n > 0 &&
		       !app_stopping())
			log_debug("removed %lld events", (long long)n);
		app_sleep_ms(LOOK_MS);
	}
	return NULL;
}

static bool
prepare(struct svc *s)
{
	return hold_prepare(s) && app_thread(&sweeper, sweep, s);
}

static void
background(struct svc *s)
{
	hold_run(s);
	(void)pthread_join(sweeper, NULL);
}

int
main(int argc, char **argv)
{
	static const struct app app = {
	    .name = "tf-dispatch",
	    .routes = &dispatch_routes,
	    .workers = 32,
	    .needs = SVC_DB | SVC_BLOB | SVC_SEAL | SVC_SEEN,
	    .schema = &model_schema,
	    .misfit = hold_misfit,
	    .prepare = prepare,
	    .background = background,
	};

	return app_main(&app, argc, argv);
}
