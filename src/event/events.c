/* POST /v1/job/{job_id}/events: what happens to a job, on to its webhook. */

#include "event.h"
#include "handout.h"
#include "result.h"
#include "routes.h"
#include "webhook.h"

/* The answer of the webhook is the agent's, but for a refusal of our token, which is not
 * about the agent. */
static int
pass_on(struct worker *w, struct req *r, const struct event_report *report)
{
	const char *bearer = conf_str(w->svc->conf, CONF_WEBHOOK_AUTH);
	struct fetch_answer a;

	switch (webhook_put(
	    r->arena, report->webhook, bearer, report->json, report->len, &a)) {
	case FETCH_TIMEOUT:
		return reply_message(r, 504, "Webhook Timeout");
	case FETCH_UNREACHABLE:
		return reply_message(r, 502, "Webhook unreachable");
	case FETCH_NO_MEMORY:
		return reply_err(r, ERR_NOMEM);
	default:
		break;
	}
	if (a.status == 401 || a.status == 403)
		return reply_message(r, 500, "Webhook authentication failed");
	return reply(
	    r, a.status, "text/html; charset=utf-8", NULL, a.body, a.len);
}

int
events_post(struct worker *w, struct req *r)
{
	const char *allowed = conf_str(w->svc->conf, CONF_WEBHOOK_URL);
	struct event_report report;
	enum result_target target;
	struct js_doc doc;
	struct faults f;
	enum err e;

	/* Parse. */
	faults_init(&f, r->arena);
	e = req_json_object(r, &doc, &f);
	if (e == ERR_INVALID)
		return r->status;
	if (e != ERR_OK)
		return reply_err(r, e);

	/* Check. */
	e = event_report_read(&doc, &f, &report);
	if (e == ERR_INVALID)
		return reply_faults(r, &f);
	if (e == ERR_OK && !route_id(r))
		return r->status;
	if (e == ERR_OK)
		e = result_target(w->svc, &r->id, &target);
	if (e != ERR_OK)
		return reply_err(r, e);
	if (target == RESULT_NO_JOB)
		return reply_message(r, 404, "Job not found");
	/* What an agent tells of a job that it does not have is the webhook's business alone. */
	e = handout_note_sign(w->svc, &r->id);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return reply_err(r, e);
	/* 501 and not 500, which agents repeat for nine seconds. */
	if (allowed[0] == '\0')
		return reply_message(r, 501, "Webhook URL not configured");
	if (!webhook_same_origin(report.webhook, allowed))
		return reply_message(
		    r, 403, "Invalid job_status_webhook URL specified");

	/* Act. */
	return pass_on(w, r, &report);
}
