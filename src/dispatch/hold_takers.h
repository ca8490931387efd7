#ifndef DISPATCH_HOLD_TAKERS_H
#define DISPATCH_HOLD_TAKERS_H

#include <stdbool.h>

#include "svc.h"

struct parked_list;

/*
 * The threads that take jobs for held requests, and answer those that got one, or a
 * failure.  Each request is given back by hold_back(): with PARKED_NOTHING if there was
 * no job, and it may wait on; with PARKED_OVER if it was answered or its client has gone.
 */

/* False without memory. */
bool hold_takers_start(struct svc *svc);

/* Give them all of l, which is empty then.  None may be in a set. */
void hold_takers_give(struct parked_list *l);

/* Wait until they have given everything back, and end them. */
void hold_takers_stop(void);

#endif /* !DISPATCH_HOLD_TAKERS_H */
