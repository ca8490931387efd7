#ifndef EXPLAIN_AGENTS_H
#define EXPLAIN_AGENTS_H

#include "id.h"
#include "svc.h"

/* The agents on the queue of a job that waits. */

/* So many are looked at, by name. */
#define EXPLAIN_AGENTS_MAX 100

/* Where a job stands. */
struct explain_place {
	const char *queue;
	int64_t seq, priority;
};

struct explain_agents {
	struct buf list; /* members of a JSON array */
	unsigned n, n_excluded, n_silent, n_away;
	/* Of those that may take the job and are there: */
	unsigned n_busy;
	unsigned
	    n_ended; /* of these, with a job that has ended, by their word */
};

/* Each with what it does, and silent by lost_allowed_ms(). */
enum err explain_agents(struct svc *svc, struct db_conn *c, struct arena *a,
    const struct explain_place *at, struct explain_agents *out)
    __attribute__((warn_unused_result));

/* A member of an object behind others: text, or null. */
void explain_put_member(struct buf *b, const char *name, const char *text);

#endif /* !EXPLAIN_AGENTS_H */
