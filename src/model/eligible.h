#ifndef ELIGIBLE_H
#define ELIGIBLE_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"
#include "svc.h"

/* Whether there is a job for somebody, without taking it. */

/* Note for each of the n queues whether a job waits there that somebody may take. */
enum err eligible_queues(struct svc *s, const char *const *queues, size_t n,
    bool *waits) __attribute__((warn_unused_result));

/* Who asks for a job, by the rules of handout_take(). */
struct eligible_asker {
	const char *agent;
	bool verified; /* by a token */
	bool chosen; /* out: there is a job for it */
};

/*
 * Go through the jobs that wait in the queue, the best first, and choose for each the
 * first of the n askers that may take it and has not been chosen; at most most of
 * them.  No asker may be marked as chosen before.  ERR_NOTFOUND: no job waits there.
 */
enum err eligible_choose(struct svc *s, const char *queue,
    struct eligible_asker *askers, size_t n, size_t most)
    __attribute__((warn_unused_result));

#endif /* !ELIGIBLE_H */
