/* A page is looked up, then sent, so that a slow client holds one page of memory and
 * nothing of the store. */

#include "list.h"

int
list_reply(struct worker *w, struct req *r, struct job_list *l, int empty)
{
	struct buf b;
	enum err e;

	buf_init(&b, r->arena, 65536);
	buf_char(&b, '[');
	if ((e = job_list_page(w->svc, l, &b)) != ERR_OK)
		return reply_err(r, e);
	if (l->done && l->n == 0 && empty == 204)
		return reply_empty(r, 204);
	if (l->done) {
		buf_str(&b, "]\n");
		return buf_ok(&b) ? reply_json(r, 200, b.p, b.len)
				  : reply_err(r, ERR_NOMEM);
	}
	reply_begin(r, 200, "application/json");
	while (!l->done) {
		if (!reply_write(r, b.p, b.len))
			return reply_end(r);
		b.len = 0;
		if (job_list_page(w->svc, l, &b) != ERR_OK)
			return reply_cut(r);
	}
	buf_str(&b, "]\n");
	(void)reply_write(r, b.p, b.len);
	return reply_end(r);
}
