#ifndef TRIM_CONSUMED_H
#define TRIM_CONSUMED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "broker_tap.h"
#include "db.h"
#include "queue.h"

/*
 * Queues that had consumers when they were looked at last.  A consumer may hold messages that
 * stand before the first, and they come back when it goes.  So each of these queues is declared
 * passively once a minute, and marked to be trimmed once it has none any more.  They are in
 * memory alone: a process that starts marks all.
 */

struct trim_consumed {
	char (*names)[NAME_LEN_MAX + 1];
	size_t n, room;
	size_t
	    left; /* of the names, the first ones: to be looked at in this round */
	int64_t next_ms; /* monotonic, then a round begins */
};

/* Look at the queue from now on.  Without memory it is left out. */
void trim_consumed_await(struct trim_consumed *w, const char *queue);

/*
 * Look at those whose turn it is, TRIM_QUEUES_MAX at most, and begin none at until_ms
 * (monotonic) or later.  *more: there are more to look at.  ERR_BROKER: the tap is of no use any
 * more, and *more is false.  Any other error is of one queue, which is looked at again.
 */
enum err trim_consumed_look(struct trim_consumed *w, struct db *db,
    struct broker_tap *tap, int64_t until_ms, bool *more)
    __attribute__((warn_unused_result));

/* All of them: the broker was lost, and what is marked when it is back is all there is. */
void trim_consumed_forget(struct trim_consumed *w);

void trim_consumed_free(struct trim_consumed *w);

#endif /* !TRIM_CONSUMED_H */
