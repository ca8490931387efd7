#include "explain_agents.h"

#include <string.h>

#include "agent.h"
#include "clock.h"
#include "column.h"
#include "explain_word.h"
#include "js_escape.h"
#include "lost.h"

enum { SQL_AGENTS, SQL_BUSY };

static const char *const sql[] = {
    [SQL_AGENTS] = "SELECT a.name, a.state, a.updated_at, a.comment, "
		   "EXISTS (SELECT 1 FROM job_exclude x WHERE x.job = $2 "
		   "AND x.agent = a.name), "
		   "coalesce(a.state IN " AGENT_OFF_STATES ", 0) "
		   "FROM agent_queue q JOIN agent a ON a.name = q.agent "
		   "WHERE q.queue = $1 ORDER BY a.name LIMIT $3",
    [SQL_BUSY] = ("SELECT id, started_at, state FROM job WHERE agent = $1 "
		  "AND ended_at IS NULL ORDER BY started_at DESC LIMIT 1"),
};

struct look {
	struct svc *s;
	struct db_conn *c;
	struct arena *a;
	const struct explain_place *at;
	int64_t now;
	struct explain_agents *out;
};

void
explain_put_member(struct buf *b, const char *name, const char *text)
{
	buf_printf(b, ",\"%s\":", name);
	if (text != NULL)
		js_put_string(b, text, strlen(text));
	else
		buf_str(b, "null");
}

/* What an agent has in hand, or says that it is at. */
struct hand {
	bool busy;
	bool ended; /* the job, and it says that it is at it all the same */
	bool timed; /* since is known */
	struct id id;
	int64_t since;
	const char *state;
};

static enum err
read_word(struct look *x, const char *agent, struct hand *h)
{
	struct explain_word w;
	enum err e = explain_word(x->s, x->c, x->a, agent, &w);

	if (e == ERR_OK && w.at_it)
		*h = (struct hand){
		    true, true, w.started, w.job, w.started_at, w.phase};
	return e;
}

static enum err
read_hand(struct look *x, const char *agent, struct hand *h)
{
	bool failed = false;
	struct db_stmt *s;
	const char *id;
	size_t len;
	enum err e;

	*h = (struct hand){.busy = false};
	e = db_query(x->c, &s, sql[SQL_BUSY], "t", agent);
	if (e == ERR_NOTFOUND)
		return read_word(x, agent, h);
	if (e != ERR_OK)
		return e;
	h->busy = h->timed = true;
	id = db_text(s, 0, &len);
	(void)id_parse(id, len, &h->id);
	h->since = db_int(s, 1);
	h->state = column_text(x->a, s, 2, NULL, &failed);
	db_end(s);
	return failed ? ERR_NOMEM : ERR_OK;
}

static bool
is_silent(const struct look *x, const struct hand *h, int64_t heard)
{
	int64_t most = lost_allowed_ms(x->s->conf, h->state);

	return most > 0 && x->now - heard > most;
}

static void
put_hand(struct buf *b, const struct hand *h)
{
	char text[CLOCK_TEXT_LEN];

	if (h->busy)
		explain_put_member(b, "busy_with", h->id.text);
	if (h->timed) {
		clock_text(h->since, text);
		explain_put_member(b, "busy_since", text);
	}
	if (h->ended)
		buf_str(b, ",\"busy_ended\":true");
}

static void
put_agent(struct look *x, struct db_stmt *s, const struct hand *h)
{
	const char *name = db_text(s, 0, NULL), *state = db_text(s, 1, NULL);
	int64_t at = explain_heard(x->s, name, db_int(s, 2));
	bool excluded = db_int(s, 4) != 0, away = db_int(s, 5) != 0, silent;
	char text[CLOCK_TEXT_LEN];

	silent = is_silent(x, h, at);
	clock_text(at, text);
	buf_printf(&x->out->list, "%s{\"name\":", x->out->n > 0 ? "," : "");
	js_put_string(&x->out->list, name, strlen(name));
	explain_put_member(&x->out->list, "state", state);
	explain_put_member(&x->out->list, "comment", db_text(s, 3, NULL));
	explain_put_member(&x->out->list, "seen_at", text);
	buf_printf(&x->out->list, ",\"silent\":%s,\"excluded\":%s",
	    silent ? "true" : "false", excluded ? "true" : "false");
	put_hand(&x->out->list, h);
	buf_char(&x->out->list, '}');
	x->out->n++;
	x->out->n_excluded += excluded;
	x->out->n_silent += silent && !excluded;
	x->out->n_away += away && !silent && !excluded;
	x->out->n_busy += h->busy && !excluded && !silent && !away;
	x->out->n_ended += h->ended && !excluded && !silent && !away;
}

enum err
explain_agents(struct svc *svc, struct db_conn *c, struct arena *a,
    const struct explain_place *at, struct explain_agents *out)
{
	struct look look = {svc, c, a, at, clock_now_ms(), out}, *x = &look;
	struct db_stmt *s;
	struct hand hand;
	enum err e, e2 = ERR_OK;

	*out = (struct explain_agents){.n = 0};
	buf_init(&out->list, a, 1024);
	for (e = db_query(x->c, &s, sql[SQL_AGENTS], "tii", x->at->queue,
		 x->at->seq, (int64_t)EXPLAIN_AGENTS_MAX);
	     e == ERR_OK; e = db_next(s)) {
		e2 = read_hand(x, db_text(s, 0, NULL), &hand);
		if (e2 != ERR_OK)
			break;
		put_agent(x, s, &hand);
	}
	if (s != NULL)
		db_end(s);
	if (e2 != ERR_OK)
		return e2;
	return e == ERR_NOTFOUND ? ERR_OK : e;
}
