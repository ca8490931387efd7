/* POST /v1/job: a job onto its queue. */

#include <string.h>

#include "job.h"
#include "job_fields.h"
#include "routes.h"

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
	case JOB_ID_TAKEN:
		return reply_message(r, 409,
		    "job_id: an unfinished job of other content has it");
	case JOB_TOO_MANY_QUEUES:
		faults_init(&f, r->arena);
		faults_add(&f,
		    "Too many queues: the server's MAX_QUEUES is reached.",
		    "job_queue", NULL);
		return reply_faults(r, &f);
	default:
		return reply_err(r, more->failure);
	}
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

	/* Act. */
	v = job_submit(w->svc, r->arena, &job, &r->caller, req_id(r), &more);
	if (v != JOB_OK)
		return refuse(r, &job, v, &more);

	/* Reply. */
	buf_init(&b, r->arena, 64);
	buf_str(&b, "{\"job_id\":");
	js_put_string(&b, job.id_text, job.id_len);
	buf_str(&b, "}\n");
	return buf_ok(&b) ? reply_json(r, 200, b.p, b.len)
			  : reply_err(r, ERR_NOMEM);
}
