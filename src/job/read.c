/* GET /v1/job/{job_id}: the definition as it is passed along. */

#include <string.h>

#include "job.h"
#include "routes.h"

/* The id is told in the spelling in which it was asked for. */
static int
reply_definition(struct req *r, const struct job *job)
{
	const struct js_member *m;
	struct js_fault where;
	struct js_doc doc;
	struct buf b;
	size_t i;

	if (js_scan(&doc, r->arena, job->body, job->body_len, &where) != ERR_OK)
		return reply_err(r, ERR_NOMEM);
	buf_init(&b, r->arena, job->body_len + 64);
	for (i = 0; i < doc.n_members; i++) {
		m = &doc.members[i];
		buf_char(&b, i == 0 ? '{' : ',');
		buf_add(&b, m->raw_key.p, m->raw_key.len);
		buf_char(&b, ':');
		if (strcmp(m->key, "job_id") == 0)
			js_put_string(&b, r->params[0], strlen(r->params[0]));
		else
			buf_add(&b, m->value.p, m->value.len);
	}
	buf_str(&b, "}\n");
	return buf_ok(&b) ? reply_json(r, 200, b.p, b.len)
			  : reply_err(r, ERR_NOMEM);
}

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
	/* As it was posted, byte for byte, unless the spelling differs. */
	if (strstr(job.body, r->params[0]) != NULL)
		return reply_json(r, 200, job.body, job.body_len);
	return reply_definition(r, &job);
}
