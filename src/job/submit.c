/* POST /v1/job: a job onto its queue. */

#include <sodium.h>
#include <string.h>

#include "best.h"
#include "job.h"
#include "job_fields.h"
#include "js_escape.h"
#include "routes.h"

/* The reply where the caller may not. */
static int
refuse_caller(
    struct req *r, const struct job_new *job, enum job_verdict v, enum err e)
{
	switch (v) {
	case JOB_NEEDS_LOGIN_PRIORITY:
		return route_refuse(r, 401,
		    "Authentication required for setting priority: %lld",
		    (long long)job->priority);
	case JOB_NOT_THIS_PRIORITY:
		return route_refuse(r, 403,
		    "Not enough permissions to push to %s with priority %lld",
		    job->queue, (long long)job->priority);
	case JOB_NEEDS_LOGIN_QUEUE:
		return route_refuse(r, 401,
		    "Authentication required to push to restricted queue: %s",
		    job->queue);
	case JOB_NOT_THIS_QUEUE:
		return route_refuse(r, 403,
		    "Not enough permissions to push to the restricted queue: "
		    "%s",
		    job->queue);
	case JOB_NEEDS_LOGIN_RESERVE:
		return route_refuse(r, 401,
		    "Authentication required for setting timeout: %lld",
		    (long long)job->reserve_s);
	case JOB_NOT_THIS_RESERVE:
		return route_refuse(r, 403,
		    "Not enough permissions to push to %s with reservation "
		    "timeout %lld",
		    job->queue, (long long)job->reserve_s);
	default:
		return reply_err(r, e);
	}
}

static int
refuse_list(struct req *r)
{
	const char *text = arena_printf(r->arena,
	    "Too many lists: %d different ones wait in the queue. Use one of "
	    "these, or wait until the jobs of one are taken.",
	    BEST_LISTS_MAX);
	struct faults f;

	if (text == NULL)
		return reply_err(r, ERR_NOMEM);
	faults_init(&f, r->arena);
	faults_add(&f, text, "exclude_agents", NULL);
	return reply_faults(r, &f);
}

/* The reply for each verdict that is not good. */
static int
refuse(struct req *r, const struct job_new *job, enum job_verdict v,
    const struct job_refusal *more)
{
	struct faults f;

	switch (v) {
	case JOB_NO_AGENT:
		return reply_message(r, 422,
		    "There are no agents on the specified queue that are "
		    "allowed to run this job");
	case JOB_NO_SECRETS_STORE:
		return reply_message(r, 422, "No secrets store");
	case JOB_NEEDS_CLIENT:
		return reply_message(
		    r, 422, "Missing client ID (user not authenticated)");
	case JOB_NO_SUCH_SECRETS:
		return reply_message(
		    r, 422, "Inaccessible secret paths: %s", more->missing);
	case JOB_BAD_ID:
		return reply_message(r, 400, "Invalid job_id specified");
	case JOB_ID_TAKEN:
		return reply_message(r, 409,
		    "job_id: an unfinished job of other content has it");
	case JOB_KEY_TAKEN:
		return reply_message(
		    r, 422, "Idempotency-Key: it came with another job before");
	case JOB_TOO_MANY_QUEUES:
		faults_init(&f, r->arena);
		faults_add(&f,
		    "Too many queues: the server's MAX_QUEUES is reached.",
		    "job_queue", NULL);
		return reply_faults(r, &f);
	case JOB_TOO_MANY_LISTS:
		return refuse_list(r);
	default:
		return refuse_caller(r, job, v, more->failure);
	}
}

/* SHA-256 of two texts in hexadecimal, in arena memory; NULL without. */
static const char *
hash_of(struct arena *a, const char *first, const char *second, size_t len)
{
	unsigned char h[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state st;
	char *out = arena_alloc(a, 2 * sizeof(h) + 1);

	(void)crypto_hash_sha256_init(&st);
	/* With its NUL, so that nobody's pair is another's. */
	(void)crypto_hash_sha256_update(
	    &st, (const unsigned char *)first, strlen(first) + 1);
	(void)crypto_hash_sha256_update(
	    &st, (const unsigned char *)second, len);
	(void)crypto_hash_sha256_final(&st, h);
	if (out != NULL)
		(void)sodium_bin2hex(out, 2 * sizeof(h) + 1, h, sizeof(h));
	return out;
}

/* Idempotency-Key: the caller's own name for this submission.  False after a refusal. */
static bool
read_key(struct req *r, struct job_new *job)
{
	const char *client = r->caller.client_id, *key;

	if (!req_key(r, &key))
		return false;
	if (key == NULL)
		return true;
	job->submit_key =
	    hash_of(r->arena, client != NULL ? client : "", key, strlen(key));
	job->submit_hash = hash_of(r->arena, "", r->body, r->body_len);
	if (job->submit_key != NULL && job->submit_hash != NULL)
		return true;
	(void)reply_err(r, ERR_NOMEM);
	return false;
}

int
submit_post(struct worker *w, struct req *r)
{
	struct job_refusal more;
	enum job_verdict v;
	struct job_new job;
	struct js_doc doc;
	struct faults f;
	struct buf b;
	enum err e;

	/* Parse. */
	faults_init(&f, r->arena);
	e = req_json_object(r, &doc, &f);
	if (e == ERR_INVALID)
		return r->status;
	if (e != ERR_OK)
		return reply_err(r, e);

	/* Check. */
	e = job_fields_read(&doc, w->svc->strict, r->caller.token, &f, &job);
	if (e == ERR_INVALID)
		return reply_faults(r, &f);
	if (e != ERR_OK)
		return reply_err(r, e);

	if (!read_key(r, &job))
		return r->status;

	/* Act. */
	v = job_submit(w->svc, r->arena, &job, &r->caller, req_id(r), &more);
	if (v != JOB_OK)
		return refuse(r, &job, v, &more);

	/* Reply. */
	buf_init(&b, r->arena, 64);
	buf_str(&b, "{\"job_id\":");
	if (more.first.text[0] != '\0')
		js_put_string(&b, more.first.text, ID_LEN);
	else
		js_put_string(&b, job.id_text, job.id_len);
	buf_str(&b, "}\n");
	return buf_ok(&b) ? reply_json(r, 200, b.p, b.len)
			  : reply_err(r, ERR_NOMEM);
}
