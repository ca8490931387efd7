#ifndef JOB_H
#define JOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "auth.h"
#include "best.h"
#include "err.h"
#include "id.h"
#include "svc.h"

/* Jobs: submitted, read, taken by one agent, cancelled. */

/* States that the server itself sets or tests; the others are agents' words. */
#define JOB_WAITING "waiting"
#define JOB_RUNNING "running"
#define JOB_CANCELLED "cancelled"
#define JOB_COMPLETE "complete"

/* Longer reservations than this need a permission; seconds. */
#define JOB_RESERVE_FREE_S 21600
/* What a reservation without a time-out counts as; seconds. */
#define JOB_RESERVE_ASSUMED_S 3600

/* A job as it is submitted; made by job_fields_read(). */
struct job_new {
	struct id id; /* canonical */
	const char *id_text; /* as submitted, or the canonical one */
	size_t id_len;
	bool id_given; /* and then id.text is "" if it is no UUID */
	const char *queue;
	int64_t priority;
	int64_t reserve_s; /* seconds of reservation asked for */
	int64_t
	    queue_timeout_s; /* to be taken by then, or it ends; 0: no such time */
	const char
	    *lost_policy; /* a word of AGENT_LOST_POLICY; NULL: the server's */
	const char
	    *submit_key; /* tells this submission from all others; NULL: none */
	const char *submit_hash; /* tells its content, where there is a key */
	bool seed; /* without a token and without any "…_data" section */
	bool secrets; /* test_data.secrets is there */
	const char **secret_paths; /* distinct paths in it, sorted */
	size_t n_secret_paths;
	bool attachments;
	const char **exclude;
	size_t n_exclude;
	char exclude_word[BEST_WORD_SIZE]; /* of all of these */
	const char **tags; /* as submitted, repeats kept */
	size_t n_tags;
	const char *body; /* JSON, job_id in it */
	size_t body_len;
};

enum job_verdict {
	JOB_OK,
	JOB_FAILED, /* see job_refusal */
	JOB_NO_AGENT, /* all agents on the queue are excluded */
	JOB_NO_SECRETS_STORE,
	JOB_NEEDS_CLIENT, /* names secrets, but whose? */
	JOB_NO_SUCH_SECRETS, /* *missing names them */
	JOB_BAD_ID, /* job_id is no UUID */
	JOB_NEEDS_LOGIN_PRIORITY,
	JOB_NOT_THIS_PRIORITY,
	JOB_NEEDS_LOGIN_QUEUE, /* it is restricted */
	JOB_NOT_THIS_QUEUE,
	JOB_NEEDS_LOGIN_RESERVE,
	JOB_NOT_THIS_RESERVE,
	JOB_ID_TAKEN, /* by an unfinished job of other content */
	JOB_KEY_TAKEN, /* the key came with other content before */
	JOB_TOO_MANY_QUEUES,
	JOB_TOO_MANY_LISTS /* of excluded agents, in its queue */
};

/*
 * Store a job, durably, and hand it to the broker if there is one.  The same id
 * with the same content is JOB_OK and makes no second job; with other content
 * it is a new run if the former has ended.  The broker's silence is no failure:
 * the outbox sends the message later.  request_id goes into the message; "" for
 * none.  More than the verdict stands in *more, which lives with the arena.
 */
struct job_refusal {
	enum err failure; /* of JOB_FAILED */
	const char *missing; /* of JOB_NO_SUCH_SECRETS: paths, joined by ", " */
	struct id
	    first; /* of JOB_OK: the job of a former submission under this key; else
			    "" */
};
enum job_verdict job_submit(struct svc *s, struct arena *a,
    const struct job_new *job, const struct auth_caller *caller,
    const char *request_id, struct job_refusal *more)
    __attribute__((warn_unused_result));

/* What a job is, in memory of the arena. */
struct job {
	struct id id;
	const char *state;
	const char *body;
	size_t body_len;
	const char *attachments; /* NULL: none */
	const char *client_id; /* whose secrets it names; NULL: none; "": a
				  client's that was removed */
	int64_t started_at;
	/* Of job_read() alone: */
	bool seed;
	const char
	    *retry_of; /* the id of the job that it runs once more; NULL */
	const char
	    *retried_as; /* the id of the one that runs it once more; NULL */
};

/* ERR_NOTFOUND if there is no such job. */
enum err job_read(struct svc *s, struct arena *a, const struct id *id,
    struct job *out) __attribute__((warn_unused_result));

/* ERR_CONFLICT if there is no such job or it has ended. */
enum err job_cancel(struct svc *s, const struct id *id)
    __attribute__((warn_unused_result));

#endif /* !JOB_H */
