/* A walk along job_plain from queue to queue.  One snapshot tells of a front and of its job. */

#include "front.h"

#include <stdio.h>

#include "best.h"

/* Only the order makes sure of the index. */
static const char sql_next[] =
    "SELECT j.queue, f.seq FROM (SELECT queue, priority, seq FROM job "
    "WHERE " BEST_PLAIN " AND queue > $1 "
    "ORDER BY queue, priority DESC, seq LIMIT 1) AS j "
    "LEFT JOIN queue_front AS f ON f.queue = j.queue "
    "AND f.priority = j.priority AND f.seq = j.seq";

/* The next queues, up to the first whose front is wrong. */
static enum err
go_on(struct svc *s, char after[NAME_LEN_MAX + 1], unsigned *n, bool *wrong)
{
	struct db_conn *c = db_read_once(s->db);
	struct db_stmt *st;
	enum err e = ERR_OK;

	*wrong = false;
	for (; *n > 0 && !*wrong; (*n)--) {
		e = db_query(c, &st, sql_next, "t", after);
		if (e != ERR_OK)
			break;
		(void)snprintf(
		    after, NAME_LEN_MAX + 1, "%s", db_text(st, 0, NULL));
		*wrong = db_is_null(st, 1);
		db_end(st);
	}
	db_read_end(s->db, c);
	return e;
}

static enum err
mend_change(struct db_conn *c, void *arg)
{
	enum err e = best_mend(c, arg);

	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
front_look(struct svc *s, char after[NAME_LEN_MAX + 1])
{
	unsigned n = FRONT_QUEUES;
	bool wrong;
	enum err e;

	while ((e = go_on(s, after, &n, &wrong)) == ERR_OK && wrong) {
		if ((e = db_write(s->db, mend_change, after)) != ERR_OK)
			break;
		wake_say(s->wake, WAKE_QUEUE, after);
	}
	return e;
}
