#ifndef TRIM_MARK_H
#define TRIM_MARK_H

#include "db.h"
#include "id.h"
#include "queue.h"

/*
 * Which queues of the broker are to be trimmed: their marks in the store.  Triggers make them too
 * (schema.sql).  A mark is leased to one process for a while, so that two do not take the same
 * queue in turns, and a transition meanwhile marks it once more.  Where the head waits the mark
 * rests until that job leaves: no message is taken before.  A queue that is put off has a
 * head that is no job's, so that none that leaves hastens it.
 */

/* Looked at in one step. */
#define TRIM_QUEUES_MAX 64

/* How the look at a queue has ended. */
enum trim_end {
	TRIM_EMPTY, /* no message is left */
	TRIM_WAITS, /* at one whose job waits */
	TRIM_MORE, /* so many were taken */
	TRIM_LATER, /* not now: others' messages, or it is not allowed */
	TRIM_BROKER /* the connection is lost */
};

struct trim_pass {
	char queue[NAME_LEN_MAX + 1];
	enum trim_end end;
	bool consumed; /* somebody may hold messages of it */
	char head[ID_LEN + 1]; /* of TRIM_WAITS: the job's id */
};

struct trim_batch {
	int64_t now;
	int64_t lease;
	struct trim_pass passes[TRIM_QUEUES_MAX];
	size_t n;
};

/* Mark all queues: the broker may have messages that were not expected any more. */
enum err trim_mark_all(struct db *db) __attribute__((warn_unused_result));

/* Mark one, unless it is put off. */
enum err trim_mark_queue(struct db *db, const char *queue)
    __attribute__((warn_unused_result));

/* Those that are due behind the queue after, else from the first, into *b, which is empty. */
enum err trim_mark_find(struct db *db, const char *after, struct trim_batch *b)
    __attribute__((warn_unused_result));

/* Lease what was found.  Those of which the mark is another process's since the look are left to
 * it, and not in *b any more. */
enum err trim_mark_lease(struct db *db, struct trim_batch *b)
    __attribute__((warn_unused_result));

/* Write down how each has ended, which ends its lease. */
enum err trim_mark_settle(struct db *db, struct trim_batch *b)
    __attribute__((warn_unused_result));

/* Likewise without waiting for it; *b, of malloc(), is given away.  Should it be lost, the lease
 * ends by itself. */
void trim_mark_settle_later(struct db *db, struct trim_batch *b);

#endif /* !TRIM_MARK_H */
