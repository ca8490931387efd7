/* How provisioning ended: the last outcomes of each agent, and its streak. */

#include <string.h>

#include "agent.h"
#include "clock.h"
#include "field.h"

#define KEPT 100

enum { SQL_STREAK, SQL_SET_STREAK, SQL_LAST, SQL_ADD, SQL_DROP };

static const char *const sql[] = {
    [SQL_STREAK] = "SELECT streak_type, streak_count FROM agent "
		   "WHERE name = $1",
    [SQL_SET_STREAK] = "UPDATE agent SET streak_type = $2, "
		       "streak_count = $3 WHERE name = $1",
    [SQL_LAST] = "SELECT max(seq) FROM provision_log WHERE agent = $1",
    [SQL_ADD] = "INSERT INTO provision_log "
		"(agent, seq, job_id, exit_code, detail, at) "
		"VALUES ($1, $2, $3, $4, $5, $6)",
    [SQL_DROP] = "DELETE FROM provision_log WHERE agent = $1 AND seq <= $2",
};

static bool
is_field(const char *key)
{
	return strcmp(key, "job_id") == 0 || strcmp(key, "exit_code") == 0 ||
	       strcmp(key, "detail") == 0;
}

enum err
agent_outcome_read(
    struct js_doc *doc, struct faults *f, struct agent_outcome *out)
{
	const struct js_member *job = js_find(doc, "job_id");
	const struct js_member *code = js_find(doc, "exit_code");
	const struct js_member *detail = js_find(doc, "detail");
	const char *why;
	size_t i;

	*out = (struct agent_outcome){.detail = NULL};
	for (i = 0; i < doc->n_members; i++)
		if (!is_field(doc->members[i].key))
			faults_add(f, FIELD_UNKNOWN, doc->members[i].key, NULL);
	why = job == NULL
		  ? FIELD_MISSING
		  : field_string(doc, job, &out->job_id, &out->job_id_len);
	if (why != NULL)
		faults_add(f, why, "job_id", NULL);
	why = code == NULL ? FIELD_MISSING
			   : field_int(doc, code, &out->exit_code);
	if (why != NULL)
		faults_add(f, why, "exit_code", NULL);
	why = detail == NULL
		  ? NULL
		  : field_string(doc, detail, &out->detail, &out->detail_len);
	if (why != NULL)
		faults_add(f, why, "detail", NULL);
	return faults_any(f) ? ERR_INVALID : ERR_OK;
}

struct noting {
	const char *name;
	const struct agent_outcome *o;
	int64_t now;
};

static enum err
count_streak(struct db_conn *c, const struct noting *n)
{
	const char *type = n->o->exit_code == 0 ? "pass" : "fail", *old;
	int64_t count = 1;
	struct db_stmt *s;
	enum err e;

	e = db_query(c, &s, sql[SQL_STREAK], "t", n->name);
	if (e != ERR_OK)
		return e;
	old = db_text(s, 0, NULL);
	if (old != NULL && strcmp(old, type) == 0)
		count += db_int(s, 1);
	db_end(s);
	return db_exec(
	    c, NULL, sql[SQL_SET_STREAK], "tti", n->name, type, count);
}

static enum err
note_change(struct db_conn *c, void *arg)
{
	const struct noting *n = arg;
	struct db_stmt *s;
	int64_t seq;
	enum err e;

	if ((e = count_streak(c, n)) != ERR_OK ||
	    (e = db_query(c, &s, sql[SQL_LAST], "t", n->name)) != ERR_OK)
		return e;
	seq = db_int(s, 0) + 1;
	db_end(s);
	e = db_exec(c, NULL, sql[SQL_ADD], "tisisi", n->name, seq, n->o->job_id,
	    n->o->job_id_len, n->o->exit_code, n->o->detail, n->o->detail_len,
	    n->now);
	return e == ERR_OK
		   ? db_exec(c, NULL, sql[SQL_DROP], "ti", n->name, seq - KEPT)
		   : e;
}

enum err
agent_outcome_put(
    struct svc *s, const char *name, const struct agent_outcome *o)
{
	struct noting n = {.name = name, .o = o, .now = clock_now_ms()};

	return db_write(s->db, note_change, &n);
}
