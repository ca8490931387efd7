#ifndef DISPATCH_HOLD_SIGNS_H
#define DISPATCH_HOLD_SIGNS_H

#include <stddef.h>
#include <stdint.h>

#include "parked.h"
#include "svc.h"

/*
 * Who waits is heard of all the time: its connection stands.  So the map of times is told of
 * the agents of held requests each second, as it is of those that ask again and again.  Of
 * the thread that has the set; {set} begins.
 */
struct hold_signs {
	const struct parked_set *set;
	size_t
	    part; /* of the set, the next; 0: none is told of yet this time */
	int64_t due_ms; /* of the next time, monotonic */
};

/* Go on with telling of all by some of them, and begin when it is due: each second while
 * anybody waits.  The store is not touched. */
void hold_signs_on(struct hold_signs *s, struct svc *svc);

/* When hold_signs_on() has something to do by itself, on the monotonic clock: 0 for at
 * once, INT64_MAX for never. */
int64_t hold_signs_due_ms(const struct hold_signs *s);

#endif /* !DISPATCH_HOLD_SIGNS_H */
