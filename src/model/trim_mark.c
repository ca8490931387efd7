/* Marks as rows of queue_trim: its time is when the queue is due, or until when it is leased. */

#include "trim_mark.h"

#include <stdio.h>

#include "clock.h"

/* After a process that has died with the lease another may go on. */
#define LEASE_MS INT64_C(60000)
/* A mark further ahead than any is set comes from a clock set back since. */
#define TOO_FAR_MS (2 * LEASE_MS)
/* When the broker does not let us, or others' messages are in the way. */
#define MUCH_LATER_MS INT64_C(60000)

enum {
	SQL_DUE,
	SQL_LEASE,
	SQL_DONE,
	SQL_REST,
	SQL_PUT_OFF,
	SQL_AGAIN,
	SQL_MARK,
	SQL_MARK_ALL
};

static const char *const sql[] = {
    [SQL_DUE] = "SELECT queue FROM queue_trim WHERE at IS NOT NULL "
		"AND (at <= $1 OR at > $2) AND queue > $3 "
		"ORDER BY queue LIMIT $4",
    [SQL_LEASE] = "UPDATE queue_trim SET at = $2, head = NULL "
		  "WHERE queue = $1 AND (at <= $3 OR at > $4)",
    [SQL_DONE] = "DELETE FROM queue_trim WHERE queue = $1 AND at = $2",
    [SQL_REST] = "UPDATE queue_trim SET at = NULL, head = $3 "
		 "WHERE queue = $1 AND at = $2",
    /* Also where it was marked meanwhile: that message is no nearer. */
    [SQL_PUT_OFF] = "UPDATE queue_trim SET at = $3, head = '' "
		    "WHERE queue = $1 AND at IN ($2, 0)",
    [SQL_AGAIN] = "UPDATE queue_trim SET at = 0 WHERE queue = $1 AND at = $2",
    [SQL_MARK] = "INSERT INTO queue_trim (queue, at) VALUES ($1, 0) "
		 "ON CONFLICT (queue) DO UPDATE SET at = 0, head = NULL "
		 "WHERE coalesce(queue_trim.head, '-') <> ''",
    [SQL_MARK_ALL] =
	"INSERT INTO queue_trim (queue, at) SELECT name, 0 FROM queue "
	"WHERE true ON CONFLICT (queue) DO UPDATE SET at = 0, head = NULL",
};

static enum err
mark(struct db_conn *c, const char *queue)
{
	return db_exec(c, NULL, sql[SQL_MARK], "t", queue);
}

static enum err
mark_all_change(struct db_conn *c, void *arg)
{
	(void)arg;
	return db_exec(c, NULL, sql[SQL_MARK_ALL], "");
}

enum err
trim_mark_all(struct db *db)
{
	return db_write(db, mark_all_change, NULL);
}

static enum err
mark_change(struct db_conn *c, void *arg)
{
	return mark(c, arg);
}

enum err
trim_mark_queue(struct db *db, const char *queue)
{
	return db_write(db, mark_change, (void *)(uintptr_t)queue);
}

static enum err
find_due(
    struct db_conn *c, int64_t now, const char *after, struct trim_batch *b)
{
	struct db_stmt *s;
	enum err e;

	b->n = 0;
	for (e = db_query(c, &s, sql[SQL_DUE], "iiti", now, now + TOO_FAR_MS,
		 after, (int64_t)TRIM_QUEUES_MAX);
	     e == ERR_OK && b->n < TRIM_QUEUES_MAX; e = db_next(s))
		(void)snprintf(b->passes[b->n++].queue, NAME_LEN_MAX + 1, "%s",
		    db_text(s, 0, NULL));
	if (s != NULL)
		db_end(s);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
trim_mark_find(struct db *db, const char *after, struct trim_batch *b)
{
	struct db_conn *c = db_read(db);
	enum err e;

	b->now = clock_now_ms();
	b->lease = b->now + LEASE_MS;
	e = find_due(c, b->now, after, b);
	if (e == ERR_OK && b->n == 0 && after[0] != '\0')
		e = find_due(c, b->now, "", b);
	db_read_end(db, c);
	return e;
}

static enum err
lease_change(struct db_conn *c, void *arg)
{
	struct trim_batch *b = arg;
	enum err e = ERR_OK;
	size_t i, n = b->n;
	int64_t leased;

	b->n = 0;
	for (i = 0; i < n && e == ERR_OK; i++) {
		e = db_exec(c, &leased, sql[SQL_LEASE], "tiii",
		    b->passes[i].queue, b->lease, b->now, b->now + TOO_FAR_MS);
		if (e == ERR_OK && leased > 0)
			b->passes[b->n++] = b->passes[i];
	}
	return e;
}

enum err
trim_mark_lease(struct db *db, struct trim_batch *b)
{
	return db_write(db, lease_change, b);
}

/* Another process that has leased the queue since, after a mark that was made anew, may have seen
 * it without the message that was held here, and taken the second for the first. */
static enum err
rest(struct db_conn *c, const struct trim_batch *b, const struct trim_pass *p)
{
	int64_t n;
	enum err e;

	e = db_exec(c, &n, sql[SQL_REST], "tit", p->queue, b->lease, p->head);
	return e == ERR_OK && n == 0 ? mark(c, p->queue) : e;
}

/* A mark that was made anew meanwhile is not that of the lease, and stays unless the queue is
 * put off. */
static enum err
settle_change(struct db_conn *c, void *arg)
{
	const struct trim_batch *b = arg;
	const struct trim_pass *p;
	enum err e = ERR_OK;
	size_t i;

	for (i = 0; i < b->n && e == ERR_OK; i++) {
		p = &b->passes[i];
		switch (p->end) {
		case TRIM_EMPTY:
			e = db_exec(
			    c, NULL, sql[SQL_DONE], "ti", p->queue, b->lease);
			break;
		case TRIM_WAITS:
			e = rest(c, b, p);
			break;
		case TRIM_LATER:
			e = db_exec(c, NULL, sql[SQL_PUT_OFF], "tii", p->queue,
			    b->lease, b->now + MUCH_LATER_MS);
			break;
		default:
			e = db_exec(
			    c, NULL, sql[SQL_AGAIN], "ti", p->queue, b->lease);
		}
	}
	return e;
}

enum err
trim_mark_settle(struct db *db, struct trim_batch *b)
{
	return db_write(db, settle_change, b);
}

void
trim_mark_settle_later(struct db *db, struct trim_batch *b)
{
	(void)db_write_later(db, settle_change, b);
}
