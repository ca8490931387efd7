/* GET /v1/job/{job_id}: the definition. */

#include "job.h"
#include "job_view.h"
#include "routes.h"

int
read_get(struct worker *w, struct req *r)
{
	struct job job;
	struct buf b;
	enum err e;

	if (!route_id(r))
		return r->status;
	e = job_read(w->svc, r->arena, &r->id, &job);
	if (e == ERR_NOTFOUND)
		return reply_empty(r, 204);
	if (e != ERR_OK)
		return reply_err(r, e);
	buf_init(&b, r->arena, job.body_len + 128);
	e = job_view(&b, &job, w->svc->strict, r->params[0]);
	return e == ERR_OK ? reply_json(r, 200, b.p, b.len) : reply_err(r, e);
}
