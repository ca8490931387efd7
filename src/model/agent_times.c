/* All agents in the order of their names, some in each change. */

#include "agent_times.h"

#include <stdio.h>

#include "clock.h"
#include "log.h"
#include "queue.h"

/* A part of the agents at a time, so that nobody waits for long. */
#define BATCH 500

enum { SQL_OLD, SQL_FORGET, SQL_TIMES, SQL_SEEN };

static const char *const sql[] = {
    [SQL_OLD] = "SELECT name, updated_at FROM agent "
		"WHERE name > $1 AND updated_at < $2 ORDER BY name LIMIT $3",
    [SQL_FORGET] = "DELETE FROM agent WHERE name = $1",
    [SQL_TIMES] = "SELECT name, updated_at FROM agent "
		  "WHERE name > $1 ORDER BY name LIMIT $2",
    [SQL_SEEN] = "UPDATE agent SET updated_at = $2 "
		 "WHERE name = $1 AND updated_at < $2",
};

struct walking {
	struct svc *s;
	char after[NAME_LEN_MAX + 1];
	int64_t now;
	int64_t before; /* who was heard of since is left alone */
	int64_t n; /* rows looked at */
};

static enum err
note_change(struct db_conn *c, void *arg)
{
	struct walking *w = arg;
	struct db_stmt *s;
	int64_t last;
	enum err e, e2 = ERR_OK;

	w->n = 0;
	for (e = db_query(
		 c, &s, sql[SQL_TIMES], "ti", w->after, (int64_t)BATCH);
	     e == ERR_OK && e2 == ERR_OK; e = db_next(s)) {
		w->n++;
		(void)snprintf(
		    w->after, sizeof(w->after), "%s", db_text(s, 0, NULL));
		last = seen_last(w->s->seen, SEEN_AGENT, w->after, w->now);
		if (last > db_int(s, 1))
			e2 = db_exec(
			    c, NULL, sql[SQL_SEEN], "ti", w->after, last);
	}
	if (s != NULL)
		db_end(s);
	return e2 != ERR_OK ? e2 : e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
forget_change(struct db_conn *c, void *arg)
{
	struct walking *w = arg;
	struct db_stmt *s;
	enum err e, e2 = ERR_OK;

	w->n = 0;
	for (e = db_query(c, &s, sql[SQL_OLD], "tii", w->after, w->before,
		 (int64_t)BATCH);
	     e == ERR_OK && e2 == ERR_OK; e = db_next(s)) {
		w->n++;
		(void)snprintf(
		    w->after, sizeof(w->after), "%s", db_text(s, 0, NULL));
		if (seen_last(w->s->seen, SEEN_AGENT, w->after, w->now) >=
		    w->before)
			continue;
		log_info("the agent %s is forgotten: it has said nothing "
			 "for AGENT_MAX_AGE",
		    w->after);
		e2 = db_exec(c, NULL, sql[SQL_FORGET], "t", w->after);
	}
	if (s != NULL)
		db_end(s);
	return e2 != ERR_OK ? e2 : e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
walk(struct svc *s, db_change change, int64_t age)
{
	struct walking w = {.s = s, .now = clock_now_ms()};
	enum err e;

	w.before = w.now - age * 1000;
	do
		e = db_write(s->db, change, &w);
	while (e == ERR_OK && w.n == BATCH);
	return e;
}

enum err
agent_times_write(struct svc *s)
{
	return walk(s, note_change, 0);
}

enum err
agent_times_forget_silent(struct svc *s)
{
	int64_t age = conf_int(s->conf, CONF_AGENT_MAX_AGE);

	if (age == 0)
		return ERR_OK;
	return walk(s, forget_change, age);
}
