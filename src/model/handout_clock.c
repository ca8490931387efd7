/*
 * The wall clock is set: by hand, by NTP, or as a host goes on that was asleep; also while no
 * tf-dispatch ran.  The store tells how far that clock was ahead of the monotonic one when the
 * times in it were written.  Whoever is first to see another difference makes the times fit
 * and writes down the new one, in one change; so it is done once, by however many processes, and
 * before any of them finds a job late.
 *
 * Times written since it was set must be left alone.  They are told by their value: before a
 * step forward none is later than the present less the step, and after one back none is later
 * than the present.  Where that leaves a doubt a time is left, and comes too late.
 *
 * A start of the host is told by its name (clock_boot()).  Where that cannot be read nothing else
 * tells it from a clock that was set: what the kernel says of its start in other places is by the
 * wall clock, and moves with it.  So every difference is taken for both, and the later of the two
 * ends counts.  A start after which there is no difference needs no care: time since then is all
 * that the clocks have counted.
 */

#include <string.h>

#include "clock.h"
#include "handout.h"

enum {
	SQL_BASE,
	SQL_SET_BASE,
	SQL_MOVE_OFFERS,
	SQL_MOVE_RETURNS,
	SQL_MOVE_JOBS,
	SQL_OFFERS,
	SQL_RETURNS,
	SQL_AHEAD
};

#define OFFERED "signed_at IS NULL AND ended_at IS NULL"
#define RETURNED "ended_at IS NULL"
/* What ends some time after its submission: by its queue_timeout, also what is on offer and may
 * wait again, or for want of attachments.  Each is a range of an index. */
#define WITH_END                                                               \
	"((deadline_at > 0 AND state = 'waiting') OR "                         \
	"(offered_at > 0 AND " OFFERED " AND deadline_at > 0) OR "             \
	"(ready = 0 AND created_at > 0))"

static const char *const sql[] = {
    [SQL_BASE] = "SELECT boot, ahead FROM clock_base WHERE one = 1",
    [SQL_SET_BASE] = "INSERT INTO clock_base (one, boot, ahead) "
		     "VALUES (1, $1, $2) ON CONFLICT (one) DO UPDATE SET "
		     "boot = excluded.boot, ahead = excluded.ahead",
    /* By $1 those later than $2 and not later than $3. */
    [SQL_MOVE_OFFERS] = "UPDATE job SET offered_at = offered_at + $1 "
			"WHERE offered_at > $2 AND offered_at <= $3 "
			"AND " OFFERED,
    [SQL_MOVE_RETURNS] = "UPDATE job SET returned_at = returned_at + $1 "
			 "WHERE returned_at > $2 AND returned_at <= $3 "
			 "AND " RETURNED,
    /* Both, or a clock that is set right again would leave a deadline where it is, and a
     * retry would get a longer queue_timeout. */
    [SQL_MOVE_JOBS] = "UPDATE job SET created_at = created_at + $1, "
		      "deadline_at = deadline_at + $1 "
		      "WHERE " WITH_END " AND created_at > $2 "
		      "AND created_at <= $3",
    /* Those later than $2 begin anew at $1. */
    [SQL_OFFERS] = "UPDATE job SET offered_at = $1 WHERE offered_at > $2 "
		   "AND " OFFERED,
    [SQL_RETURNS] = "UPDATE job SET returned_at = $1 WHERE returned_at > $2 "
		    "AND " RETURNED,
    [SQL_AHEAD] = "UPDATE job SET created_at = $1, "
		  "deadline_at = $1 + deadline_at - created_at "
		  "WHERE " WITH_END " AND created_at > $1",
};

enum host { HOST_SAME, HOST_ANEW, HOST_UNTOLD };

/* What is known of the clock by which the times in the store are. */
struct base {
	enum host host; /* whether it is of this start of the host */
	int64_t ahead;
};

static enum host
host_since(const char *before)
{
	const char *boot = clock_boot();

	if (boot[0] == '\0' || before[0] == '\0')
		return HOST_UNTOLD;
	return strcmp(before, boot) == 0 ? HOST_SAME : HOST_ANEW;
}

static enum err
read_base(struct db_conn *c, struct base *out)
{
	struct db_stmt *s;
	enum err e;

	*out = (struct base){.host = HOST_ANEW};
	e = db_query(c, &s, sql[SQL_BASE], "");
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	out->host = host_since(db_text(s, 0, NULL));
	out->ahead = db_int(s, 1);
	db_end(s);
	return ERR_OK;
}

static bool
is_step(int64_t by)
{
	return by <= -CLOCK_STEP_MS || by >= CLOCK_STEP_MS;
}

/* The clock was set by so much. */
static enum err
move(struct db_conn *c, int64_t now, int64_t by)
{
	int64_t from = by > 0 ? INT64_MIN : now;
	int64_t to = by > 0 ? now - by : INT64_MAX;
	enum err e;

	e = db_exec(c, NULL, sql[SQL_MOVE_OFFERS], "iii", by, from, to);
	if (e == ERR_OK)
		e = db_exec(
		    c, NULL, sql[SQL_MOVE_RETURNS], "iii", by, from, to);
	return e == ERR_OK
		   ? db_exec(c, NULL, sql[SQL_MOVE_JOBS], "iii", by, from, to)
		   : e;
}

/* What is later than from begins anew; and what comes from the future. */
static enum err
begin_anew(struct db_conn *c, int64_t now, int64_t from)
{
	enum err e;

	e = db_exec(c, NULL, sql[SQL_OFFERS], "ii", now, from);
	if (e == ERR_OK)
		e = db_exec(c, NULL, sql[SQL_RETURNS], "ii", now, from);
	return e == ERR_OK ? db_exec(c, NULL, sql[SQL_AHEAD], "i", now) : e;
}

enum err
handout_clock_settle(struct db_conn *c, int64_t *now, int64_t *by)
{
	int64_t ahead = clock_ahead_ms(now), set;
	struct base base;
	enum err e;

	*by = 0;
	if ((e = read_base(c, &base)) != ERR_OK)
		return e;
	set = ahead - base.ahead;
	if (base.host != HOST_ANEW && !is_step(set))
		return ERR_OK;
	if (base.host != HOST_ANEW)
		e = move(c, *now, set);
	/* Nobody knows how long the host was off. */
	if (e == ERR_OK)
		e = begin_anew(
		    c, *now, base.host == HOST_SAME ? *now : INT64_MIN);
	if (base.host == HOST_SAME)
		*by = set;
	return e == ERR_OK ? db_exec(c, NULL, sql[SQL_SET_BASE], "ti",
				 clock_boot(), ahead)
			   : e;
}

static enum err
settle_change(struct db_conn *c, void *arg)
{
	int64_t now;

	return handout_clock_settle(c, &now, arg);
}

enum err
handout_clock(struct svc *s, int64_t *by)
{
	*by = 0;
	return db_write(s->db, settle_change, by);
}
