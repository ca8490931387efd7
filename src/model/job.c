/*
 * Jobs as rows.  Who gets one is settled by one compare-and-set in a change;
 * the message to the broker follows the commit, never goes before it.
 */

#include "job.h"

#include <stdlib.h>
#include <string.h>

#include "best.h"
#include "clock.h"
#include "column.h"
#include "joblog.h"
#include "journal.h"
#include "outbox.h"
#include "queue.h"
#include "secret.h"

enum {
	SQL_SAME_ID,
	SQL_DELETE,
	SQL_INSERT,
	SQL_SAME_KEY,
	SQL_EXCLUDE,
	SQL_TAG,
	SQL_AGENTS,
	SQL_READ,
	SQL_CANCEL
};

static const char *const sql[] = {
    [SQL_SAME_ID] = "SELECT ended_at, body FROM job WHERE id = $1",
    [SQL_DELETE] = "DELETE FROM job WHERE id = $1",
    [SQL_INSERT] = "INSERT INTO job (id, queue, priority, state, seed, ready, "
		   "attachments, body, created_at, result_file, client_id, "
		   "secrets, publish_at, deadline_at, submit_key, submit_hash, "
		   "lost_policy, excludes, artifact_file) VALUES "
		   "($1, $2, $3, 'waiting', $4, $5, $6, $7, $8, 0, $9, $10, "
		   "nullif($11, 0), nullif($12, 0), $13, $14, $15, $16, 0)",
    [SQL_SAME_KEY] = "SELECT id, submit_hash FROM job WHERE submit_key = $1",
    [SQL_EXCLUDE] = "INSERT INTO job_exclude (job, agent) "
		    "SELECT seq, $2 FROM job WHERE id = $1 "
		    "ON CONFLICT DO NOTHING",
    [SQL_TAG] = "INSERT INTO job_tag (tag, job) "
		"SELECT $2, seq FROM job WHERE id = $1 ON CONFLICT DO NOTHING",
    [SQL_AGENTS] = "SELECT agent FROM agent_queue WHERE queue = $1",
    [SQL_READ] = "SELECT state, body, attachments, started_at, seed, "
		 "retry_of, retried_as FROM job WHERE id = $1",
    [SQL_CANCEL] =
	"UPDATE job SET state = 'cancelled', ended_at = $2, late = 0, "
	"seed = 0, reason = 'cancelled' "
	"WHERE id = $1 AND (ended_at IS NULL OR late = 1)",
};

struct submission {
	const struct job_new *job;
	const char *client_id; /* whose secrets; NULL: none */
	int64_t now;
	int64_t publish_at; /* 0: not to be published */
	int64_t max_queues;
	enum job_verdict verdict;
	bool repeated;
	struct id *first; /* the job of the first submission under the key */
};

/* Somebody may take the job: an agent on the queue that is not excluded. Agents
 * nobody knows of may come, but with exclusions we must know one. */
static enum err
agent_remains(struct db_conn *c, const struct job_new *job, bool *remains)
{
	struct db_stmt *s;
	const char *name;
	size_t i;
	enum err e;

	*remains = job->n_exclude == 0;
	if (*remains)
		return ERR_OK;
	for (e = db_query(c, &s, sql[SQL_AGENTS], "t", job->queue);
	     e == ERR_OK && !*remains; e = db_next(s)) {
		name = db_text(s, 0, NULL);
		for (i = 0; i < job->n_exclude; i++)
			if (strcmp(job->exclude[i], name) == 0)
				break;
		*remains = i == job->n_exclude;
	}
	if (s != NULL)
		db_end(s);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/*
 * What another submission under this id means: the same content repeats it;
 * other content is a new run once the former has ended, and goes in its place.
 */
static enum err
same_id(struct db_conn *c, struct submission *sub)
{
	const struct job_new *job = sub->job;
	struct db_stmt *s;
	const char *body;
	size_t len;
	bool ended;
	enum err e;

	if (!job->id_given)
		return ERR_OK;
	e = db_query(c, &s, sql[SQL_SAME_ID], "t", job->id.text);
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	ended = !db_is_null(s, 0);
	body = db_text(s, 1, &len);
	sub->repeated =
	    len == job->body_len && memcmp(body, job->body, len) == 0;
	db_end(s);
	if (sub->repeated)
		return ERR_OK;
	if (!ended) {
		sub->verdict = JOB_ID_TAKEN;
		return ERR_CONFLICT;
	}
	e = db_exec(c, NULL, sql[SQL_DELETE], "t", job->id.text);
	return e == ERR_OK ? joblog_forget(c, &job->id) : e;
}

/* What another submission under this key means: the same content repeats it. */
static enum err
same_key(struct db_conn *c, struct submission *sub)
{
	const struct job_new *job = sub->job;
	struct db_stmt *s;
	const char *id;
	size_t len;
	enum err e;

	if (job->submit_key == NULL)
		return ERR_OK;
	e = db_query(c, &s, sql[SQL_SAME_KEY], "t", job->submit_key);
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	id = db_text(s, 0, &len);
	sub->repeated = strcmp(db_text(s, 1, NULL), job->submit_hash) == 0;
	if (sub->repeated)
		(void)id_parse(id, len, sub->first);
	db_end(s);
	if (sub->repeated)
		return ERR_OK;
	sub->verdict = JOB_KEY_TAKEN;
	return ERR_CONFLICT;
}

static enum err
insert(struct db_conn *c, const struct submission *sub)
{
	const struct job_new *job = sub->job;
	int64_t publish_at = job->attachments ? 0 : sub->publish_at;
	int64_t deadline = job->queue_timeout_s > 0
			       ? sub->now + job->queue_timeout_s * 1000
			       : 0;
	size_t i;
	enum err e;

	e = db_exec(c, NULL, sql[SQL_INSERT], "ttiiitsitiiitttt", job->id.text,
	    job->queue, job->priority, (int64_t)job->seed,
	    (int64_t)!job->attachments, job->attachments ? "waiting" : NULL,
	    job->body, job->body_len, sub->now, sub->client_id,
	    (int64_t)job->secrets, publish_at, deadline, job->submit_key,
	    job->submit_hash, job->lost_policy, job->exclude_word);
	for (i = 0; i < job->n_exclude && e == ERR_OK; i++)
		e = db_exec(c, NULL, sql[SQL_EXCLUDE], "tt", job->id.text,
		    job->exclude[i]);
	for (i = 0; i < job->n_tags && e == ERR_OK; i++)
		e = db_exec(
		    c, NULL, sql[SQL_TAG], "tt", job->id.text, job->tags[i]);
	return e;
}

static enum err
submit_change(struct db_conn *c, void *arg)
{
	struct submission *sub = arg;
	const struct journal_item items[] = {
	    {"queue", sub->job->queue, 0, 0},
	    {"priority", NULL, sub->job->priority, 0},
	};
	enum err e;

	/* The clock may have been set while this waited. */
	sub->now = clock_now_ms();
	if ((e = same_key(c, sub)) != ERR_OK || sub->repeated)
		return e;
	if ((e = same_id(c, sub)) != ERR_OK || sub->repeated)
		return e;
	e = queue_know(c, sub->job->queue, sub->max_queues, sub->now);
	if (e == ERR_LIMIT)
		sub->verdict = JOB_TOO_MANY_QUEUES;
	if (e == ERR_OK && (e = best_room(c, sub->job->queue,
				sub->job->exclude_word)) == ERR_LIMIT)
		sub->verdict = JOB_TOO_MANY_LISTS;
	if (e == ERR_OK)
		e = insert(c, sub);
	return e == ERR_OK ? journal_add(c, "job.submitted", sub->job->id.text,
				 items, 2)
			   : e;
}

/* The secrets that a job names are the submitter's own, and must be there. */
static enum job_verdict
may_use_secrets(struct svc *s, struct arena *a, const struct job_new *job,
    const struct auth_caller *caller, struct job_refusal *more)
{
	if (!job->secrets)
		return JOB_OK;
	if (!s->has_secrets)
		return JOB_NO_SECRETS_STORE;
	if (caller->client_id == NULL)
		return JOB_NEEDS_CLIENT;
	more->failure = secret_missing(s, a, caller->client_id,
	    job->secret_paths, job->n_secret_paths, false, &more->missing);
	if (more->failure != ERR_OK)
		return JOB_FAILED;
	return more->missing != NULL ? JOB_NO_SUCH_SECRETS : JOB_OK;
}

static enum job_verdict
may_have_priority(struct arena *a, const struct job_new *job,
    const struct auth_caller *caller)
{
	if (job->priority == 0)
		return JOB_OK;
	if (!caller->token)
		return JOB_NEEDS_LOGIN_PRIORITY;
	return job->priority > auth_limit(caller, a, "max_priority", job->queue)
		   ? JOB_NOT_THIS_PRIORITY
		   : JOB_OK;
}

static enum job_verdict
may_use_queue(struct svc *s, struct arena *a, const struct job_new *job,
    const struct auth_caller *caller, struct job_refusal *more)
{
	struct db_conn *c = db_read(s->db);
	bool restricted;

	more->failure = queue_is_restricted(c, job->queue, &restricted);
	db_read_end(s->db, c);
	if (more->failure != ERR_OK)
		return JOB_FAILED;
	if (!restricted)
		return JOB_OK;
	if (!caller->token)
		return JOB_NEEDS_LOGIN_QUEUE;
	return auth_owns(caller, a, job->queue) ? JOB_OK : JOB_NOT_THIS_QUEUE;
}

static enum job_verdict
may_reserve(struct arena *a, const struct job_new *job,
    const struct auth_caller *caller)
{
	if (job->reserve_s <= JOB_RESERVE_FREE_S)
		return JOB_OK;
	if (!caller->token)
		return JOB_NEEDS_LOGIN_RESERVE;
	return job->reserve_s >
		       auth_limit(caller, a, "max_reservation_time", job->queue)
		   ? JOB_NOT_THIS_RESERVE
		   : JOB_OK;
}

/* Rules that need the store or the caller, in the order in which clients see
 * them. */
static enum job_verdict
may_submit(struct svc *s, struct arena *a, const struct job_new *job,
    const struct auth_caller *caller, struct job_refusal *more)
{
	enum job_verdict v;
	struct db_conn *c;
	bool remains = true;

	if (job->n_exclude > 0) {
		c = db_read(s->db);
		more->failure = agent_remains(c, job, &remains);
		db_read_end(s->db, c);
		if (more->failure != ERR_OK)
			return JOB_FAILED;
	}
	if (!remains)
		return JOB_NO_AGENT;
	if ((v = may_use_secrets(s, a, job, caller, more)) != JOB_OK)
		return v;
	if (job->id.text[0] == '\0')
		return JOB_BAD_ID;
	if ((v = may_have_priority(a, job, caller)) != JOB_OK ||
	    (v = may_use_queue(s, a, job, caller, more)) != JOB_OK)
		return v;
	return may_reserve(a, job, caller);
}

static enum err
look_for_key(struct svc *s, struct submission *sub)
{
	struct db_conn *c;
	enum err e;

	if (sub->job->submit_key == NULL)
		return ERR_OK;
	c = db_read(s->db);
	e = same_key(c, sub);
	db_read_end(s->db, c);
	return e;
}

enum job_verdict
job_submit(struct svc *s, struct arena *a, const struct job_new *job,
    const struct auth_caller *caller, const char *request_id,
    struct job_refusal *more)
{
	struct outbox_item item = {
	    .id = job->id,
	    .queue = job->queue,
	    .body = job->body,
	    .len = job->body_len,
	};
	struct submission sub = {
	    .job = job,
	    .client_id = job->secrets ? caller->client_id : NULL,
	    .max_queues = conf_int(s->conf, CONF_MAX_QUEUES),
	};

	*more = (struct job_refusal){.failure = ERR_OK};
	sub.first = &more->first;
	/* A repetition gets its answer whatever has changed meanwhile. */
	if ((more->failure = look_for_key(s, &sub)) != ERR_OK)
		return sub.verdict != JOB_OK ? sub.verdict : JOB_FAILED;
	if (sub.repeated)
		return JOB_OK;
	sub.verdict = may_submit(s, a, job, caller, more);
	if (sub.verdict != JOB_OK)
		return sub.verdict;
	if (s->has_broker)
		sub.publish_at = clock_now_ms() + OUTBOX_FIRST_TRY_MS;
	item.publish_at = sub.publish_at;
	more->failure = db_write(s->db, submit_change, &sub);
	if (more->failure != ERR_OK)
		return sub.verdict != JOB_OK ? sub.verdict : JOB_FAILED;
	if (!sub.repeated && !job->attachments)
		wake_say(s->wake, WAKE_QUEUE, job->queue);
	if (s->broker != NULL && !sub.repeated && !job->attachments)
		outbox_send(s, &item, request_id);
	return JOB_OK;
}

enum err
job_read(struct svc *s, struct arena *a, const struct id *id, struct job *out)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	bool failed = false;
	enum err e;

	e = db_query(c, &st, sql[SQL_READ], "t", id->text);
	if (e == ERR_OK) {
		out->id = *id;
		out->state = column_text(a, st, 0, NULL, &failed);
		out->body = column_text(a, st, 1, &out->body_len, &failed);
		out->attachments = column_text(a, st, 2, NULL, &failed);
		out->started_at = db_int(st, 3);
		out->seed = db_int(st, 4) != 0;
		out->retry_of = column_text(a, st, 5, NULL, &failed);
		out->retried_as = column_text(a, st, 6, NULL, &failed);
		db_end(st);
		if (failed)
			e = ERR_NOMEM;
	}
	db_read_end(s->db, c);
	return e;
}

struct cancelling {
	const struct id *id;
	int64_t now;
};

static enum err
cancel_change(struct db_conn *c, void *arg)
{
	const struct cancelling *x = arg;
	int64_t n = 0;
	enum err e;

	e = db_exec(c, &n, sql[SQL_CANCEL], "ti", x->id->text, x->now);
	if (e == ERR_OK && n == 0)
		e = ERR_CONFLICT;
	if (e == ERR_OK)
		e = secret_spend(c, x->id->text);
	return e == ERR_OK
		   ? journal_add(c, "job.cancelled", x->id->text, NULL, 0)
		   : e;
}

enum err
job_cancel(struct svc *s, const struct id *id)
{
	struct cancelling x = {.id = id, .now = clock_now_ms()};

	return db_write(s->db, cancel_change, &x);
}
