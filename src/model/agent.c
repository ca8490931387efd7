/* Agents as rows. */

#include "agent.h"

#include <json-c/json.h>
#include <string.h>

#include "clock.h"
#include "field.h"
#include "queue.h"
#include "secret.h"

#define LOG_LINES 100
#define LOG_BYTES 262144
#define QUEUES_MAX 1000

enum {
	SQL_KNOWN,
	SQL_COUNT,
	SQL_PUT,
	SQL_FORGET_QUEUES,
	SQL_ADD_QUEUE,
	SQL_LOG,
	SQL_SET_LOG,
	SQL_READ
};

static const char *const sql[] = {
    [SQL_KNOWN] = "SELECT 1 FROM agent WHERE name = $1",
    [SQL_COUNT] = "SELECT count(*) FROM agent",
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
    [SQL_FORGET_QUEUES] = "DELETE FROM agent_queue WHERE agent = $1",
    [SQL_ADD_QUEUE] = "INSERT INTO agent_queue (queue, agent) "
		      "VALUES ($1, $2) ON CONFLICT DO NOTHING",
    [SQL_LOG] = "SELECT log FROM agent WHERE name = $1",
    [SQL_SET_LOG] = "UPDATE agent SET log = $2 WHERE name = $1",
    [SQL_READ] = "SELECT comment, identifier, job_id, location, name, "
		 "provision_type, queues, state, updated_at "
		 "FROM agent WHERE name = $1",
};

static const char *const text_names[AGENT_TEXT__MAX] = {
    [AGENT_STATE] = "state",
    [AGENT_COMMENT] = "comment",
    [AGENT_IDENTIFIER] = "identifier",
    [AGENT_JOB_ID] = "job_id",
    [AGENT_LOCATION] = "location",
    [AGENT_PROVISION_TYPE] = "provision_type",
};

static void
read_queues(struct js_doc *doc, const struct js_member *m, struct faults *f,
    struct agent_report *out)
{
	const char *why = NULL;
	size_t i;

	if (!field_strings(
		doc, m, m->key, f, &out->queue_names, &out->n_queues))
		return;
	if (out->n_queues > QUEUES_MAX)
		why = "Longer than maximum length 1000.";
	for (i = 0; i < out->n_queues && why == NULL; i++)
		if (strlen(out->queue_names[i]) > NAME_LEN_MAX)
			why = "Longer than maximum length 200.";
	if (why != NULL)
		faults_add(f, why, m->key, NULL);
	out->queues = m->value;
}

static void
read_text(struct js_doc *doc, const struct js_member *m, struct faults *f,
    struct agent_report *out)
{
	struct agent_text_value *v;
	const char *why;
	size_t i;

	for (i = 0; i < AGENT_TEXT__MAX; i++)
		if (strcmp(text_names[i], m->key) == 0)
			break;
	if (i == AGENT_TEXT__MAX) {
		faults_add(f, FIELD_UNKNOWN, m->key, NULL);
		return;
	}
	v = &out->texts[i];
	why = field_string(doc, m, &v->p, &v->len);
	if (why != NULL)
		faults_add(f, why, m->key, NULL);
}

enum err
agent_report_read(
    struct js_doc *doc, struct faults *f, struct agent_report *out)
{
	const struct js_member *m;
	size_t i;

	*out = (struct agent_report){.n_log = 0};
	for (i = 0; i < doc->n_members; i++) {
		m = &doc->members[i];
		if (strcmp(m->key, "queues") == 0)
			read_queues(doc, m, f, out);
		else if (strcmp(m->key, "log") == 0)
			(void)field_strings(
			    doc, m, m->key, f, &out->log, &out->n_log);
		else
			read_text(doc, m, f, out);
	}
	return faults_any(f) ? ERR_INVALID : ERR_OK;
}

struct putting {
	const char *name;
	const struct agent_report *r;
	int64_t now;
	int64_t max;
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

static enum err
put_queues(struct db_conn *c, const struct putting *p)
{
	size_t i;
	enum err e;

	if (p->r->queues.p == NULL)
		return ERR_OK;
	e = db_exec(c, NULL, sql[SQL_FORGET_QUEUES], "t", p->name);
	for (i = 0; i < p->r->n_queues && e == ERR_OK; i++)
		e = db_exec(c, NULL, sql[SQL_ADD_QUEUE], "tt",
		    p->r->queue_names[i], p->name);
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
	struct json_object *list;
	struct db_stmt *s;
	enum err e;

	if (p->r->n_log == 0)
		return ERR_OK;
	e = db_query(c, &s, sql[SQL_LOG], "t", p->name);
	if (e != ERR_OK)
		return e;
	list = joined_log(db_text(s, 0, NULL), p->r);
	db_end(s);
	if (list == NULL)
		return ERR_NOMEM;
	e = db_exec(c, NULL, sql[SQL_SET_LOG], "tt", p->name,
	    json_object_to_json_string_ext(list, JSON_C_TO_STRING_PLAIN));
	(void)json_object_put(list);
	return e;
}

static enum err
put_change(struct db_conn *c, void *arg)
{
	const struct putting *p = arg;
	const struct agent_text_value *t = p->r->texts;
	enum err e;

	if ((e = admit(c, p)) != ERR_OK)
		return e;
	e = db_exec(c, NULL, sql[SQL_PUT], "tsssssssi", p->name,
	    t[AGENT_STATE].p, t[AGENT_STATE].len, t[AGENT_COMMENT].p,
	    t[AGENT_COMMENT].len, t[AGENT_IDENTIFIER].p,
	    t[AGENT_IDENTIFIER].len, t[AGENT_JOB_ID].p, t[AGENT_JOB_ID].len,
	    t[AGENT_LOCATION].p, t[AGENT_LOCATION].len,
	    t[AGENT_PROVISION_TYPE].p, t[AGENT_PROVISION_TYPE].len,
	    p->r->queues.p, p->r->queues.len, p->now);
	if (e == ERR_OK)
		e = put_queues(c, p);
	/* To say that it works on a job is a sign of the job's start. */
	if (e == ERR_OK && t[AGENT_JOB_ID].len > 0)
		e = secret_spend(c, t[AGENT_JOB_ID].p);
	return e == ERR_OK ? put_log(c, p) : e;
}

enum err
agent_put(struct svc *s, const char *name, const struct agent_report *r)
{
	struct putting p = {
	    .name = name,
	    .r = r,
	    .now = clock_now_ms(),
	    .max = conf_int(s->conf, CONF_MAX_AGENTS),
	};

	return db_write(s->db, put_change, &p);
}

static void
view(struct buf *b, struct db_stmt *s)
{
	static const char *const names[] = {"comment", "identifier", "job_id",
	    "location", "name", "provision_type"};
	char time[CLOCK_TEXT_LEN];
	const char *p;
	size_t len;
	int i;

	for (i = 0; i < 6; i++) {
		if ((p = db_text(s, i, &len)) == NULL)
			continue;
		buf_printf(b, "%s\"%s\":", b->len == 0 ? "{" : ",", names[i]);
		js_put_string(b, p, len);
	}
	if ((p = db_text(s, 6, &len)) != NULL)
		buf_printf(b, ",\"queues\":%s", p);
	buf_str(b, ",\"restricted_to\":{}");
	if ((p = db_text(s, 7, &len)) != NULL) {
		buf_str(b, ",\"state\":");
		js_put_string(b, p, len);
	}
	clock_text(db_int(s, 8), time);
	buf_printf(b, ",\"updated_at\":\"%s\"}\n", time);
}

enum err
agent_read(struct svc *s, struct arena *a, const char *name, const char **json,
    size_t *len)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	struct buf b;
	enum err e;

	e = db_query(c, &st, sql[SQL_READ], "t", name);
	if (e == ERR_OK) {
		buf_init(&b, a, 512);
		view(&b, st);
		db_end(st);
		*json = b.p;
		*len = b.len;
		if (!buf_ok(&b))
			e = ERR_NOMEM;
	}
	db_read_end(s->db, c);
	return e;
}
