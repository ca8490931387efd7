/* Samples in a ring of rows, overwritten in turn. */

#include "wait.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "js_escape.h"

#define KEPT 1000
/* A page reads so many samples for each of so many queues. */
#define PAGE_QUEUES 100

enum { SQL_NEXT, SQL_PUT, SQL_SAMPLES, SQL_QUEUES };

static const char *const sql[] = {
    [SQL_NEXT] = "INSERT INTO queue_wait_next (queue, n) VALUES ($1, 1) "
		 "ON CONFLICT (queue) DO UPDATE SET n = queue_wait_next.n + 1 "
		 "RETURNING n",
    [SQL_PUT] = "INSERT INTO queue_wait (queue, slot, seconds) "
		"VALUES ($1, $2, $3) ON CONFLICT (queue, slot) "
		"DO UPDATE SET seconds = excluded.seconds",
    [SQL_SAMPLES] = "SELECT seconds FROM queue_wait WHERE queue = $1",
    [SQL_QUEUES] = ("SELECT queue FROM queue_wait_next WHERE queue > $1 "
		    "ORDER BY queue"),
};

enum err
wait_note(struct db_conn *c, const char *queue, int64_t seconds)
{
	struct db_stmt *s;
	int64_t n;
	enum err e;

	e = db_query(c, &s, sql[SQL_NEXT], "t", queue);
	if (e != ERR_OK)
		return e;
	n = db_int(s, 0);
	while (e == ERR_OK)
		e = db_next(s);
	db_end(s);
	if (e != ERR_NOTFOUND)
		return e;
	return db_exec(
	    c, NULL, sql[SQL_PUT], "tii", queue, (n - 1) % KEPT, seconds);
}

/* The shortest decimal that reads back as the same number, without an exponent. */
static void
put_double(struct buf *b, double d)
{
	char text[40];
	int digits, places;

	for (digits = 1; digits < 17; digits++) {
		(void)snprintf(text, sizeof(text), "%.*e", digits - 1, d);
		if (strtod(text, NULL) == d)
			break;
	}
	(void)snprintf(text, sizeof(text), "%.*e", digits - 1, d);
	places = digits - 1 - (int)strtol(strchr(text, 'e') + 1, NULL, 10);
	buf_printf(b, "%.*f", places > 1 ? places : 1, d);
}

/* Between the two samples that the percentile lies between. */
static void
put_percentile(struct buf *b, const int64_t *v, size_t n, int percent)
{
	double at = (double)((n - 1) * (size_t)percent) / 100;
	size_t k = (size_t)at;

	buf_printf(b, "\"%d\":", percent);
	if (k + 1 < n)
		put_double(b, (double)v[k] * ((double)(k + 1) - at) +
				  (double)v[k + 1] * (at - (double)k));
	else
		buf_printf(b, "%lld", (long long)v[k]);
}

static void
put_percentiles(struct buf *b, const int64_t *v, size_t n)
{
	static const int percents[] = {5, 10, 50, 90, 95};
	size_t i;

	buf_char(b, '{');
	for (i = 0; n > 0 && i < sizeof(percents) / sizeof(percents[0]); i++) {
		if (i > 0)
			buf_char(b, ',');
		put_percentile(b, v, n, percents[i]);
	}
	buf_char(b, '}');
}

static int
by_size(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The waits of one queue, the shortest first. */
static enum err
read_samples(struct db_conn *c, const char *queue, int64_t v[KEPT], size_t *n)
{
	struct db_stmt *s;
	enum err e;

	*n = 0;
	for (e = db_query(c, &s, sql[SQL_SAMPLES], "t", queue);
	     e == ERR_OK && *n < KEPT; e = db_next(s))
		v[(*n)++] = db_int(s, 0);
	if (s != NULL)
		db_end(s);
	qsort(v, *n, sizeof(v[0]), by_size);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
wait_range(struct svc *s, struct arena *a, const char *queue, const char **json)
{
	struct db_conn *c = db_read(s->db);
	int64_t v[KEPT] = {0};
	size_t n;
	enum err e = read_samples(c, queue, v, &n);

	db_read_end(s->db, c);
	if (e != ERR_OK)
		return e;
	*json = n > 0 ? arena_printf(a, "{\"from_s\":%lld,\"to_s\":%lld}",
			    (long long)v[(n - 1) / 10],
			    (long long)v[(n - 1) - (n - 1) / 10])
		      : "null";
	return *json != NULL ? ERR_OK : ERR_NOMEM;
}

/* One queue, if it has samples. */
static enum err
put_queue(struct db_conn *c, struct buf *b, const char *queue, bool *any)
{
	int64_t v[KEPT] = {0};
	size_t n;
	enum err e = read_samples(c, queue, v, &n);

	if (e != ERR_OK || n == 0)
		return e;
	if (*any)
		buf_char(b, ',');
	*any = true;
	js_put_string(b, queue, strlen(queue));
	buf_char(b, ':');
	put_percentiles(b, v, n);
	return ERR_OK;
}

enum err
wait_list_page(struct svc *s, struct name_page *p, struct buf *b)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e, e2 = ERR_OK;
	int n;

	e = db_query(c, &st, sql[SQL_QUEUES], "t", p->after);
	for (n = 0; e == ERR_OK && e2 == ERR_OK && n < PAGE_QUEUES; n++) {
		(void)snprintf(
		    p->after, sizeof(p->after), "%s", db_text(st, 0, NULL));
		e2 = put_queue(c, b, p->after, &p->any);
		e = db_next(st);
	}
	if (st != NULL)
		db_end(st);
	db_read_end(s->db, c);
	return name_page_end(p, b, e2 != ERR_OK ? e2 : e);
}

enum err
wait_read(struct svc *s, struct arena *a, const char *const *queues, size_t n,
    const char **json, size_t *len)
{
	struct db_conn *c = db_read(s->db);
	bool any = false;
	enum err e = ERR_OK;
	struct buf b;
	size_t i, k;

	buf_init(&b, a, 1024);
	buf_char(&b, '{');
	for (i = 0; i < n && e == ERR_OK; i++) {
		for (k = 0; k < i && strcmp(queues[k], queues[i]) != 0; k++)
			;
		if (k == i)
			e = put_queue(c, &b, queues[i], &any);
	}
	db_read_end(s->db, c);
	buf_str(&b, "}\n");
	*json = b.p;
	*len = b.len;
	return e == ERR_OK && !buf_ok(&b) ? ERR_NOMEM : e;
}
