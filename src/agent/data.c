/* /v1/agents/data and /v1/agents/data/{agent_name}. */

#include <string.h>

#include "agent.h"
#include "list.h"
#include "queue.h"
#include "routes.h"

static int
reply_name_fault(struct req *r, const char *why)
{
	struct faults f;

	faults_init(&f, r->arena);
	faults_add(&f, why, "agent_name", NULL);
	return reply_faults(r, &f);
}

/* By the cookie the agent is known when it asks for a job.  It goes with every
 * reply, as agents expect, and carries no Secure, for plain HTTP. */
static int
reply_known(struct req *r, const char *name)
{
	static const char json[] = "{\"status\":\"OK\"}\n";
	const char *value = uri_cookie_quote(r->arena, name);
	char *cookie;

	if (value == NULL ||
	    (cookie = arena_printf(r->arena,
		 "Set-Cookie: agent_name=%s; HttpOnly; Path=/; "
		 "SameSite=Strict\r\n",
		 value)) == NULL)
		return reply_err(r, ERR_NOMEM);
	return reply(
	    r, 200, "application/json", cookie, json, sizeof(json) - 1);
}

int
data_post(struct worker *w, struct req *r)
{
	const char *name = r->params[0], *why;
	struct agent_report report = {.n_log = 0};
	struct js_doc doc;
	struct faults f;
	enum err e = ERR_NOTFOUND;

	/* Parse.  Without a body the agent only says that it is there. */
	faults_init(&f, r->arena);
	if (r->body_len > 0)
		e = req_json_object(r, &doc, &f);
	if (e == ERR_INVALID)
		return r->status;

	/* Check. */
	if (e == ERR_OK)
		e = agent_report_read(&doc, &f, &report);
	if (e == ERR_INVALID)
		return reply_faults(r, &f);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return reply_err(r, e);
	if ((why = name_fault(name, strlen(name))) != NULL)
		return reply_name_fault(r, why);
	if (!req_key(r, &report.key))
		return r->status;

	/* Act. */
	r->cause.agent = name;
	e = agent_put(w->svc, name, &report);
	if (e == ERR_LIMIT)
		return reply_name_fault(
		    r, "Too many agents: the server's MAX_AGENTS is reached.");
	return e == ERR_OK ? reply_known(r, name) : reply_err(r, e);
}

int
data_get(struct worker *w, struct req *r)
{
	const char *json;
	size_t len;
	enum err e;

	e = agent_read(w->svc, r->arena, r->params[0], &json, &len);
	if (e == ERR_NOTFOUND)
		return reply_json(r, 404, "{}\n", 3);
	if (e != ERR_OK)
		return reply_err(r, e);
	return reply_json(r, 200, json, len);
}

int
data_list(struct worker *w, struct req *r)
{
	return list_names(w, r, "[]", agent_list_page);
}
