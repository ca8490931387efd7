/* A page is looked up, then sent, so that a slow client holds one page of memory and
 * nothing of the store. */

#include "list.h"

/* Something that is made page by page. */
struct pages {
	enum err (*next)(struct svc *s, struct pages *p, struct buf *b);
	bool done;
	struct job_list *jobs;
	struct name_page names;
	list_page page;
};

static int
send(struct worker *w, struct req *r, struct pages *p, const char *brackets,
    int empty)
{
	struct buf b;
	enum err e;

	buf_init(&b, r->arena, 65536);
	buf_char(&b, brackets[0]);
	if ((e = p->next(w->svc, p, &b)) != ERR_OK)
		return reply_err(r, e);
	if (p->done && b.len == 1 && empty == 204)
		return reply_empty(r, 204);
	if (p->done) {
		buf_printf(&b, "%c\n", brackets[1]);
		return buf_ok(&b) ? reply_json(r, 200, b.p, b.len)
				  : reply_err(r, ERR_NOMEM);
	}
	reply_begin(r, 200, "application/json");
	while (!p->done) {
		if (!reply_write(r, b.p, b.len))
			return reply_end(r);
		b.len = 0;
		if (p->next(w->svc, p, &b) != ERR_OK)
			return reply_cut(r);
	}
	buf_printf(&b, "%c\n", brackets[1]);
	(void)reply_write(r, b.p, b.len);
	return reply_end(r);
}

static enum err
next_jobs(struct svc *s, struct pages *p, struct buf *b)
{
	enum err e = job_list_page(s, p->jobs, b);

	p->done = p->jobs->done;
	return e;
}

int
list_reply(struct worker *w, struct req *r, struct job_list *l, int empty)
{
	struct pages p = {.next = next_jobs, .jobs = l};

	return send(w, r, &p, "[]", empty);
}

static enum err
next_names(struct svc *s, struct pages *p, struct buf *b)
{
	enum err e = p->page(s, &p->names, b);

	p->done = p->names.done;
	return e;
}

int
list_names(
    struct worker *w, struct req *r, const char *brackets, list_page page)
{
	struct pages p = {.next = next_names, .page = page};

	return send(w, r, &p, brackets, 200);
}
