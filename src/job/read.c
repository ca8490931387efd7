/* GET /v1/job/{job_id}: the definition as it is passed along. */

#include "job.h"
#include "routes.h"

int
read_get(struct worker *w, struct req *r)
{
	struct job job;
	enum err e;

	if (!route_id(r))
		return r->status;
	e = job_read(w->svc, r->arena, &r->id, &job);
	if (e == ERR_NOTFOUND)
		return reply_empty(r, 204);
	if (e != ERR_OK)
		return reply_err(r, e);
	return reply_json(r, 200, job.body, job.body_len);
}
