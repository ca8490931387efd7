#include "explain_ahead.h"

#include "best.h"
#include "queue.h"

enum { SQL_QUEUES, SQL_TAKER };

/* Who may take the job $2 of the queue $1: so many agents are looked at. */
#define TAKERS                                                                 \
	"(SELECT q.agent FROM agent_queue q WHERE q.queue = $1 "               \
	"AND NOT EXISTS (SELECT 1 FROM job_exclude x WHERE x.job = $2 "        \
	"AND x.agent = q.agent) ORDER BY q.agent LIMIT $3) "

static const char *const sql[] = {
    [SQL_QUEUES] = "SELECT $1 UNION SELECT o.queue FROM " TAKERS
		   "AS t JOIN agent_queue o ON o.agent = t.agent",
    /* One of them that serves $4 and may take the job $5. */
    [SQL_TAKER] =
	"SELECT 1 FROM " TAKERS "AS t JOIN agent_queue o ON o.agent = t.agent "
	"AND o.queue = $4 WHERE NOT EXISTS (SELECT 1 "
	"FROM job_exclude x WHERE x.job = $5 AND x.agent = t.agent) "
	"LIMIT 1",
};

struct look {
	struct db_conn *c;
	const struct explain_place *at;
	const char *queue; /* that is looked at */
	bool
	    anybody; /* may have the jobs of its own queue: no agent is known */
	struct explain_ahead *out;
};

/* Whether an agent that serves the queue may take both jobs.  other: NULL for any. */
static enum err
any_taker(const struct look *l, const int64_t *other, bool *out)
{
	struct db_stmt *s;
	enum err e;

	e = db_query(l->c, &s, sql[SQL_TAKER],
	    other != NULL ? "tiiti" : "tiitn", l->at->queue, l->at->seq,
	    (int64_t)EXPLAIN_AGENTS_MAX, l->queue, other != NULL ? *other : 0);
	*out = e == ERR_OK;
	if (e == ERR_OK)
		db_end(s);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Nobody knows who would show a token. */
static enum err
may_go_before(struct db_conn *c, const struct best_job *j, void *arg, bool *out)
{
	const struct look *l = arg;

	(void)c;
	*out = !j->excludes || l->anybody;
	return *out ? ERR_OK : any_taker(l, &j->seq, out);
}

static enum err
count_queue(struct look *l)
{
	const struct best_job job = {
	    .seq = l->at->seq, .priority = l->at->priority};
	struct best_count n;
	bool restricted;
	enum err e;

	e = best_count(l->c, l->queue, &job, may_go_before, l,
	    EXPLAIN_AHEAD_MAX - l->out->n, &n);
	if (e != ERR_OK || n.n == 0)
		return e;
	e = queue_is_restricted(l->c, l->queue, &restricted);
	if (e != ERR_OK)
		return e;
	l->out->n += n.n;
	l->out->token += restricted ? n.n : n.secrets;
	return ERR_OK;
}

enum err
explain_ahead(struct db_conn *c, const struct explain_place *at,
    struct explain_ahead *out)
{
	struct look look = {.c = c, .at = at, .out = out}, *l = &look;
	struct db_stmt *s;
	bool known;
	enum err e, e2 = ERR_OK;

	*out = (struct explain_ahead){.n = 0};
	l->queue = at->queue;
	if ((e = any_taker(l, NULL, &known)) != ERR_OK)
		return e;
	l->anybody = !known;
	for (e = db_query(c, &s, sql[SQL_QUEUES], "tii", at->queue, at->seq,
		 (int64_t)EXPLAIN_AGENTS_MAX);
	     e == ERR_OK && e2 == ERR_OK && out->n < EXPLAIN_AHEAD_MAX;
	     e = db_next(s)) {
		l->queue = db_text(s, 0, NULL);
		e2 = count_queue(l);
	}
	if (s != NULL)
		db_end(s);
	if (e2 != ERR_OK)
		return e2;
	return e == ERR_NOTFOUND ? ERR_OK : e;
}
