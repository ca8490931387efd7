#ifndef EXPLAIN_H
#define EXPLAIN_H

#include "id.h"
#include "svc.h"

/* Why a job waits, or what became of it. */

/*
 * A JSON object: job_id, job_state, queue, reasons (a list of code and text, the plain
 * cause first; what stands in the way of a waiting job, or why another ended), agents (those
 * on its queue, each with what it does, and silent by lost_allowed_ms()), ahead (jobs before it over the queues that those
 * agents serve; at most EXPLAIN_AHEAD_MAX are counted), estimate (seconds from submission
 * to hand-out as the queue's history has them, from the 10th to the 90th of a hundred,
 * or null) and history (the journal of the job).  ERR_NOTFOUND: there is no such job.
 */
enum err explain_job(struct svc *s, struct arena *a, const struct id *id,
    const char **json, size_t *len) __attribute__((warn_unused_result));

#define EXPLAIN_AHEAD_MAX 10000

#endif /* !EXPLAIN_H */
