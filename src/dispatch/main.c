/* tf-dispatch: GET /v1/job. */

#include "app.h"
#include "handout.h"
#include "journal.h"
#include "log.h"
#include "routes.h"
#include "schema.h"

#define LOOK_MS 1000
#define JOURNAL_ROUNDS 60

static void
background(struct svc *s)
{
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
}

int
main(int argc, char **argv)
{
	static const struct app app = {
	    .name = "tf-dispatch",
	    .routes = &dispatch_routes,
	    .workers = 32,
	    .needs = SVC_DB | SVC_SEAL,
	    .schema = &model_schema,
	    .background = background,
	};

	return app_main(&app, argc, argv);
}
