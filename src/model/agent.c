/* Agents as rows. */

#include "agent.h"

#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "handout.h"
#include "journal.h"
#include "queue.h"

#define LOG_LINES 100
#define LOG_BYTES 262144

enum {
	SQL_KNOWN,
	SQL_COUNT,
	SQL_STATE,
	SQL_PUT,
	SQL_SAME_QUEUES,
	SQL_FORGET_QUEUES,
	SQL_ADD_QUEUE,
	SQL_LOG,
	SQL_SET_LOG,
	SQL_SAME,
	SQL_OFF
};

static const char *const sql[] = {
    [SQL_KNOWN] = "SELECT 1 FROM agent WHERE name = $1",
    [SQL_COUNT] = "SELECT count(*) FROM agent",
    [SQL_STATE] = "SELECT state FROM agent WHERE name = $1",
    [SQL_PUT] = "INSERT INTO agent (name, state, comment, identifier, job_id, "
		"location, provision_type, queues, updated_at) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
		"ON CONFLICT (name) DO UPDATE SET "
		"state = coalesce(excluded.state, agent.state), "
		"comment = coalesce(excluded.comment, agent.comment), "
		"identifier = coalesce(excluded.identifier, agent.identifier), "
		"job_id = coalesce(excluded.job_id, agent.job_id), "
		"location = coalesce(excluded.location, agent.location), "
		"provision_type = "
		"coalesce(excluded.provision_type, agent.provision_type), "
		"queues = coalesce(excluded.queues, agent.queues), "
		"updated_at = excluded.updated_at",
    [SQL_SAME_QUEUES] = "SELECT 1 FROM agent WHERE name = $1 AND queues = $2",
    [SQL_FORGET_QUEUES] = "DELETE FROM agent_queue WHERE agent = $1",
    [SQL_ADD_QUEUE] = "INSERT INTO agent_queue (queue, agent) "
		      "VALUES ($1, $2) ON CONFLICT DO NOTHING",
    [SQL_LOG] = "SELECT lines, coalesce(key = $2, 0) FROM agent_log "
		"WHERE agent = $1",
    [SQL_SET_LOG] = "INSERT INTO agent_log (agent, lines, key) "
		    "VALUES ($1, $2, $3) ON CONFLICT (agent) DO UPDATE "
		    "SET lines = excluded.lines, key = excluded.key",
    /* Nothing of what is told would change, and the time is of an age to stay. */
    [SQL_SAME] = "SELECT 1 FROM agent WHERE name = $1 "
		 "AND ($2 IS NULL OR $2 = state) "
		 "AND ($3 IS NULL OR $3 = comment) "
		 "AND ($4 IS NULL OR $4 = identifier) "
		 "AND ($5 IS NULL OR $5 = job_id) "
		 "AND ($6 IS NULL OR $6 = location) "
		 "AND ($7 IS NULL OR $7 = provision_type) "
		 "AND ($8 IS NULL OR $8 = queues) "
		 "AND updated_at BETWEEN $9 AND $10",
    [SQL_OFF] = "SELECT 1 FROM agent "
		"WHERE name = $1 AND state IN " AGENT_OFF_STATES,
};

struct putting {
	const char *name;
	const struct agent_report *r;
	int64_t now;
	int64_t max;
	int64_t max_age; /* ms; 0: none */
	bool new_state; /* it was told, and is not the former one */
};

/* An agent more than MAX_AGENTS is refused. */
static enum err
admit(struct db_conn *c, const struct putting *p)
{
	struct db_stmt *s;
	int64_t known;
	enum err e;

	e = db_query(c, &s, sql[SQL_KNOWN], "t", p->name);
	if (e == ERR_OK)
		db_end(s);
	if (e != ERR_NOTFOUND)
		return e;
	if ((e = db_query(c, &s, sql[SQL_COUNT], "")) != ERR_OK)
		return e;
	known = db_int(s, 0);
	db_end(s);
	return known >= p->max ? ERR_LIMIT : ERR_OK;
}

/* Whether the queues that it tells are not those of its row. */
static enum err
queues_change(struct db_conn *c, const struct putting *p, bool *change)
{
	struct db_stmt *s;
	enum err e;

	*change = false;
	if (p->r->queues.p == NULL)
		return ERR_OK;
	e = db_query(c, &s, sql[SQL_SAME_QUEUES], "ts", p->name, p->r->queues.p,
	    p->r->queues.len);
	if (e == ERR_OK)
		db_end(s);
	*change = e == ERR_NOTFOUND;
	return *change ? ERR_OK : e;
}

static enum err
put_queues(struct db_conn *c, const struct putting *p)
{
	const char *name;
	size_t i;
	enum err e;

	e = db_exec(c, NULL, sql[SQL_FORGET_QUEUES], "t", p->name);
	for (i = 0; i < p->r->n_queues && e == ERR_OK; i++) {
		name = p->r->queue_names[i];
		/* No job can name it, so nobody looks it up. */
		if (queue_name_fault(name, strlen(name)) != NULL)
			continue;
		e = db_exec(c, NULL, sql[SQL_ADD_QUEUE], "tt", name, p->name);
	}
	return e;
}

/* How many of the n lines at the end are kept: at most 100, and of those as many as
 * are within LOG_BYTES, but at least one. */
static size_t
kept_lines(struct json_object *list, size_t n)
{
	size_t kept, bytes = 0;

	for (kept = 0; kept < n && kept < LOG_LINES; kept++) {
		bytes += (size_t)json_object_get_string_len(
		    json_object_array_get_idx(list, n - 1 - kept));
		if (bytes > LOG_BYTES && kept > 0)
			break;
	}
	return kept;
}

/* The old lines and the new ones, of which the last. */
static struct json_object *
joined_log(const char *old, const struct agent_report *r)
{
	struct json_object *list = old != NULL ? json_tokener_parse(old) : NULL;
	size_t i, n, kept;

	if (list == NULL)
		list = json_object_new_array();
	for (i = r->n_log > LOG_LINES ? r->n_log - LOG_LINES : 0;
	     list != NULL && i < r->n_log; i++)
		(void)json_object_array_add(
		    list, json_object_new_string(r->log[i]));
	n = list != NULL ? json_object_array_length(list) : 0;
	kept = kept_lines(list, n);
	if (kept < n)
		(void)json_object_array_del_idx(list, 0, n - kept);
	return list;
}

static enum err
put_log(struct db_conn *c, const struct putting *p)
{
	struct json_object *list = NULL;
	bool repeated = false;
	struct db_stmt *s;
	enum err e;

	if (p->r->n_log == 0)
		return ERR_OK;
	e = db_query(c, &s, sql[SQL_LOG], "tt", p->name, p->r->key);
	if (e == ERR_OK) {
		repeated = db_int(s, 1) != 0;
		if (!repeated)
			list = joined_log(db_text(s, 0, NULL), p->r);
		db_end(s);
	} else if (e == ERR_NOTFOUND) {
		list = joined_log(NULL, p->r);
	} else {
		return e;
	}
	if (repeated)
		return ERR_OK;
	if (list == NULL)
		return ERR_NOMEM;
	e = db_exec(c, NULL, sql[SQL_SET_LOG], "ttt", p->name,
	    json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN),
	    p->r->key);
	(void)json_object_put(list);
	return e;
}

/* Whether the agent is known, and whether it is in the state that it tells. */
static enum err
look_for_state(
    struct db_conn *c, const struct putting *p, bool *known, bool *same)
{
	const struct agent_text_value *t = &p->r->texts[AGENT_STATE];
	struct db_stmt *s;
	const char *state;
	size_t len;
	enum err e;

	*same = false;
	e = db_query(c, &s, sql[SQL_STATE], "t", p->name);
	*known = e == ERR_OK;
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	state = db_text(s, 0, &len);
	*same = t->p != NULL && state != NULL && len == t->len &&
		memcmp(state, t->p, len) == 0;
	db_end(s);
	return ERR_OK;
}

/* The journal has the begin of an agent and each change of its state. */
static enum err
note_state(struct db_conn *c, struct putting *p, bool known, bool same)
{
	const struct agent_text_value *t = &p->r->texts[AGENT_STATE];
	const struct journal_item item = {"state", t->p, 0, t->len};

	if (known && (t->p == NULL || same))
		return ERR_OK;
	p->new_state = t->p != NULL;
	return journal_add(c, known ? "agent.state" : "agent.created", p->name,
	    &item, t->p != NULL);
}

static enum err
put_change(struct db_conn *c, void *arg)
{
	struct putting *p = arg;
	const struct agent_text_value *t = p->r->texts;
	bool known, same, change;
	struct id job;
	enum err e;

	if ((e = admit(c, p)) != ERR_OK ||
	    (e = look_for_state(c, p, &known, &same)) != ERR_OK ||
	    (e = queues_change(c, p, &change)) != ERR_OK)
		return e;
	e = db_exec(c, NULL, sql[SQL_PUT], "tsssssssi", p->name,
	    t[AGENT_STATE].p, t[AGENT_STATE].len, t[AGENT_COMMENT].p,
	    t[AGENT_COMMENT].len, t[AGENT_IDENTIFIER].p,
	    t[AGENT_IDENTIFIER].len, t[AGENT_JOB_ID].p, t[AGENT_JOB_ID].len,
	    t[AGENT_LOCATION].p, t[AGENT_LOCATION].len,
	    t[AGENT_PROVISION_TYPE].p, t[AGENT_PROVISION_TYPE].len,
	    p->r->queues.p, p->r->queues.len, p->now);
	if (e == ERR_OK && change)
		e = put_queues(c, p);
	/* To say that it works on a job is a sign of the job's start. */
	if (e == ERR_OK && t[AGENT_JOB_ID].len > 0 &&
	    id_parse(t[AGENT_JOB_ID].p, t[AGENT_JOB_ID].len, &job))
		e = handout_sign(c, job.text, NULL);
	/* Of another's job it may say what it likes. */
	if (e == ERR_NOTFOUND)
		e = ERR_OK;
	if (e == ERR_OK)
		e = note_state(c, p, known, same);
	return e == ERR_OK ? put_log(c, p) : e;
}

/* Whether the store says all of it already, and when it was said stands there well
 * enough: not ahead of the clock, and not so long ago that the agent could soon be
 * forgotten if the map of times were lost. */
static enum err
is_same(struct svc *s, const struct putting *p, bool *same)
{
	const struct agent_text_value *t = p->r->texts;
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e;

	e = db_query(c, &st, sql[SQL_SAME], "tsssssssii", p->name,
	    t[AGENT_STATE].p, t[AGENT_STATE].len, t[AGENT_COMMENT].p,
	    t[AGENT_COMMENT].len, t[AGENT_IDENTIFIER].p,
	    t[AGENT_IDENTIFIER].len, t[AGENT_JOB_ID].p, t[AGENT_JOB_ID].len,
	    t[AGENT_LOCATION].p, t[AGENT_LOCATION].len,
	    t[AGENT_PROVISION_TYPE].p, t[AGENT_PROVISION_TYPE].len,
	    p->r->queues.p, p->r->queues.len, seen_fresh(p->now, p->max_age),
	    p->now + SEEN_AHEAD_MS);
	*same = e == ERR_OK;
	if (e == ERR_OK)
		db_end(st);
	db_read_end(s->db, c);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
agent_is_off(struct svc *s, const char *name, bool *off)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e;

	e = db_query(c, &st, sql[SQL_OFF], "t", name);
	if (e == ERR_OK)
		db_end(st);
	db_read_end(s->db, c);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	*off = e == ERR_OK;
	return ERR_OK;
}

enum err
agent_put(struct svc *s, const char *name, const struct agent_report *r)
{
	struct putting p = {
	    .name = name,
	    .r = r,
	    .now = clock_now_ms(),
	    .max = conf_int(s->conf, CONF_MAX_AGENTS),
	    .max_age = conf_int(s->conf, CONF_AGENT_MAX_AGE) * 1000,
	};
	const struct agent_text_value *job = &r->texts[AGENT_JOB_ID];
	bool same = false;
	struct id id;
	enum err e = ERR_OK;

	if (s->seen != NULL && r->n_log == 0 &&
	    (e = is_same(s, &p, &same)) != ERR_OK)
		return e;
	if (!same)
		e = db_write(s->db, put_change, &p);
	else if (job->len > 0 && id_parse(job->p, job->len, &id) &&
		 (e = handout_note_sign(s, &id)) == ERR_NOTFOUND)
		e = ERR_OK;
	/* Whoever hears it looks whether the agent is to stop. */
	if (e == ERR_OK && p.new_state)
		wake_say(s->wake, WAKE_AGENT, name);
	if (e == ERR_OK)
		seen_note(s->seen, SEEN_AGENT, name, p.now);
	/* Whether it asks for work after that is of use then. */
	if (e == ERR_OK && job->len > 0)
		seen_keep(s->seen, SEEN_POLL, name, p.now);
	return e;
}
