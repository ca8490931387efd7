#include "explain_word.h"

#include "clock.h"
#include "column.h"
#include "phase.h"

static const char *const sql =
    "SELECT a.state, a.updated_at, j.id, j.ended_at, "
    "coalesce(j.agent = a.name, 0) AND j.started_at IS NOT NULL, j.started_at "
    "FROM agent a JOIN job j ON j.id = a.job_id "
    "WHERE a.name = $1 AND j.ended_at IS NOT NULL AND j.reason IS NOT NULL "
    "AND j.returned_at IS NULL";

/* One that works with other devices waits for them amid its job. */
#define ALLOCATED "allocated"

static bool
is_work(struct db_stmt *s, int i)
{
	size_t len = 0;
	const char *state = db_text(s, i, &len);

	return state != NULL && (phase_of(state, len) != PHASE__MAX ||
				    column_is(s, i, ALLOCATED));
}

int64_t
explain_heard(struct svc *s, const char *agent, int64_t updated_at)
{
	int64_t at = seen_last(s->seen, SEEN_AGENT, agent, clock_now_ms());

	return at > updated_at ? at : updated_at;
}

enum err
explain_word(struct svc *s, struct db_conn *c, struct arena *a,
    const char *agent, struct explain_word *out)
{
	int64_t polled = seen_last(s->seen, SEEN_POLL, agent, clock_now_ms());
	bool failed = false;
	struct db_stmt *st;
	const char *id;
	size_t len;
	enum err e;

	*out = (struct explain_word){.at_it = false};
	if ((e = db_query(c, &st, sql, "t", agent)) != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	if (is_work(st, 0) && polled <= db_int(st, 3)) {
		out->at_it = true;
		out->phase = column_text(a, st, 0, NULL, &failed);
		out->heard_at = explain_heard(s, agent, db_int(st, 1));
		id = db_text(st, 2, &len);
		(void)id_parse(id, len, &out->job);
		out->started = db_int(st, 4) != 0;
		out->started_at = db_int(st, 5);
	}
	db_end(st);
	return failed ? ERR_NOMEM : ERR_OK;
}
