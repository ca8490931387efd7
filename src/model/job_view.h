#ifndef JOB_VIEW_H
#define JOB_VIEW_H

#include <stdbool.h>

#include "arena.h"
#include "err.h"
#include "job.h"

/*
 * Append to b the definition of job, as job_read() gives it, as clients are shown it.
 * job_id is id_text, the spelling of who asks.  A seed job stays as it was posted
 * otherwise.  An ordinary job always has exclude_agents, and if strict only fields
 * that today's API knows.  A job that is run once more tells so: retried_as, and retry_of in
 * the other.
 */
enum err job_view(struct buf *b, const struct job *job, bool strict,
    const char *id_text) __attribute__((warn_unused_result));

/*
 * Append what the agent gets that has taken the job, as the hand-out gives it: the definition
 * with the values of its secrets, and, spliced in before its end, client_id,
 * attachments_status and started_at.  ERR_NOMEM.
 */
enum err job_view_taken(struct svc *s, struct buf *b, const struct job *job)
    __attribute__((warn_unused_result));

#endif /* !JOB_VIEW_H */
