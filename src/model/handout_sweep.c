/* What time does: offers that lapse, agents that bring no result, jobs that nobody took. */

#include "clock.h"
#include "handout.h"
#include "journal.h"
#include "secret.h"

#define SWEEP_MAX 100

enum {
	SQL_OLD_OFFERS,
	SQL_RETURNERS,
	SQL_GIVE_UP,
	SQL_OVERDUE,
	SQL_END_OVERDUE
};

#define RETURNED "agent returned without result"
#define OVERDUE "no agent took it within queue_timeout"

static const char *const sql[] = {
    [SQL_OLD_OFFERS] = "SELECT seq, id FROM job WHERE offered_at < $1 "
		       "AND signed_at IS NULL AND ended_at IS NULL "
		       "ORDER BY offered_at LIMIT $2",
    [SQL_RETURNERS] = "SELECT seq, id FROM job WHERE returned_at <= $1 "
		      "AND ended_at IS NULL ORDER BY returned_at LIMIT $2",
    [SQL_GIVE_UP] = "UPDATE job SET state = 'cancelled', ended_at = $2, "
		    "late = 1, reason = '" RETURNED "' "
		    "WHERE seq = $1 AND ended_at IS NULL",
    [SQL_OVERDUE] = "SELECT seq, id FROM job WHERE deadline_at <= $1 "
		    "AND state = 'waiting' ORDER BY deadline_at LIMIT $2",
    [SQL_END_OVERDUE] = "UPDATE job SET state = 'cancelled', ended_at = $2, "
			"seed = 0, reason = '" OVERDUE "' WHERE seq = $1",
};

struct sweeping {
	struct svc *s;
	int64_t now, n;
};

struct found {
	int64_t seq;
	struct id id;
};

static enum err
find(struct db_conn *c, const char *query, int64_t before,
    struct found out[SWEEP_MAX], size_t *n)
{
	struct db_stmt *s;
	const char *text;
	size_t len;
	enum err e;

	*n = 0;
	for (e = db_query(c, &s, query, "ii", before, (int64_t)SWEEP_MAX);
	     e == ERR_OK && *n < SWEEP_MAX; e = db_next(s)) {
		out[*n].seq = db_int(s, 0);
		text = db_text(s, 1, &len);
		(void)id_parse(text, len, &out[(*n)++].id);
	}
	if (s != NULL)
		db_end(s);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static int64_t
offers_before(const struct sweeping *w)
{
	return w->now - conf_int(w->s->conf, CONF_OFFER_TIMEOUT) * 1000;
}

static int64_t
returns_before(const struct sweeping *w)
{
	return w->now - conf_int(w->s->conf, CONF_RETURN_GRACE) * 1000;
}

/* End a job by the server's word. */
static enum err
end_job(struct db_conn *c, const struct sweeping *w, const struct found *f,
    const char *query, const char *reason)
{
	const struct journal_item item = {"reason", reason, 0, 0};
	enum err e;

	e = db_exec(c, NULL, query, "ii", f->seq, w->now);
	if (e == ERR_OK)
		e = secret_spend(c, f->id.text);
	return e == ERR_OK ? journal_add(c, "job.ended", f->id.text, &item, 1)
			   : e;
}

static enum err
sweep_change(struct db_conn *c, void *arg)
{
	struct sweeping *w = arg;
	struct found jobs[SWEEP_MAX];
	int64_t by;
	size_t i, n;
	enum err e;

	w->n = 0;
	/* Somebody may have set the clock since the look. */
	e = handout_clock_settle(c, &w->now, &by);
	if (e == ERR_OK)
		e = find(c, sql[SQL_OLD_OFFERS], offers_before(w), jobs, &n);
	for (i = 0; e == ERR_OK && i < n; i++, w->n++)
		e = handout_back(c, jobs[i].seq, &jobs[i].id,
		    w->s->has_broker ? w->now : 0, "no sign of its agent");
	if (e == ERR_OK)
		e = find(c, sql[SQL_RETURNERS], returns_before(w), jobs, &n);
	for (i = 0; e == ERR_OK && i < n; i++, w->n++)
		e = end_job(c, w, &jobs[i], sql[SQL_GIVE_UP], RETURNED);
	if (e == ERR_OK)
		e = find(c, sql[SQL_OVERDUE], w->now, jobs, &n);
	for (i = 0; e == ERR_OK && i < n; i++, w->n++)
		e = end_job(c, w, &jobs[i], sql[SQL_END_OVERDUE], OVERDUE);
	return e;
}

static bool
anything_due(const struct sweeping *w)
{
	struct db_conn *c = db_read(w->s->db);
	struct found jobs[SWEEP_MAX];
	size_t n = 0, m = 0, k = 0;
	bool good;

	good = find(c, sql[SQL_OLD_OFFERS], offers_before(w), jobs, &n) ==
		   ERR_OK &&
	       find(c, sql[SQL_RETURNERS], returns_before(w), jobs, &m) ==
		   ERR_OK &&
	       find(c, sql[SQL_OVERDUE], w->now, jobs, &k) == ERR_OK;
	db_read_end(w->s->db, c);
	return good && n + m + k > 0;
}

enum err
handout_sweep(struct svc *s, int64_t *n)
{
	struct sweeping w = {.s = s, .now = clock_now_ms()};
	enum err e;

	*n = 0;
	if (!anything_due(&w))
		return ERR_OK;
	e = db_write(s->db, sweep_change, &w);
	*n = e == ERR_OK ? w.n : 0;
	if (*n > 0)
		wake_say(s->wake, WAKE_ANY, "");
	return e;
}
