/* GET /v1/job/{job_id}/explain: why it waits, or what became of it. */

#include "explain.h"

#include "routes.h"

int
explain_get(struct worker *w, struct req *r)
{
	const char *json;
	size_t len;
	enum err e;

	if (!route_id(r))
		return r->status;
	e = explain_job(w->svc, r->arena, &r->id, &json, &len);
	if (e == ERR_NOTFOUND)
		return reply_message(r, 404, "Job not found");
	return e == ERR_OK ? reply_json(r, 200, json, len) : reply_err(r, e);
}
