/* POST /v1/job/{job_id}/claim, {"agent": NAME}: a consumer takes the job of its message. */

#include <string.h>

#include "field.h"
#include "handout.h"
#include "job_view.h"
#include "queue.h"
#include "routes.h"

static void
check(struct js_doc *doc, struct faults *f, const char **agent)
{
	const struct js_member *m;
	const char *why;
	size_t i, len;

	for (i = 0; i < doc->n_members; i++)
		if (strcmp(doc->members[i].key, "agent") != 0)
			faults_add(f, FIELD_UNKNOWN, doc->members[i].key, NULL);
	m = js_find(doc, "agent");
	if (m == NULL) {
		faults_add(f, FIELD_MISSING, "agent", NULL);
		return;
	}
	why = field_string(doc, m, agent, &len);
	if (why == NULL)
		why = name_fault(*agent, len);
	if (why != NULL)
		faults_add(f, why, "agent", NULL);
}

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
	struct js_doc doc;
	struct faults f;
	struct job job;
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
	check(&doc, &f, &claim.agent);
	if (faults_any(&f))
		return reply_faults(r, &f);
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
