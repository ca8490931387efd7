#ifndef DISPATCH_HOLD_LOOK_H
#define DISPATCH_HOLD_LOOK_H

#include <stddef.h>
#include <stdint.h>

#include "parked.h"
#include "svc.h"

/*
 * Which of the requests of a set there is a job for: looks at the store, which take
 * nothing.  Of the thread that has the set.
 */

struct hold_look;

/* NULL without memory.  The set stays the caller's and must outlive it. */
struct hold_look *hold_look_new(struct parked_set *set);
void hold_look_free(struct hold_look *l); /* NULL is allowed */

/* As many are chosen in one queue at a time. */
#define HOLD_LOOK_CHOSEN_MAX 16

/*
 * Choose of those who wait in q for whom there is a job: for the best jobs, and for each
 * who of those that may have it has waited longest.  How many were put into out; 0 if none,
 * or if the store could not be read (logged).  They stay in the set.
 */
size_t hold_look_choose(struct hold_look *l, struct svc *svc,
    const struct parked_queue *q, struct parked *out[HOLD_LOOK_CHOSEN_MAX]);

/* Begin a look at all queues, for words were lost; a look that is under way begins again. */
void hold_look_all(struct hold_look *l);

/* Go on with a look at all queues by some of them, and begin one when it is due: each
 * second while anybody waits.  Queues with a job are marked (parked_mark()). */
void hold_look_on(struct hold_look *l, struct svc *svc);

/* When hold_look_on() has something to do by itself, on the monotonic clock: 0 for at
 * once, INT64_MAX for never. */
int64_t hold_look_due_ms(const struct hold_look *l);

#endif /* !DISPATCH_HOLD_LOOK_H */
