/* GET /v1/job?queue=…: the next job of an agent. */

#include <string.h>

#include "clock.h"
#include "job.h"
#include "queue.h"
#include "routes.h"
#include "secret.h"

/* Who asks: agent=NAME in the query, so that curl needs no cookie jar, else the
 * cookie that POST /v1/agents/data/NAME has set.  NULL: nobody we know. */
static const char *
agent_name(struct req *r)
{
	const char *name = uri_query(&r->uri, "agent");
	const char *cookies;

	if (name == NULL) {
		cookies = req_param(r, "HTTP_COOKIE");
		if (cookies != NULL)
			name = uri_cookie(r->arena, cookies, "agent_name");
	}
	if (name == NULL || name_fault(name, strlen(name)) != NULL)
		return NULL;
	return name;
}

/* The definition with what only the taker is told: the values of its secrets, and
 * members spliced in before its end. */
static int
reply_job(struct worker *w, struct req *r, const struct job *job)
{
	const char *body = job->body;
	char time[CLOCK_TEXT_LEN];
	size_t len = job->body_len;
	struct buf b;

	if (job->client_id != NULL &&
	    secret_fill(w->svc, r->arena, &job->id, job->client_id, job->body,
		job->body_len, &body, &len) != ERR_OK)
		return reply_err(r, ERR_NOMEM);
	clock_text(job->started_at, time);
	buf_init(&b, r->arena, len + 128);
	buf_add(&b, body, len - 1);
	if (job->client_id != NULL && job->client_id[0] != '\0') {
		buf_str(&b, ",\"client_id\":");
		js_put_string(&b, job->client_id, strlen(job->client_id));
	}
	if (job->attachments != NULL) {
		buf_str(&b, ",\"attachments_status\":");
		js_put_string(&b, job->attachments, strlen(job->attachments));
	}
	buf_printf(&b, ",\"started_at\":\"%s\"}\n", time);
	return buf_ok(&b) ? reply_json(r, 200, b.p, b.len)
			  : reply_err(r, ERR_NOMEM);
}

int
take_get(struct worker *w, struct req *r)
{
	const char **queues, *agent;
	struct job job;
	enum err e;
	size_t n;

	/* Parse and check. */
	queues = uri_query_all(&r->uri, r->arena, "queue", &n);
	if (queues == NULL)
		return reply_err(r, ERR_NOMEM);
	if (n == 0)
		return reply_message(
		    r, 400, "No queue(s) specified in request");
	agent = agent_name(r);
	if (agent == NULL)
		return route_refuse(r, 401, "Agent not identified");

	/* Act. */
	e = job_take(w->svc, r->arena, queues, n, agent, r->caller.token, &job);
	if (e == ERR_NOTFOUND)
		return reply_empty(r, 204);
	if (e != ERR_OK)
		return reply_err(r, e);
	return reply_job(w, r, &job);
}
