#ifndef EXPLAIN_AHEAD_H
#define EXPLAIN_AHEAD_H

#include "explain_agents.h"

/* Which jobs go before one that waits. */

#define EXPLAIN_AHEAD_MAX 10000

struct explain_ahead {
	int64_t n; /* no more than EXPLAIN_AHEAD_MAX are counted */
	int64_t token; /* of these, for agents that show a token */
};

/* Count the jobs before the one at this place that an agent may have which may have it, over all
 * queues of the first EXPLAIN_AGENTS_MAX such agents. */
enum err explain_ahead(struct db_conn *c, const struct explain_place *at,
    struct explain_ahead *out) __attribute__((warn_unused_result));

#endif /* !EXPLAIN_AHEAD_H */
