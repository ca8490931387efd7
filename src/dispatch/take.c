/* GET /v1/job?queue=…: the next job of an agent. */

#include <string.h>

#include "clock.h"
#include "handout.h"
#include "queue.h"
#include "routes.h"
#include "secret.h"

/* The values of queue in the query, in order. */
static const char **
asked_queues(struct req *r, size_t *n)
{
	const char **queues;
	size_t i;

	*n = 0;
	queues = arena_alloc(r->arena, (r->uri.n_query + 1) * sizeof(*queues));
	for (i = 0; queues != NULL && i < r->uri.n_query; i++)
		if (strcmp(r->uri.query[i].name, "queue") == 0)
			queues[(*n)++] = r->uri.query[i].value;
	return queues;
}

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
	if (job->client_id != NULL) {
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
	struct handout_ask ask;
	struct job job;
	enum err e;
	size_t n;

	/* Parse and check. */
	queues = asked_queues(r, &n);
	if (queues == NULL)
		return reply_err(r, ERR_NOMEM);
	if (n == 0)
		return reply_message(
		    r, 400, "No queue(s) specified in request");
	agent = agent_name(r);
	if (agent == NULL)
		return reply_message(r, 401, "Agent not identified");

	/* Act. */
	r->cause.agent = agent;
	ask = (struct handout_ask){
	    queues, n, agent, r->caller.client_id, r->cause.connection};
	e = handout_take(w->svc, r->arena, &ask, &job);
	if (e == ERR_NOTFOUND)
		return reply_empty(r, 204);
	if (e != ERR_OK)
		return reply_err(r, e);
	return reply_job(w, r, &job);
}
