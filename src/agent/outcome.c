/* POST /v1/agents/provision_logs/{agent_name}. */

#include "agent.h"
#include "routes.h"

int
outcome_post(struct worker *w, struct req *r)
{
	struct agent_outcome o;
	struct js_doc doc;
	struct faults f;
	enum err e;

	/* Parse. */
	faults_init(&f, r->arena);
	e = req_json_object(r, &doc, &f);
	if (e == ERR_INVALID)
		return r->status;

	/* Check. */
	if (e == ERR_OK)
		e = agent_outcome_read(&doc, &f, &o);
	if (e == ERR_INVALID)
		return reply_faults(r, &f);

	/* Act. */
	if (e == ERR_OK)
		e = agent_outcome_put(w->svc, r->params[0], &o);
	if (e == ERR_NOTFOUND)
		return reply_text(r, 404, "Agent not found\n");
	return e == ERR_OK ? reply_text(r, 200, "OK") : reply_err(r, e);
}
