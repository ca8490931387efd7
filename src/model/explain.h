#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "explain_ahead.h"

/* Why a job waits, or what became of it. */

/*
 * A JSON object: job_id, job_state, queue, reasons (a list of code and text, the plain
 * cause first; what stands in the way of a waiting job, or why another ended), agent and since
 * (who has it in hand, and since when), agents (those on the queue of a waiting job, each with
 * what it does, and silent by lost_allowed_ms()), ahead (jobs before it that an agent may have
 * which may have it, over the queues of these agents; at most EXPLAIN_AHEAD_MAX are counted),
 * ahead_token (of these, for agents with a token alone), estimate (seconds from submission
 * to hand-out as the queue's history has them, from the 10th to the 90th of a hundred,
 * or null) and history (the journal of the job).  ERR_NOTFOUND: there is no such job.
 */
enum err explain_job(struct svc *s, struct arena *a, const struct id *id,
    const char **json, size_t *len) __attribute__((warn_unused_result));

#endif /* !EXPLAIN_H */
