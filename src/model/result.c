/* Reports into columns, seed results into files, and the view of both. */

#include "result.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "column.h"
#include "field.h"
#include "handout.h"
#include "job.h"
#include "journal.h"
#include "js_escape.h"
#include "phase.h"

/* A file of more bytes is not read, but left to the web server. */
#define SMALL_MAX ((size_t)128 * 1024)

enum { SQL_REPORT, SQL_SEED, SQL_KIND, SQL_VIEW };

#define FINAL "('cancelled', 'complete', 'completed')"

/* A state posted to a job that has ended, or "waiting", changes no state; but where the
 * server ended it for want of a word, its end is still accepted. */
#define KEEP_STATE                                                             \
	"(state IN " FINAL " AND NOT (late = 1 AND $2 IN " FINAL ")) "         \
	"OR CAST($2 AS TEXT) IS NULL OR $2 = 'waiting'"

static const char *const sql[] = {
    [SQL_REPORT] = "UPDATE job SET seed = 0, "
		   "ended_at = CASE WHEN ended_at IS NULL AND $2 IN " FINAL
		   " THEN $5 ELSE ended_at END, "
		   "reason = CASE WHEN late = 1 AND $2 IN " FINAL
		   " THEN NULL ELSE reason END, "
		   "late = CASE WHEN $2 IN " FINAL " THEN 0 ELSE late END, "
		   "state = CASE WHEN " KEEP_STATE " THEN state ELSE $2 END, "
		   "status = coalesce($3, status), "
		   "device_info = coalesce($4, device_info) WHERE id = $1",
    [SQL_SEED] = "UPDATE job SET result_file = 1, "
		 "ended_at = coalesce(ended_at, $3), "
		 "state = CASE WHEN state IN " FINAL " AND late = 0 "
		 "THEN state ELSE $2 END, "
		 "reason = CASE WHEN late = 1 THEN NULL ELSE reason END, "
		 "late = 0 WHERE id = $1",
    [SQL_KIND] = "SELECT seed FROM job WHERE id = $1",
    [SQL_VIEW] = ("SELECT seed, result_file, state, status, device_info "
		  "FROM job WHERE id = $1"),
};

static bool
is_report_field(const char *key)
{
	return strcmp(key, "status") == 0 || strcmp(key, "device_info") == 0 ||
	       strcmp(key, "job_state") == 0;
}

bool
result_is_report(const struct js_doc *doc)
{
	size_t i;

	if (doc->kind != JS_OBJECT)
		return false;
	for (i = 0; i < doc->n_members; i++)
		if (!is_report_field(doc->members[i].key))
			return false;
	return true;
}

/* status: exit codes by phase, the last of each, written anew as plain integers. */
static enum err
read_status(struct js_doc *doc, const struct js_member *m, struct faults *f,
    struct result_report *out)
{
	int64_t codes[PHASE__MAX] = {0};
	bool given[PHASE__MAX] = {false};
	struct js_doc in;
	struct buf b;
	const char *why;
	enum phase phase;
	size_t i;

	if ((why = field_object(doc, m, &in)) != NULL) {
		faults_add(f, why, m->key, NULL);
		return ERR_OK;
	}
	for (i = 0; i < in.n_members; i++) {
		phase = phase_of(in.members[i].key, in.members[i].key_len);
		if (phase == PHASE__MAX) {
			faults_add(f, PHASE_UNKNOWN, "status",
			    in.members[i].key, "key", NULL);
			continue;
		}
		given[phase] = true;
		why = field_int(&in, &in.members[i], &codes[phase]);
		if (why != NULL)
			faults_add(
			    f, why, "status", in.members[i].key, "value", NULL);
	}
	buf_init(&b, doc->arena, 256);
	buf_char(&b, '{');
	for (phase = PHASE_SETUP; phase < PHASE__MAX; phase++)
		if (given[phase])
			buf_printf(&b, "%s\"%s\":%lld", b.len > 1 ? "," : "",
			    phase_name(phase), (long long)codes[phase]);
	buf_char(&b, '}');
	out->status = b.p;
	out->status_len = b.len;
	return buf_ok(&b) ? ERR_OK : ERR_NOMEM;
}

enum err
result_report_read(
    struct js_doc *doc, struct faults *f, struct result_report *out)
{
	const struct js_member *m;
	struct js_doc in;
	const char *why;
	enum err e = ERR_OK;
	size_t i;

	*out = (struct result_report){.state = NULL};
	for (i = 0; i < doc->n_members; i++)
		if (!is_report_field(doc->members[i].key))
			faults_add(f, FIELD_UNKNOWN, doc->members[i].key, NULL);
	if ((m = js_find(doc, "status")) != NULL)
		e = read_status(doc, m, f, out);
	if ((m = js_find(doc, "device_info")) != NULL) {
		if ((why = field_object(doc, m, &in)) != NULL)
			faults_add(f, why, m->key, NULL);
		out->device_info = m->value;
	}
	if ((m = js_find(doc, "job_state")) != NULL) {
		why = field_string(doc, m, &out->state, &out->state_len);
		if (why != NULL)
			faults_add(f, why, m->key, NULL);
	}
	if (e == ERR_OK && faults_any(f))
		e = ERR_INVALID;
	return e;
}

enum err
result_target(struct svc *s, const struct id *id, enum result_target *out)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e;

	*out = RESULT_NO_JOB;
	e = db_query(c, &st, sql[SQL_KIND], "t", id->text);
	if (e == ERR_OK) {
		*out =
		    db_int(st, 0) != 0 ? RESULT_SEED_JOB : RESULT_ORDINARY_JOB;
		db_end(st);
	}
	db_read_end(s->db, c);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static bool
is_word(const char *word, const char *state, size_t len)
{
	return strlen(word) == len && memcmp(word, state, len) == 0;
}

static bool
is_final(const char *state, size_t len)
{
	return is_word(JOB_CANCELLED, state, len) ||
	       is_word(JOB_COMPLETE, state, len) ||
	       is_word("completed", state, len);
}

/* As far as the former state is known, which is longer than all that are usual. */
static bool
is_former(const struct handout_state *was, const char *state, size_t len)
{
	return was->state_len == len &&
	       memcmp(was->state, state,
		   len < sizeof(was->state) ? len : sizeof(was->state)) == 0;
}

/* What became of a state that was posted. */
static enum err
note_state(struct db_conn *c, const char *id, const struct handout_state *was,
    const char *state, size_t len)
{
	const struct journal_item item = {"state", state, 0, len};
	const char *kind = "job.state";

	if (is_former(was, state, len) && !was->ended)
		return ERR_OK;
	if (is_word(JOB_WAITING, state, len) ||
	    (was->ended && !(was->late && is_final(state, len))))
		kind = "job.ignored";
	else if (is_final(state, len))
		kind = "job.ended";
	return journal_add(c, kind, id, &item, 1);
}

struct reporting {
	const struct id *id;
	const struct result_report *r;
	int64_t now;
};

static enum err
report_change(struct db_conn *c, void *arg)
{
	const struct reporting *x = arg;
	const struct result_report *r = x->r;
	const char *device = r->device_info.p;
	struct handout_state before;
	enum err e;

	if ((e = handout_sign(c, x->id->text, &before)) != ERR_OK)
		return e;
	e = db_exec(c, NULL, sql[SQL_REPORT], "tsssi", x->id->text, r->state,
	    r->state_len, r->status, r->status_len, device, r->device_info.len,
	    x->now);
	if (e != ERR_OK || r->state == NULL || !before.known)
		return e;
	return note_state(c, x->id->text, &before, r->state, r->state_len);
}

enum err
result_report_put(
    struct svc *s, const struct id *id, const struct result_report *r)
{
	struct reporting x = {.id = id, .r = r, .now = clock_now_ms()};

	if (r->state == NULL && r->status == NULL && r->device_info.p == NULL)
		return ERR_OK;
	return db_write(s->db, report_change, &x);
}

struct seeding {
	const struct id *id;
	const char *state;
	size_t state_len;
	int64_t now;
};

static enum err
seed_change(struct db_conn *c, void *arg)
{
	const struct seeding *x = arg;
	struct handout_state before;
	enum err e;

	if ((e = handout_sign(c, x->id->text, &before)) != ERR_OK)
		return e;
	e = db_exec(c, NULL, sql[SQL_SEED], "tsi", x->id->text, x->state,
	    x->state_len, x->now);
	if (e != ERR_OK || !before.known)
		return e;
	return journal_add(c,
	    before.ended && !before.late ? "job.ignored" : "job.ended",
	    x->id->text, NULL, 0);
}

enum err
result_seed_put(struct svc *s, const struct id *id, struct js_doc *doc,
    const char *json, size_t len, bool has_job)
{
	struct seeding x = {
	    .id = id,
	    .state = JOB_COMPLETE,
	    .state_len = strlen(JOB_COMPLETE),
	    .now = clock_now_ms(),
	};
	const struct js_member *m = NULL;
	const char *state;
	size_t n;
	enum err e;

	/* The file first: a row never tells of a file that is not there. */
	e = blob_put(s->blob, id, BLOB_RESULT, json, len);
	if (e != ERR_OK || !has_job)
		return e;
	if (doc->kind == JS_OBJECT)
		m = js_find(doc, "job_state");
	if (m != NULL && field_string(doc, m, &state, &n) == NULL && n > 0 &&
	    !is_word(JOB_WAITING, state, n)) {
		x.state = state;
		x.state_len = n;
	}
	return db_write(s->db, seed_change, &x);
}

/* The exit codes of a status column as "<phase>_status" members. */
static enum err
put_status(struct buf *b, const char *text, size_t len)
{
	struct js_fault fault;
	struct js_doc status;
	const struct js_member *m;
	enum phase p;

	if (js_scan(&status, b->arena, text, len, &fault) != ERR_OK)
		return ERR_NOMEM;
	for (p = PHASE_SETUP; p < PHASE__MAX; p++)
		if ((m = js_find(&status, phase_name(p))) != NULL)
			buf_printf(b, ",\"%s_status\":%.*s", phase_name(p),
			    (int)m->value.len, m->value.p);
	return ERR_OK;
}

/* Today's view of an ordinary job, but for its logs and its end. */
static enum err
view(struct buf *b, struct db_stmt *s)
{
	const char *text;
	enum err e = ERR_OK;
	size_t len;

	buf_char(b, '{');
	if ((text = db_text(s, 4, &len)) != NULL) {
		buf_str(b, "\"device_info\":");
		buf_add(b, text, len);
		buf_char(b, ',');
	}
	text = db_text(s, 2, &len);
	buf_str(b, "\"job_state\":");
	js_put_string(b, text, len);
	if ((text = db_text(s, 3, &len)) != NULL)
		e = put_status(b, text, len);
	return e == ERR_OK && !buf_ok(b) ? ERR_NOMEM : e;
}

enum shown { SHOW_NOTHING, SHOW_FILE, SHOW_VIEW };

/* What there is to show, and the view and which logs it has if that is it. */
static enum err
look_up(struct svc *s, const struct id *id, struct buf *b,
    struct result_shown *what, enum shown *out)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e;

	*out = SHOW_FILE;
	e = db_query(c, &st, sql[SQL_VIEW], "t", id->text);
	if (e == ERR_OK) {
		if (db_int(st, 1) == 0)
			*out = db_int(st, 0) != 0 ? SHOW_NOTHING : SHOW_VIEW;
		else
			what->cancelled = column_is(st, 2, JOB_CANCELLED);
		if (*out == SHOW_VIEW)
			e = view(b, st);
		db_end(st);
		if (e == ERR_OK && *out == SHOW_VIEW)
			e = joblog_find(c, id, &what->logs);
	}
	db_read_end(s->db, c);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
show_view(struct svc *s, struct buf *b, struct result_shown *out)
{
	static const struct joblog_query all = {
	    JOBLOG_TYPE__MAX, PHASE__MAX, INT64_MIN, INT64_MIN};
	enum err e = ERR_OK;

	if (out->logs.n > 0 && (e = joblog_open(s, &out->logs, &all)) != ERR_OK)
		return e;
	if (out->logs.n == 0)
		buf_str(b, "}\n");
	out->json = b->p;
	out->len = b->len;
	if (buf_ok(b))
		return ERR_OK;
	joblog_close(&out->logs);
	return ERR_NOMEM;
}

enum err
result_read(struct svc *s, struct arena *a, const struct id *id,
    struct result_shown *out)
{
	enum shown shown;
	struct buf b;
	enum err e;

	out->file = NULL;
	out->cancelled = false;
	out->logs.n = 0;
	buf_init(&b, a, 256);
	e = look_up(s, id, &b, out, &shown);
	if (e != ERR_OK)
		return e;
	if (shown == SHOW_NOTHING)
		return ERR_NOTFOUND;
	if (shown == SHOW_VIEW)
		return show_view(s, &b, out);
	e = blob_get(
	    s->blob, id, BLOB_RESULT, a, SMALL_MAX, &out->json, &out->len);
	if (e != ERR_TOOBIG)
		return e;
	out->file = blob_path(a, id, BLOB_RESULT);
	return out->file != NULL ? ERR_OK : ERR_NOMEM;
}
