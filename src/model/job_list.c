/* Lists in the order of submission, each step an index look-up. */

#include "job_list.h"

#include <string.h>

#include "best.h"
#include "clock.h"
#include "column.h"
#include "job.h"
#include "js_escape.h"

#define PAGE 500
/* After so many look-ups the store is let go. */
#define STEPS 5000

enum {
	SQL_NEXT,
	SQL_NEXT_OF_QUEUE,
	SQL_NEXT_OF_TAG,
	SQL_ROW,
	SQL_FIND,
	SQL_BEFORE
};

static const char *const sql[] = {
    [SQL_NEXT] = "SELECT seq FROM job WHERE seq > $1 ORDER BY seq LIMIT 1",
    [SQL_NEXT_OF_QUEUE] = "SELECT seq FROM job WHERE queue = $2 AND seq > $1 "
			  "ORDER BY seq LIMIT 1",
    [SQL_NEXT_OF_TAG] = "SELECT job FROM job_tag WHERE tag = $2 AND job > $1 "
			"ORDER BY job LIMIT 1",
    [SQL_ROW] = "SELECT id, state, created_at, ended_at FROM job "
		"WHERE seq = $1",
    [SQL_FIND] = "SELECT queue, priority, seq FROM job "
		 "WHERE id = $1 AND state = 'waiting'",
    [SQL_BEFORE] = ("SELECT (SELECT count(*) FROM job WHERE " BEST_PLAIN
		    " AND queue = $1 AND priority > $2) + "
		    "(SELECT count(*) FROM job WHERE " BEST_PLAIN
		    " AND queue = $1 AND priority = $2 AND seq < $3) + "
		    "(SELECT count(*) FROM job WHERE " BEST_SPECIAL
		    " AND queue = $1 AND (priority > $2 "
		    "OR (priority = $2 AND seq < $3)))"),
};

/* A page in the making. */
struct walk {
	struct db_conn *c;
	struct job_list *l;
	struct buf *b;
	size_t steps; /* look-ups made */
};

static enum err
one_int(struct walk *w, int64_t *out, const char *text, int64_t after,
    const char *name)
{
	struct db_stmt *s;
	enum err e;

	w->steps++;
	e = db_query(w->c, &s, text, name != NULL ? "it" : "i", after, name);
	if (e == ERR_OK) {
		*out = db_int(s, 0);
		db_end(s);
	}
	return e;
}

/* The first job after *at that has one of the tags. */
static enum err
next_of_any(struct walk *w, int64_t *at)
{
	const struct job_list *l = w->l;
	int64_t best = 0, next;
	enum err e;
	size_t i;

	for (i = 0; i < l->n_tags; i++) {
		e = one_int(w, &next, sql[SQL_NEXT_OF_TAG], *at, l->tags[i]);
		if (e == ERR_NOTFOUND)
			continue;
		if (e != ERR_OK)
			return e;
		if (best == 0 || next < best)
			best = next;
	}
	*at = best;
	return best == 0 ? ERR_NOTFOUND : ERR_OK;
}

/* The first job after *at that has all of the tags.  ERR_CONFLICT: none of those up
 * to *at has, and the page has been walked for long enough. */
static enum err
next_of_all(struct walk *w, int64_t *at)
{
	const struct job_list *l = w->l;
	int64_t best = 0, next;
	enum err e;
	size_t i;

	for (i = 0; i < l->n_tags; i++) {
		e = one_int(w, &next, sql[SQL_NEXT_OF_TAG], *at, l->tags[i]);
		if (e != ERR_OK)
			return e;
		if (next == best)
			continue;
		/* Whoever lags behind looks again from here on. */
		best = next;
		*at = next - 1;
		if (w->steps >= STEPS)
			return ERR_CONFLICT;
		if (i > 0)
			i = (size_t)-1;
	}
	*at = best;
	return ERR_OK;
}

static enum err
next_job(struct walk *w, int64_t *at)
{
	const struct job_list *l = w->l;

	if (l->n_tags > 0)
		return l->all_tags ? next_of_all(w, at) : next_of_any(w, at);
	if (l->queue != NULL)
		return one_int(w, at, sql[SQL_NEXT_OF_QUEUE], *at, l->queue);
	return one_int(w, at, sql[SQL_NEXT], *at, NULL);
}

static bool
fits(const struct job_list *l, struct db_stmt *s)
{
	size_t i;

	if (l->active)
		return db_is_null(s, 3);
	for (i = 0; i < l->n_states; i++) {
		if (column_is(s, 1, l->states[i]))
			return true;
		/* Agents write it in the shorter form. */
		if (strcmp(l->states[i], "completed") == 0 &&
		    column_is(s, 1, JOB_COMPLETE))
			return true;
	}
	return l->n_states == 0;
}

static void
put_job(struct job_list *l, struct buf *b, struct db_stmt *s)
{
	char time[CLOCK_TEXT_LEN];
	const char *p;
	size_t len;

	clock_text(db_int(s, 2), time);
	buf_printf(b, "%s{\"created_at\":\"%s\",\"job_id\":\"%s\",",
	    l->n++ == 0 ? "" : ",", time, db_text(s, 0, NULL));
	if (l->queue != NULL) {
		buf_str(b, "\"job_queue\":");
		js_put_string(b, l->queue, strlen(l->queue));
		buf_char(b, ',');
	}
	p = db_text(s, 1, &len);
	buf_str(b, "\"job_state\":");
	js_put_string(b, p, len);
	buf_char(b, '}');
}

static enum err
step(struct walk *w)
{
	struct job_list *l = w->l;
	struct db_stmt *s;
	enum err e;

	e = next_job(w, &l->after);
	if (e != ERR_OK)
		return e == ERR_CONFLICT ? ERR_OK : e;
	w->steps++;
	e = db_query(w->c, &s, sql[SQL_ROW], "i", l->after);
	if (e == ERR_OK) {
		if (fits(l, s))
			put_job(l, w->b, s);
		db_end(s);
	}
	/* Removed since. */
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
job_list_page(struct svc *s, struct job_list *l, struct buf *b)
{
	struct walk w = {.c = db_read(s->db), .l = l, .b = b};
	size_t before = l->n;
	enum err e = ERR_OK;

	while (e == ERR_OK && w.steps < STEPS && l->n - before < PAGE)
		e = step(&w);
	db_read_end(s->db, w.c);
	l->done = e == ERR_NOTFOUND;
	if (l->done)
		e = ERR_OK;
	return e == ERR_OK && !buf_ok(b) ? ERR_NOMEM : e;
}

static enum err
count_before(struct db_conn *c, struct db_stmt *job, int64_t *out)
{
	struct db_stmt *s;
	enum err e;

	e = db_query(c, &s, sql[SQL_BEFORE], "tii", db_text(job, 0, NULL),
	    db_int(job, 1), db_int(job, 2));
	if (e != ERR_OK)
		return e;
	*out = db_int(s, 0);
	db_end(s);
	return ERR_OK;
}

enum err
job_position(struct svc *s, const struct id *id, int64_t *out)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e;

	e = db_query(c, &st, sql[SQL_FIND], "t", id->text);
	if (e == ERR_OK) {
		e = count_before(c, st, out);
		db_end(st);
	}
	db_read_end(s->db, c);
	return e;
}
