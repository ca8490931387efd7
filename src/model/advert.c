/* Advertisements as columns of the queue's row. */

#include "advert.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "js_escape.h"
#include "queue.h"

#define BATCH 500
#define DESCRIPTION_MAX 16384
#define IMAGES_MAX 65536
#define NO_NAME "Queue names must be non-empty strings"

enum {
	SQL_SAME,
	SQL_SAME_IMAGES,
	SQL_DESCRIBE,
	SQL_SET_IMAGES,
	SQL_LIST,
	SQL_IMAGES,
	SQL_TIMES,
	SQL_SEEN,
	SQL_HIDE
};

static const char *const sql[] = {
    [SQL_SAME] = "SELECT 1 FROM queue WHERE name = $1 AND description = $2 "
		 "AND advertised_at BETWEEN $3 AND $4",
    [SQL_SAME_IMAGES] = "SELECT 1 FROM queue WHERE name = $1 AND images = $2",
    [SQL_DESCRIBE] = "UPDATE queue SET description = $2, advertised_at = $3 "
		     "WHERE name = $1",
    [SQL_SET_IMAGES] = "UPDATE queue SET images = $2 WHERE name = $1",
    [SQL_LIST] = "SELECT name, description FROM queue "
		 "WHERE name > $1 "
		 "AND (description IS NOT NULL OR images IS NOT NULL) "
		 "ORDER BY name",
    [SQL_IMAGES] = "SELECT images FROM queue WHERE name = $1",
    [SQL_TIMES] = "SELECT name, advertised_at FROM queue "
		  "WHERE name > $1 AND description IS NOT NULL "
		  "ORDER BY name LIMIT $2",
    [SQL_SEEN] = "UPDATE queue SET advertised_at = $2 WHERE name = $1",
    [SQL_HIDE] = "UPDATE queue SET description = NULL, advertised_at = NULL, "
		 "images = NULL WHERE name = $1",
};

__attribute__((format(printf, 3, 4))) static void
note(struct faults *f, struct arena *a, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = arena_vprintf(a, fmt, ap);
	va_end(ap);
	faults_add(f, text != NULL ? text : "Out of memory.", "_schema", NULL);
}

/* True if the name may be one; else the fault has been noted. */
static bool
good_name(const struct js_member *m, struct faults *f, struct arena *a)
{
	const char *why;

	if (m->key_len == 0) {
		faults_add(f, NO_NAME, "_schema", NULL);
		return false;
	}
	why = queue_name_fault(m->key, m->key_len);
	if (why != NULL)
		note(f, a, "Queue name '%s': %s", m->key, why);
	return why == NULL;
}

typedef void (*value_reader)(struct js_doc *doc, const struct js_member *m,
    struct faults *f, struct advert *out);

static void
read_description(struct js_doc *doc, const struct js_member *m,
    struct faults *f, struct advert *out)
{
	if (m->kind != JS_STRING)
		note(f, doc->arena,
		    "Description for queue '%s' must be a string", m->key);
	else if ((out->text = js_string(doc->arena, m, &out->len)) == NULL)
		faults_add(f, "Out of memory.", "_schema", NULL);
	else if (out->len > DESCRIPTION_MAX)
		note(f, doc->arena,
		    "Description for queue '%s': Longer than maximum length "
		    "16384.",
		    m->key);
}

static bool
good_image(const struct js_member *m)
{
	return m->key_len > 0 && m->key[0] != '$' &&
	       memchr(m->key, '.', m->key_len) == NULL;
}

/* As posted, unless a name came twice. */
static void
put_image_map(const struct js_member *m, const struct js_doc *in, size_t came,
    struct faults *f, struct advert *out)
{
	struct buf b;
	size_t i;

	out->text = m->value.p;
	out->len = m->value.len;
	if (in->n_members == came)
		return;
	buf_init(&b, in->arena, m->value.len);
	for (i = 0; i < in->n_members; i++) {
		buf_char(&b, i == 0 ? '{' : ',');
		buf_add(
		    &b, in->members[i].raw_key.p, in->members[i].raw_key.len);
		buf_char(&b, ':');
		buf_add(&b, in->members[i].value.p, in->members[i].value.len);
	}
	buf_char(&b, '}');
	if (!buf_ok(&b))
		faults_add(f, "Out of memory.", "_schema", NULL);
	out->text = b.p;
	out->len = b.len;
}

static void
read_image_map(struct js_doc *doc, const struct js_member *m, struct faults *f,
    struct advert *out)
{
	struct js_fault where;
	struct js_doc in;
	size_t i, came;

	if (m->kind != JS_OBJECT || js_scan(&in, doc->arena, m->value.p,
					m->value.len, &where) != ERR_OK) {
		note(f, doc->arena, "Images for queue '%s' must be a dict",
		    m->key);
		return;
	}
	came = in.n_members;
	if (js_last_wins(&in) != ERR_OK) {
		faults_add(f, "Out of memory.", "_schema", NULL);
		return;
	}
	for (i = 0; i < in.n_members && f->n < FAULTS_MAX; i++) {
		if (!good_image(&in.members[i]))
			note(f, doc->arena,
			    "Names for queue '%s' must be non-empty strings, "
			    "must not start with '$', contain '.' or null "
			    "bytes",
			    m->key);
		else if (in.members[i].kind != JS_STRING)
			note(f, doc->arena,
			    "Provision data for image '%s' in queue '%s' must "
			    "be a string",
			    in.members[i].key, m->key);
	}
	if (m->value.len > IMAGES_MAX)
		note(f, doc->arena,
		    "Images for queue '%s': Longer than 65536 bytes as JSON.",
		    m->key);
	put_image_map(m, &in, came, f, out);
}

static enum err
read_map(struct js_doc *doc, struct faults *f, struct adverts *out,
    value_reader read)
{
	struct advert *x;
	size_t i;
	enum err e;

	*out = (struct adverts){.n = 0};
	if ((e = js_last_wins(doc)) != ERR_OK)
		return e;
	if (doc->n_members > ADVERT_MAX) {
		faults_add(
		    f, "Longer than maximum length 1000.", "_schema", NULL);
		return ERR_INVALID;
	}
	out->items = arena_alloc(doc->arena, (doc->n_members + 1) * sizeof(*x));
	if (out->items == NULL)
		return ERR_NOMEM;
	for (i = 0; i < doc->n_members && f->n < FAULTS_MAX; i++) {
		x = &out->items[out->n];
		*x = (struct advert){.queue = doc->members[i].key};
		if (!good_name(&doc->members[i], f, doc->arena))
			continue;
		read(doc, &doc->members[i], f, x);
		out->n++;
	}
	return faults_any(f) ? ERR_INVALID : ERR_OK;
}

enum err
advert_read_queues(struct js_doc *doc, struct faults *f, struct adverts *out)
{
	return read_map(doc, f, out, read_description);
}

enum err
advert_read_images(struct js_doc *doc, struct faults *f, struct adverts *out)
{
	return read_map(doc, f, out, read_image_map);
}

struct putting {
	const struct adverts *a;
	bool images;
	int64_t max;
	int64_t max_age; /* ms; 0: none */
	int64_t now;
};

static enum err
describe_change(struct db_conn *c, void *arg)
{
	const struct putting *p = arg;
	const struct advert *x;
	enum err e = ERR_OK;

	for (x = p->a->items; x < p->a->items + p->a->n && e == ERR_OK; x++) {
		e = queue_know(c, x->queue, p->max, p->now);
		if (e == ERR_OK)
			e = db_exec(c, NULL, sql[SQL_DESCRIBE], "tsi", x->queue,
			    x->text, x->len, p->now);
	}
	return e;
}

static enum err
images_change(struct db_conn *c, void *arg)
{
	const struct putting *p = arg;
	const struct advert *x;
	enum err e = ERR_OK;

	for (x = p->a->items; x < p->a->items + p->a->n && e == ERR_OK; x++) {
		e = queue_know(c, x->queue, p->max, p->now);
		if (e == ERR_OK)
			e = db_exec(c, NULL, sql[SQL_SET_IMAGES], "ts",
			    x->queue, x->text, x->len);
	}
	return e;
}

/* A row if the store says it already: for a description at a time that may stay. */
static enum err
find_same(struct db_conn *c, const struct putting *p, const struct advert *x,
    struct db_stmt **st)
{
	if (p->images)
		return db_query(c, st, sql[SQL_SAME_IMAGES], "ts", x->queue,
		    x->text, x->len);
	return db_query(c, st, sql[SQL_SAME], "tsii", x->queue, x->text, x->len,
	    seen_fresh(p->now, p->max_age), p->now + SEEN_AHEAD_MS);
}

/* Whether the store says all of it already. */
static enum err
is_same(struct svc *s, const struct putting *p, bool *same)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e = ERR_OK;
	size_t i;

	for (i = 0; i < p->a->n && e == ERR_OK; i++) {
		e = find_same(c, p, &p->a->items[i], &st);
		if (e == ERR_OK)
			db_end(st);
	}
	db_read_end(s->db, c);
	*same = e == ERR_OK;
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
advert_put_queues(struct svc *s, const struct adverts *a)
{
	struct putting p = {
	    .a = a,
	    .max = conf_int(s->conf, CONF_MAX_QUEUES),
	    .max_age = conf_int(s->conf, CONF_QUEUE_MAX_AGE) * 1000,
	    .now = clock_now_ms(),
	};
	bool same = false;
	enum err e = ERR_OK;
	size_t i;

	if (s->seen != NULL && (e = is_same(s, &p, &same)) != ERR_OK)
		return e;
	if (!same)
		e = db_write(s->db, describe_change, &p);
	for (i = 0; i < a->n && e == ERR_OK; i++)
		seen_note(s->seen, SEEN_QUEUE, a->items[i].queue, p.now);
	return e;
}

enum err
advert_put_images(struct svc *s, const struct adverts *a)
{
	struct putting p = {
	    .a = a,
	    .images = true,
	    .max = conf_int(s->conf, CONF_MAX_QUEUES),
	    .now = clock_now_ms(),
	};
	bool same;
	enum err e = is_same(s, &p, &same);

	return e == ERR_OK && !same ? db_write(s->db, images_change, &p) : e;
}

enum err
advert_list_page(struct svc *s, struct name_page *p, struct buf *b)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	const char *text;
	size_t n;
	enum err e;

	e = db_query(c, &st, sql[SQL_LIST], "t", p->after);
	while (e == ERR_OK && b->len < NAME_PAGE_BYTES) {
		text = db_text(st, 0, &n);
		name_page_add(p, b, text);
		js_put_string(b, text, n);
		buf_char(b, ':');
		text = db_text(st, 1, &n);
		js_put_string(b, text != NULL ? text : "", n);
		e = db_next(st);
	}
	if (st != NULL)
		db_end(st);
	db_read_end(s->db, c);
	return name_page_end(p, b, e);
}

enum err
advert_images(struct svc *s, struct arena *a, const char *queue,
    const char **json, size_t *len)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	const char *p = NULL;
	struct buf b;
	size_t n;
	enum err e;

	buf_init(&b, a, 256);
	e = db_query(c, &st, sql[SQL_IMAGES], "t", queue);
	if (e == ERR_OK) {
		if ((p = db_text(st, 0, &n)) != NULL)
			buf_add(&b, p, n);
		db_end(st);
	}
	db_read_end(s->db, c);
	buf_str(&b, p != NULL ? "\n" : "{}\n");
	*json = b.p;
	*len = b.len;
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	return buf_ok(&b) ? ERR_OK : ERR_NOMEM;
}

struct walking {
	struct svc *s;
	char after[NAME_LEN_MAX + 1];
	int64_t now;
	int64_t before; /* not advertised since: hidden; 0: nothing is */
	int64_t n;
};

static enum err
tidy_one(struct db_conn *c, const struct walking *w, int64_t at)
{
	int64_t last = seen_last(w->s->seen, SEEN_QUEUE, w->after, w->now);

	if (last < at)
		last = at;
	if (last < w->before)
		return db_exec(c, NULL, sql[SQL_HIDE], "t", w->after);
	if (last > at)
		return db_exec(c, NULL, sql[SQL_SEEN], "ti", w->after, last);
	return ERR_OK;
}

static enum err
tidy_change(struct db_conn *c, void *arg)
{
	struct walking *w = arg;
	struct db_stmt *s;
	enum err e, e2 = ERR_OK;

	w->n = 0;
	for (e = db_query(
		 c, &s, sql[SQL_TIMES], "ti", w->after, (int64_t)BATCH);
	     e == ERR_OK && e2 == ERR_OK; e = db_next(s)) {
		w->n++;
		(void)snprintf(
		    w->after, sizeof(w->after), "%s", db_text(s, 0, NULL));
		e2 = tidy_one(c, w, db_int(s, 1));
	}
	if (s != NULL)
		db_end(s);
	return e2 != ERR_OK ? e2 : e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
advert_tidy(struct svc *s, bool forget)
{
	int64_t age = conf_int(s->conf, CONF_QUEUE_MAX_AGE) * 1000;
	struct walking w = {.s = s, .now = clock_now_ms()};
	enum err e;

	w.before = forget && age != 0 ? w.now - age : 0;

	do
		e = db_write(s->db, tidy_change, &w);
	while (e == ERR_OK && w.n == BATCH);
	return e;
}
