/* tf-dispatch: GET /v1/job. */

#include "app.h"
#include "clock.h"
#include "front.h"
#include "handout.h"
#include "hold_keeper.h"
#include "hold_limits.h"
#include "journal.h"
#include "log.h"
#include "lost.h"
#include "routes.h"
#include "schema.h"

#define LOOK_MS 1000
#define JOURNAL_ROUNDS 60
#define FRONT_ROUNDS 60 /* between two walks along all queues */
#define LOST_ROUNDS (LOST_LOOK_MS / LOOK_MS)

static pthread_t sweeper;
static struct lost *lost;

/* Who follows the clock. */
struct follower {
	struct clock_watch watch;
	bool
	    due; /* the jobs do not know yet that it was, or may have been, set */
};

/* A walk along the queues. */
struct fronts {
	char after[NAME_LEN_MAX + 1];
	unsigned rest; /* rounds until the next */
};

/* False while jobs may seem late and are not. */
static bool
follow_clock(struct svc *s, struct follower *f)
{
	int64_t seen = clock_was_set(&f->watch), by;

	if (seen != 0)
		log_warn("the clock was set by %lld s: no offer and no "
			 "queue_timeout ends sooner for it",
		    (long long)seen / 1000);
	f->due |= seen != 0;
	if (!f->due)
		return true;
	if (handout_clock(s, &by) != ERR_OK)
		return false;
	f->due = false;
	if (by != 0 && seen == 0)
		log_warn("the clock was set by %lld s since the times in the "
			 "store were written: they fit it now",
		    (long long)by / 1000);
	return true;
}

/* A part of a walk, while there is one. */
static void
look_at_fronts(struct svc *s, struct fronts *f)
{
	if (f->rest > 0 && f->rest-- > 1)
		return;
	if (front_look(s, f->after) == ERR_NOTFOUND)
		*f = (struct fronts){.rest = FRONT_ROUNDS};
}

static void *
sweep(void *arg)
{
	/* At the start too: it may have been set while nobody looked. */
	struct follower clock = {.due = true};
	struct fronts fronts = {.rest = 0};
	struct svc *s = arg;
	unsigned round;
	int64_t n;

	for (round = 0; !app_stopping(); round++) {
		while (follow_clock(s, &clock) &&
		       handout_sweep(s, &n) == ERR_OK && n > 0 &&
		       !app_stopping())
			log_info(
			    "%lld jobs went back or ended, as their agents "
			    "gave no sign",
			    (long long)n);
		if (round % LOST_ROUNDS == 0 &&
		    lost_look(lost, s, clock_mono_ms(), &n) == ERR_OK && n > 0)
			log_info("the agents of %lld jobs are lost, or were "
				 "heard of again",
			    (long long)n);
		look_at_fronts(s, &fronts);
		while (round % JOURNAL_ROUNDS == 0 &&
		       clock_is_settled(&clock.watch) &&
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
	if ((lost = lost_new()) == NULL) {
		log_error("no memory to watch agents");
		return false;
	}
	return hold_keeper_prepare(s) && app_thread(&sweeper, sweep, s);
}

static void
background(struct svc *s)
{
	hold_keeper_run(s);
	(void)pthread_join(sweeper, NULL);
	lost_free(lost);
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
	    .misfit = hold_limits_misfit,
	    .prepare = prepare,
	    .background = background,
	};

	return app_main(&app, argc, argv);
}
