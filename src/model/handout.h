#ifndef HANDOUT_H
#define HANDOUT_H

#include "job.h"

/*
 * The hand-out of jobs in two stages.  A job is offered to an agent, and started at the first
 * sign of it: a post that names the job.  An offer whose answer may have been lost is made
 * again; a started job is never handed out again by itself.
 */

/* Who asks for a job. */
struct handout_ask {
	const char *const *queues;
	size_t n;
	const char *agent;
	const char *
	    client; /* the client id of a token that has verified it; NULL: none */
	const char *connection; /* "" or NULL: unknown */
};

/*
 * What the agent gets.  A job that it was offered and has shown no sign of is offered again,
 * the same, unless the request comes on the connection on which that was answered, which
 * proves that the answer arrived; one on a queue that it does not ask for any more goes back
 * to its old place.  A job that it has started and not ended is marked: the agent has
 * returned without a result.  Else the best waiting job of the queues is offered: the highest
 * priority, then the oldest; not one that excludes it, nor one whose attachments are missing,
 * nor, without a client, one that names secrets or is on a restricted queue.
 * ERR_NOTFOUND: there is none.
 */
enum err handout_take(struct svc *s, struct arena *a,
    const struct handout_ask *ask, struct job *out)
    __attribute__((warn_unused_result));

/* In a change: the job of this row and id, which was offered, is back at its old place, as why tells
 * the journal.  publish_at: then it is published anew, ms since 1970; 0: there is no broker. */
enum err handout_back(struct db_conn *c, int64_t seq, const struct id *id,
    int64_t publish_at, const char *why) __attribute__((warn_unused_result));

/* Who claims which job, by the message that told of it. */
struct claim {
	const struct id *id;
	const char *agent;
	const char *client; /* as in struct handout_ask */
};

enum claim_verdict {
	CLAIM_OK,
	CLAIM_FAILED, /* see *failure */
	CLAIM_NO_JOB,
	CLAIM_ENDED, /* also cancelled */
	CLAIM_TAKEN, /* another has it, or it was offered to another */
	CLAIM_NOT_READY, /* its attachments are missing */
	CLAIM_EXCLUDED, /* it waits, but not for this agent */
	CLAIM_NEEDS_LOGIN, /* it waits for one with a client */
};

/*
 * The agent takes the job, if it waits and the agent might be offered it; or has it already.
 * It is started by that and never offered again.  What the agent has in hand else stays as it
 * is: it may claim several jobs, and a claim is no word that it has none.  Ephemeral secrets
 * stay until the next sign, so that a claim whose answer was lost is told the same again.
 */
enum claim_verdict handout_claim(struct svc *s, struct arena *a,
    const struct claim *claim, struct job *out, enum err *failure)
    __attribute__((warn_unused_result));

/* What a job was when it was signed. */
struct handout_state {
	bool known; /* there is such a job */
	bool ended;
	bool late; /* ended for want of a word, which still counts */
	char state[64]; /* its begin */
	size_t state_len; /* of all of it */
};

/*
 * In a change: somebody posted what names the job, which is a sign of its start, and its
 * ephemeral secrets are spent.  The poster is the agent of cause_now(); without a name it
 * counts as the present one.  ERR_NOTFOUND: it is an agent that does not have the job, or
 * not any more, and what it posts must not change the job.  *out may be NULL.
 */
enum err handout_sign(struct db_conn *c, const char *id,
    struct handout_state *out) __attribute__((warn_unused_result));

/* The same by itself, for what is no change else.  Costs a look if there was a sign before
 * and nothing is to be spent. */
enum err handout_note_sign(struct svc *s, const struct id *id)
    __attribute__((warn_unused_result));

/* Where the posts of an agent that does not have the job are kept: under an id of their own,
 * the same for each post of that agent.  The journal tells it. */
enum err handout_apart(struct svc *s, const struct id *id, struct id *apart)
    __attribute__((warn_unused_result));

/*
 * In a change: if the wall clock was set since the times in the store were written, also while
 * nobody looked, make them fit it: when a job was offered, when its agent returned, when its
 * queue_timeout is over, and with that, or while its attachments have not come, when it was
 * submitted.  Nothing ends sooner for it, by CLOCK_STEP_MS at most; after a
 * start of the host, of which nobody knows how long it was off, offers and returns begin anew, as
 * they do where the host does not tell its starts and it may have been one.
 * *now is the wall clock, by which they are right now, and *by by how much it was set; 0: it was
 * not, or nobody knows.  It is done once, by however many processes; nothing is written
 * otherwise.
 */
enum err handout_clock_settle(struct db_conn *c, int64_t *now, int64_t *by)
    __attribute__((warn_unused_result));

/* The same by itself. */
enum err handout_clock(struct svc *s, int64_t *by)
    __attribute__((warn_unused_result));

/*
 * Offers older than OFFER_TIMEOUT go back to their old place, jobs whose agent returned
 * without a result end after RETURN_GRACE, and those that nobody took end after their
 * queue_timeout, by a clock that is settled in the same change.  Some of each; *n how many.
 */
enum err handout_sweep(struct svc *s, int64_t *n)
    __attribute__((warn_unused_result));

#endif /* !HANDOUT_H */
