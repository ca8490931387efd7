/* Healing: what waits is marked as unpublished, some hundred jobs in a change, and the outbox
 * does the rest.  A crash in between leaves the other jobs for the next look. */

#include "heal.h"

#include <stdio.h>

#include "clock.h"
#include "log.h"

/* So many jobs are marked in one change. */
#define BATCH 500

enum { SQL_NEXT, SQL_WAITING, SQL_FIND, SQL_MARK };

#define PUBLISHED                                                              \
	"queue = $1 AND state = 'waiting' AND ready = 1 "                      \
	"AND publish_at IS NULL"

static const char *const sql[] = {
    [SQL_NEXT] = "SELECT queue FROM job WHERE state = 'waiting' "
		 "AND queue > $1 ORDER BY queue LIMIT 1",
    /* Grouped as the index of waiting jobs is ordered, or those that have ended would be
     * looked at too. */
    [SQL_WAITING] = "SELECT coalesce(sum(n), 0), max(last) FROM "
		    "(SELECT count(*) AS n, max(seq) AS last FROM job "
		    "WHERE " PUBLISHED " GROUP BY priority) AS some",
    [SQL_FIND] = "SELECT seq FROM job WHERE " PUBLISHED
		 " AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4",
    [SQL_MARK] = "UPDATE job SET publish_at = $2 WHERE seq = $1",
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

struct marking {
	const char *queue;
	int64_t now;
	int64_t after, last; /* seq: those in between, without and with */
	int64_t reached; /* of those marked the last */
	size_t n;
};

static enum err
mark_change(struct db_conn *c, void *arg)
{
	struct marking *m = arg;
	int64_t found[BATCH];
	struct db_stmt *s;
	enum err e;
	size_t i;

	m->n = 0;
	for (e = db_query(c, &s, sql[SQL_FIND], "tiii", m->queue, m->after,
		 m->last, (int64_t)BATCH);
	     e == ERR_OK && m->n < BATCH; e = db_next(s))
		found[m->n++] = m->reached = db_int(s, 0);
	if (s != NULL)
		db_end(s);
	if (e == ERR_NOTFOUND)
		e = ERR_OK;
	for (i = 0; i < m->n && e == ERR_OK; i++)
		e = db_exec(c, NULL, sql[SQL_MARK], "ii", found[i], m->now);
	return e;
}

/* Those that came since are none of them: the outbox or their submitter has sent them. */
static enum err
publish_again(struct svc *s, const char *queue, const struct waiting *w)
{
	struct marking m = {.queue = queue, .now = clock_now_ms()};
	int64_t total = 0;
	enum err e;

	m.last = w->last;
	do {
		e = db_write(s->db, mark_change, &m);
		if (e != ERR_OK)
			return e;
		total += (int64_t)m.n;
		m.after = m.reached;
	} while (m.n == BATCH);
	log_warn("the broker has lost messages of the queue %s: %lld jobs are "
		 "published again",
	    queue, (long long)total);
	return ERR_OK;
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
