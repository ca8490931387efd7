/* /v1/queues: waits, agents and jobs of queues. */

#include <string.h>

#include "agent.h"
#include "list.h"
#include "routes.h"
#include "wait.h"

#define ASKED_MAX 1000

int
waits_get(struct worker *w, struct req *r)
{
	const char **queues, *json;
	size_t i, n = 0, len;
	enum err e;

	queues = arena_alloc(r->arena, (r->uri.n_query + 1) * sizeof(*queues));
	if (queues == NULL)
		return reply_err(r, ERR_NOMEM);
	for (i = 0; i < r->uri.n_query && n < ASKED_MAX; i++)
		if (strcmp(r->uri.query[i].name, "queue") == 0)
			queues[n++] = r->uri.query[i].value;
	if (n == 0)
		return list_names(w, r, "{}", wait_list_page);
	e = wait_read(w->svc, r->arena, queues, n, &json, &len);
	return e == ERR_OK ? reply_json(r, 200, json, len) : reply_err(r, e);
}

int
agents_get(struct worker *w, struct req *r)
{
	const char *json;
	size_t len;
	enum err e;

	e = agent_list_queue(w->svc, r->arena, r->params[0], &json, &len);
	if (e == ERR_NOTFOUND)
		return reply_message(
		    r, 404, "Queue '%s' does not exist.", r->params[0]);
	return e == ERR_OK ? reply_json(r, 200, json, len) : reply_err(r, e);
}

int
jobs_get(struct worker *w, struct req *r)
{
	struct job_list l = {.queue = r->params[0]};

	return list_reply(w, r, &l, 204);
}
