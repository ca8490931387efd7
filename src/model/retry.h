#ifndef RETRY_H
#define RETRY_H

#include "arena.h"
#include "db.h"
#include "id.h"
#include "svc.h"

/* A job once more: a new one with the same definition, linked with the former. */

struct retry {
	struct id of, id; /* the former, the new one */
	const char *queue;
	const char *body; /* with the new id */
	size_t body_len;
	int64_t priority;
	bool attachments;
	const char *
	    why_not; /* it cannot be run once more, as a reason; NULL: it can */
};

/*
 * What the job in row seq would be once more, in memory of the arena.  It cannot be if that
 * was done LOST_RETRIES_MAX times, or if a secret that it names is gone, as ephemeral ones
 * are since its start.  ERR_NOTFOUND: there is no such job.
 */
enum err retry_plan(struct svc *s, struct arena *a, int64_t seq,
    struct retry *out) __attribute__((warn_unused_result));

/*
 * In a change: make the new job, with the former's attachments, to wait for an agent and
 * for the outbox; both rows and the journal tell of each other.  ERR_CONFLICT: the
 * attachments cannot be given to it, and nothing was changed.  Unless the change is
 * committed, retry_undo().
 */
enum err retry_make(struct db_conn *c, struct svc *s, const struct retry *r,
    int64_t now) __attribute__((warn_unused_result));
void retry_undo(struct svc *s, const struct retry *r);

#endif /* !RETRY_H */
