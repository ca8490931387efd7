/*
 * Fragments into files and rows, and back.
 *
 * The store knows how many bytes of a file count.  A fragment is written behind those,
 * synced, and then its row is committed together with the new count: a crash in between
 * leaves bytes that do not count and that the next fragment overwrites.  Whoever
 * appends has the file locked for all of that, so fragments never overlap, and the
 * store's own lock is held for the commit alone.
 */

#include "joblog.h"

#include <string.h>

#include "clock.h"
#include "field.h"
#include "handout.h"
#include "log.h"

/* How often an append starts over when the log was forgotten under its hands. */
#define TRIES 100
#define REPEATS 8
#define COMPARED ((size_t)8192)

enum {
	SQL_LOG,
	SQL_SAME,
	SQL_GROW,
	SQL_DROP_FRAGMENTS,
	SQL_DROP,
	SQL_BEGIN,
	SQL_ADD,
	SQL_FORGET_FRAGMENTS,
	SQL_FORGET
};

static const char *const sql[] = {
    [SQL_LOG] = "SELECT size, last FROM job_log " JOBLOG_ONE,
    [SQL_SAME] = "SELECT start FROM job_fragment " JOBLOG_ONE
		 "AND number = $4 AND length = $5 ORDER BY start DESC LIMIT 8",
    [SQL_GROW] = "UPDATE job_log SET size = $5, updated_at = $7, "
		 "ordered = CASE WHEN $6 < last THEN 0 ELSE ordered END, "
		 "last = CASE WHEN $6 > last THEN $6 ELSE last END " JOBLOG_ONE
		 "AND size = $4",
    [SQL_DROP_FRAGMENTS] = "DELETE FROM job_fragment " JOBLOG_ONE,
    [SQL_DROP] = "DELETE FROM job_log " JOBLOG_ONE,
    [SQL_BEGIN] = "INSERT INTO job_log (job, type, phase, size, last, "
		  "ordered, updated_at) VALUES ($1, $2, $3, $4, $5, 1, $6)",
    /* A fragment may stand where an empty one of the same number does. */
    [SQL_ADD] = "INSERT INTO job_fragment (job, type, phase, number, start, "
		"length, at) VALUES ($1, $2, $3, $4, $5, $6, $7) "
		"ON CONFLICT (job, type, phase, number, start) DO UPDATE "
		"SET length = excluded.length, at = excluded.at",
    [SQL_FORGET_FRAGMENTS] = "DELETE FROM job_fragment WHERE job = $1",
    [SQL_FORGET] = "DELETE FROM job_log WHERE job = $1",
};

_Static_assert(BLOB_LOGS == JOBLOG_TYPE__MAX * PHASE__MAX,
    "a file for each type and phase");
_Static_assert(REPEATS == 8, "as SQL_SAME says");

static const char *const types[JOBLOG_TYPE__MAX] = {
    [JOBLOG_OUTPUT] = "output",
    [JOBLOG_SERIAL] = "serial",
};

const char *
joblog_type_name(enum joblog_type t)
{
	return types[t];
}

enum blob_name
joblog_file(enum joblog_type t, enum phase p)
{
	return BLOB_LOG + (unsigned)t * PHASE__MAX + (unsigned)p;
}

static const char *
read_phase(struct js_doc *doc, const struct js_member *m, enum phase *out)
{
	const char *s = NULL, *why;
	size_t len = 0;

	if ((why = field_string(doc, m, &s, &len)) != NULL)
		return why;
	*out = phase_of(s, len);
	return *out == PHASE__MAX ? PHASE_UNKNOWN : NULL;
}

static const char *
read_text(const struct js_member *m)
{
	if (m->kind == JS_NULL)
		return FIELD_NULL;
	return m->kind != JS_STRING ? FIELD_NOT_STRING : NULL;
}

enum err
joblog_fragment_read(
    struct js_doc *doc, struct faults *f, struct joblog_fragment *out)
{
	static const char *const keys[] = {
	    "fragment_number", "timestamp", "phase", "log_data"};
	const struct js_member *m, *text = NULL;
	const char *why;
	size_t i, k;

	for (i = 0; i < doc->n_members; i++) {
		for (k = 0; k < 4; k++)
			if (strcmp(keys[k], doc->members[i].key) == 0)
				break;
		if (k == 4)
			faults_add(f, FIELD_UNKNOWN, doc->members[i].key, NULL);
	}
	for (k = 0; k < 4; k++) {
		if ((m = js_find(doc, keys[k])) == NULL)
			why = FIELD_MISSING;
		else if (k == 0)
			why = field_int(doc, m, &out->number);
		else if (k == 1)
			why = field_datetime(doc, m, &out->at);
		else if (k == 2)
			why = read_phase(doc, m, &out->phase);
		else
			why = read_text(text = m);
		if (why != NULL)
			faults_add(f, why, keys[k], NULL);
	}
	if (faults_any(f))
		return ERR_INVALID;
	out->text = js_string_in_place(text, &out->len);
	return ERR_OK;
}

struct appending {
	const struct id *id;
	const char *type, *phase;
	const struct joblog_fragment *fragment;
	int64_t now;
	bool known; /* the store knows the log, and the file is whole */
	int64_t size; /* bytes that count; the fragment goes there */
};

static enum err
append_change(struct db_conn *c, void *arg)
{
	const struct appending *x = arg;
	const struct joblog_fragment *g = x->fragment;
	int64_t end = x->size + (int64_t)g->len, n = 1;
	enum err e;

	if (x->known) {
		e = db_exec(c, &n, sql[SQL_GROW], "tttiiii", x->id->text,
		    x->type, x->phase, x->size, end, g->number, x->now);
	} else {
		e = db_exec(c, NULL, sql[SQL_DROP_FRAGMENTS], "ttt",
		    x->id->text, x->type, x->phase);
		if (e == ERR_OK)
			e = db_exec(c, NULL, sql[SQL_DROP], "ttt", x->id->text,
			    x->type, x->phase);
		if (e == ERR_OK)
			e = db_exec(c, NULL, sql[SQL_BEGIN], "tttiii",
			    x->id->text, x->type, x->phase, end, g->number,
			    x->now);
	}
	/* A new run of the job has begun since we looked. */
	if (e == ERR_OK && n == 0)
		return ERR_CONFLICT;
	if (e == ERR_OK)
		e = db_exec(c, NULL, sql[SQL_ADD], "tttiiii", x->id->text,
		    x->type, x->phase, g->number, x->size, (int64_t)g->len,
		    g->at);
	/* A log is a sign of the job's start. */
	return e == ERR_OK ? handout_sign(c, x->id->text, NULL) : e;
}

/* True if the text of the fragment is what stands at start. */
static bool
same_text(
    const struct blob_log *file, int64_t start, const struct joblog_fragment *g)
{
	char buf[COMPARED];
	size_t done, part;

	for (done = 0; done < g->len; done += part) {
		part = g->len - done < COMPARED ? g->len - done : COMPARED;
		if (blob_log_read(file, start + (int64_t)done, buf, part) !=
			ERR_OK ||
		    memcmp(buf, g->text + done, part) != 0)
			return false;
	}
	return true;
}

/* What the store knows of a log whose file is locked. */
struct known {
	int64_t last;
	int64_t
	    starts[REPEATS]; /* of fragments of the same number and length */
	size_t n;
};

static enum err
find_same(struct db_conn *c, const struct appending *x, struct known *k)
{
	const struct joblog_fragment *g = x->fragment;
	struct db_stmt *st;
	enum err e;

	for (e = db_query(c, &st, sql[SQL_SAME], "tttii", x->id->text, x->type,
		 x->phase, g->number, (int64_t)g->len);
	     e == ERR_OK; e = db_next(st))
		k->starts[k->n++] = db_int(st, 0);
	if (st != NULL)
		db_end(st);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
look_up(struct svc *s, struct appending *x, const struct blob_log *file,
    struct known *k)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e;

	k->n = 0;
	x->known = false;
	x->size = 0;
	e = db_query(
	    c, &st, sql[SQL_LOG], "ttt", x->id->text, x->type, x->phase);
	if (e == ERR_OK) {
		x->size = db_int(st, 0);
		k->last = db_int(st, 1);
		db_end(st);
		x->known = x->size <= file->size;
		if (x->known && x->fragment->number <= k->last)
			e = find_same(c, x, k);
	}
	db_read_end(s->db, c);
	if (x->known || e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	log_warn("log.%s.%s of %s has been deleted or cut; it begins anew",
	    x->type, x->phase, x->id->text);
	x->size = 0;
	return ERR_OK;
}

/* ERR_CONFLICT: once more, from the opening of the file on. */
static enum err
append_locked(struct svc *s, struct appending *x, enum blob_name name,
    struct blob_log *file)
{
	const struct joblog_fragment *g = x->fragment;
	struct known k;
	enum err e;

	if ((e = look_up(s, x, file, &k)) != ERR_OK)
		return e;
	while (k.n > 0)
		if (same_text(file, k.starts[--k.n], g))
			return ERR_OK;
	/* What stands in a file that the store does not know is of a former run or
	 * of a crash.  Somebody may be reading it: leave it to him. */
	if (!x->known && file->size > 0) {
		e = blob_log_remove(s->blob, x->id, name);
		return e == ERR_OK ? ERR_CONFLICT : e;
	}
	e = blob_log_write(
	    s->blob, x->id, name, file, x->size, g->text, g->len);
	if (e == ERR_OK)
		e = db_write(s->db, append_change, x);
	if (e == ERR_OK && !blob_log_stands(file)) {
		log_error("log.%s.%s of %s has been deleted amid an append",
		    x->type, x->phase, x->id->text);
		return ERR_IO;
	}
	return e;
}

enum err
joblog_append(struct svc *s, const struct id *id, enum joblog_type t,
    const struct joblog_fragment *fragment)
{
	enum blob_name name = joblog_file(t, fragment->phase);
	struct appending x = {
	    .id = id,
	    .type = types[t],
	    .phase = phase_name(fragment->phase),
	    .fragment = fragment,
	    .now = clock_now_ms(),
	};
	struct blob_log file;
	unsigned i;
	enum err e;

	for (i = 0; i < TRIES; i++) {
		e = blob_log_lock(s->blob, id, name, &file);
		if (e != ERR_OK)
			return e;
		e = append_locked(s, &x, name, &file);
		blob_log_close(&file);
		if (e != ERR_CONFLICT)
			return e;
	}
	return ERR_BUSY;
}

enum err
joblog_forget(struct db_conn *c, const struct id *id)
{
	enum err e;

	e = db_exec(c, NULL, sql[SQL_FORGET_FRAGMENTS], "t", id->text);
	return e == ERR_OK ? db_exec(c, NULL, sql[SQL_FORGET], "t", id->text)
			   : e;
}
