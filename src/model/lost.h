#ifndef LOST_H
#define LOST_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "svc.h"

/*
 * Agents that fall silent while they have a job in hand.  A started job is never handed
 * out again by itself; when nothing at all is heard of its agent for longer than its phase
 * allows it is marked, and waits, fails, or runs once more as a new job.
 */

/* What was heard of each started job, and since when not; of one thread. */
struct lost;

/* NULL without memory. */
struct lost *lost_new(void);
void lost_free(struct lost *l);

/* How often to look, milliseconds. */
#define LOST_LOOK_MS 5000

/* A job is run once more at most so many times. */
#define LOST_RETRIES_MAX 3

#define LOST_REASON "agent lost"

/* For how long an agent may say nothing, milliseconds; 0: for any time.  state: of the job
 * that it has in hand; NULL: it has none, and asks for one. */
int64_t lost_allowed_ms(const struct conf *conf, const char *state);

/*
 * Look at all started jobs, and at a hundred of those whose agent is silent for too long,
 * or is heard of again, do what is to be done; *n of how many.  Nothing is written unless
 * something changes.
 *
 * Silence is time that was watched: between two looks at which the same last word stands
 * in the map of times, by the steps of mono_ms (clock_mono_ms()), each of which counts
 * three times LOST_LOOK_MS at most.  So neither a step of the wall clock, nor a stop of the
 * process, nor one of the whole host is taken for silence.  Without the map nobody is
 * lost.
 *
 * A job with which it cannot be done holds up no other; its error is returned.  Where a hundred
 * are not all, the next look goes on behind them, so that many which fail step back behind the
 * others.  One that is marked and waits is not among them.  Where the store refuses, the rest is
 * left to the next look.
 */
enum err lost_look(struct lost *l, struct svc *s, int64_t mono_ms, int64_t *n)
    __attribute__((warn_unused_result));

#endif /* !LOST_H */
