/* Healing: what waits is marked as unpublished, some hundred jobs in a change, and the outbox
 * does the rest.  A crash in between leaves the other jobs for the next look. */

#include "heal.h"

#include <stdio.h>
#include <stdlib.h>

#include "best.h"
#include "clock.h"
#include "log.h"

/* So many jobs are marked in one change. */
#define BATCH 500

enum { SQL_NEXT, SQL_WAITING, SQL_FIND, SQL_MARK };

#define PLAIN "FROM job WHERE " BEST_PLAIN
#define SPECIAL "FROM job WHERE " BEST_SPECIAL
#define PUBLISHED " AND queue = $1 AND ready = 1 AND publish_at IS NULL "

/* Orders and groups make sure of the indexes: or jobs that have ended would be looked at too. */
static const char *const sql[] = {
    [SQL_NEXT] = ("SELECT queue FROM (SELECT * FROM (SELECT queue " PLAIN
		  " AND queue > $1 ORDER BY queue LIMIT 1) AS p "
		  "UNION ALL SELECT * FROM (SELECT queue " SPECIAL
		  " AND queue > $1 ORDER BY queue LIMIT 1) AS s) AS next "
		  "ORDER BY queue LIMIT 1"),
    [SQL_WAITING] = ("SELECT coalesce(sum(n), 0), max(last) FROM "
		     "(SELECT count(*) AS n, max(seq) AS last " PLAIN PUBLISHED
		     "GROUP BY priority UNION ALL "
		     "SELECT count(*) AS n, max(seq) AS last " SPECIAL PUBLISHED
		     "GROUP BY secrets, excludes) AS some"),
    /* The + keeps the index of all jobs of the queue out. */
    [SQL_FIND] = ("SELECT * FROM (SELECT seq " PLAIN PUBLISHED
		  "AND +seq <= $2 ORDER BY priority DESC, seq) AS p "
		  "UNION ALL SELECT * FROM (SELECT seq " SPECIAL PUBLISHED
		  "AND +seq <= $2 ORDER BY secrets, excludes, priority DESC, "
		  "seq) AS s"),
    [SQL_MARK] = ("UPDATE job SET publish_at = $3 WHERE seq = $2 "
		  "AND state = 'waiting'" PUBLISHED),
};

/* The jobs of a queue that wait and are published. */
struct waiting {
	int64_t n;
	int64_t last; /* the seq of the last of them */
};

static enum err
count_waiting(struct svc *s, const char *queue, struct waiting *out)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e;

	e = db_query(c, &st, sql[SQL_WAITING], "t", queue);
	if (e == ERR_OK) {
		out->n = db_int(st, 0);
		out->last = db_int(st, 1);
		db_end(st);
	}
	db_read_end(s->db, c);
	return e;
}

/* What is to be published again, in the order of submission. */
struct marking {
	const char *queue;
	int64_t now;
	int64_t *list; /* seq */
	size_t n, room, done;
	int64_t marked;
};

static enum err
mark_change(struct db_conn *c, void *arg)
{
	struct marking *m = arg;
	size_t i, end = m->n - m->done < BATCH ? m->n : m->done + BATCH;
	int64_t n = 0, marked = 0;
	enum err e = ERR_OK;

	for (i = m->done; i < end && e == ERR_OK; i++, marked += n)
		e = db_exec(
		    c, &n, sql[SQL_MARK], "tii", m->queue, m->list[i], m->now);
	if (e != ERR_OK)
		return e;
	m->done = end;
	m->marked += marked;
	return ERR_OK;
}

static int
by_seq(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static enum err
add_job(struct marking *m, int64_t seq)
{
	size_t room = m->room == 0 ? BATCH : 2 * m->room;
	int64_t *list;

	if (m->n == m->room) {
		list = realloc(m->list, room * sizeof(*list));
		if (list == NULL)
			return ERR_NOMEM;
		m->list = list;
		m->room = room;
	}
	m->list[m->n++] = seq;
	return ERR_OK;
}

/* Those that were counted, as far as they wait yet.  The ones that came since are none of them:
 * the outbox or their submitter has sent them.  One that went back meanwhile and was sent may be
 * among them all the same, in nobody's place. */
static enum err
list_waiting(struct svc *s, const struct waiting *w, struct marking *m)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e, e2 = ERR_OK;

	for (e = db_query(c, &st, sql[SQL_FIND], "ti", m->queue, w->last);
	     e == ERR_OK; e = db_next(st))
		if ((e2 = add_job(m, db_int(st, 0))) != ERR_OK)
			break;
	if (st != NULL)
		db_end(st);
	db_read_end(s->db, c);
	if (e2 != ERR_OK)
		return e2;
	if (m->n > 0)
		qsort(m->list, m->n, sizeof(*m->list), by_seq);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
publish_again(struct svc *s, const char *queue, const struct waiting *w)
{
	struct marking m = {.queue = queue, .now = clock_now_ms()};
	enum err e;

	e = list_waiting(s, w, &m);
	while (e == ERR_OK && m.done < m.n)
		e = db_write(s->db, mark_change, &m);
	free(m.list);
	if (e == ERR_OK)
		log_warn("the broker has lost messages of the queue %s: %lld "
			 "jobs are published again",
		    queue, (long long)m.marked);
	return e;
}

/* Jobs are counted before messages: one that is published in between is a message more. */
enum err
heal_queue(struct svc *s, struct broker_tap *t, const char *queue)
{
	int64_t messages, consumers;
	struct waiting w;
	enum err e;

	if (queue_is_unclaimed(s->conf, queue))
		return ERR_OK;
	if ((e = count_waiting(s, queue, &w)) != ERR_OK || w.n == 0)
		return e;
	e = broker_tap_look(t, queue, &messages, &consumers);
	if (e == ERR_CONFLICT) {
		log_warn("cannot look at the queue %s of the broker: %s", queue,
		    broker_tap_why(t));
		return ERR_OK;
	}
	if (e == ERR_NOTFOUND ||
	    (e == ERR_OK && messages < w.n && consumers == 0))
		return publish_again(s, queue, &w);
	return e;
}

enum err
heal_next(struct svc *s, struct broker_tap *t, char after[NAME_LEN_MAX + 1])
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e;

	e = db_query(c, &st, sql[SQL_NEXT], "t", after);
	if (e == ERR_OK) {
		(void)snprintf(
		    after, NAME_LEN_MAX + 1, "%s", db_text(st, 0, NULL));
		db_end(st);
	}
	db_read_end(s->db, c);
	return e == ERR_OK ? heal_queue(s, t, after) : e;
}
