/*
 * The wall clock is set: by hand, by NTP, or as a host goes on that was asleep.  Several
 * processes may see it, so what they do may be done twice; only a queue_timeout then ends
 * later than it should.
 */

#include "clock.h"
#include "handout.h"

enum { SQL_OFFERS, SQL_RETURNS, SQL_DEADLINES, SQL_AHEAD };

/* $2: rows from then on. */
static const char *const sql[] = {
    [SQL_OFFERS] = "UPDATE job SET offered_at = $1 WHERE offered_at > $2 "
		   "AND signed_at IS NULL AND ended_at IS NULL",
    [SQL_RETURNS] = "UPDATE job SET returned_at = $1 WHERE returned_at > $2 "
		    "AND ended_at IS NULL",
    [SQL_DEADLINES] = "UPDATE job SET deadline_at = deadline_at + $1 "
		      "WHERE deadline_at IS NOT NULL AND state = 'waiting'",
    [SQL_AHEAD] = "UPDATE job SET created_at = $1, "
		  "deadline_at = $1 + deadline_at - created_at "
		  "WHERE deadline_at > $1 AND state = 'waiting' "
		  "AND created_at > $1",
};

struct setting {
	int64_t now, by;
};

static enum err
set_change(struct db_conn *c, void *arg)
{
	const struct setting *x = arg;
	/* Set back: only what seems to come from the future. */
	int64_t from = x->by > 0 ? 0 : x->now;
	enum err e;

	e = db_exec(c, NULL, sql[SQL_OFFERS], "ii", x->now, from);
	if (e == ERR_OK)
		e = db_exec(c, NULL, sql[SQL_RETURNS], "ii", x->now, from);
	if (e != ERR_OK)
		return e;
	return x->by > 0 ? db_exec(c, NULL, sql[SQL_DEADLINES], "i", x->by)
			 : db_exec(c, NULL, sql[SQL_AHEAD], "i", x->now);
}

enum err
handout_clock_set(struct svc *s, int64_t by)
{
	struct setting x = {clock_now_ms(), by};

	return db_write(s->db, set_change, &x);
}
