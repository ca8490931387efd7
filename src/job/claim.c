/* POST /v1/job/{job_id}/claim, {"agent": NAME}: a consumer takes the job of its message. */

#include "body.h"
#include "handout.h"
#include "job_view.h"
#include "queue.h"
#include "routes.h"

/* 409 tells that the message may go, 401 and 403 that others may have the job yet. */
static int
refuse(struct req *r, enum claim_verdict v, enum err failure)
{
	switch (v) {
	case CLAIM_NO_JOB:
		return reply_message(r, 404, "Job not found");
	case CLAIM_ENDED:
		return reply_message(r, 409, "The job has ended");
	case CLAIM_TAKEN:
		return reply_message(r, 409, "Another agent has the job");
	case CLAIM_NOT_READY:
		return reply_message(
		    r, 409, "The job waits for its attachments");
	case CLAIM_EXCLUDED:
		return route_refuse(r, 403, "The job excludes this agent");
	case CLAIM_NEEDS_LOGIN:
		return route_refuse(r, 401,
		    "Authentication required to claim a job that names secrets "
		    "or is on a restricted queue");
	default:
		return reply_err(r, failure);
	}
}

int
claim_post(struct worker *w, struct req *r)
{
	struct claim claim = {.id = &r->id};
	enum claim_verdict v;
	struct job job;
	struct buf b;
	enum err e;

	/* Parse and check. */
	claim.agent = body_string(r, "agent", name_fault);
	if (claim.agent == NULL)
		return r->status;
	if (!route_id(r))
		return r->status;

	/* Act. */
	r->cause.agent = claim.agent;
	claim.client = r->caller.client_id;
	v = handout_claim(w->svc, r->arena, &claim, &job, &e);
	if (v != CLAIM_OK)
		return refuse(r, v, e);

	/* Reply. */
	buf_init(&b, r->arena, job.body_len + 128);
	e = job_view_taken(w->svc, &b, &job);
	return e == ERR_OK ? reply_json(r, 200, b.p, b.len) : reply_err(r, e);
}
