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
#include "log.h"

/* How often an append starts over when the log was forgotten under its hands. */
#define TRIES 100
#define REPEATS 8
#define COMPARED ((size_t)8192)

enum {
	SQL_LOGS,
	SQL_LOG,
	SQL_SAME,
	SQL_GROW,
	SQL_DROP_FRAGMENTS,
	SQL_DROP,
	SQL_BEGIN,
	SQL_ADD,
	SQL_FORGET_FRAGMENTS,
	SQL_FORGET,
	SQL_FIRST,
	SQL_SUM,
	SQL_EXTENTS
};

#define ONE_LOG "WHERE job = $1 AND type = $2 AND phase = $3 "

static const char *const sql[] = {
    [SQL_LOGS] = "SELECT type, phase, size, last, ordered FROM job_log "
		 "WHERE job = $1",
    [SQL_LOG] = "SELECT size, last FROM job_log " ONE_LOG,
    [SQL_SAME] = "SELECT start FROM job_fragment " ONE_LOG
		 "AND number = $4 AND length = $5 ORDER BY start DESC LIMIT 8",
    [SQL_GROW] = "UPDATE job_log SET size = $5, updated_at = $7, "
		 "ordered = CASE WHEN $6 < last THEN 0 ELSE ordered END, "
		 "last = CASE WHEN $6 > last THEN $6 ELSE last END " ONE_LOG
		 "AND size = $4",
    [SQL_DROP_FRAGMENTS] = "DELETE FROM job_fragment " ONE_LOG,
    [SQL_DROP] = "DELETE FROM job_log " ONE_LOG,
    [SQL_BEGIN] = "INSERT INTO job_log (job, type, phase, size, last, "
		  "ordered, updated_at) VALUES ($1, $2, $3, $4, $5, 1, $6)",
    /* A fragment may stand where an empty one of the same number does. */
    [SQL_ADD] = "INSERT INTO job_fragment (job, type, phase, number, start, "
		"length, at) VALUES ($1, $2, $3, $4, $5, $6, $7) "
		"ON CONFLICT (job, type, phase, number, start) DO UPDATE "
		"SET length = excluded.length, at = excluded.at",
    [SQL_FORGET_FRAGMENTS] = "DELETE FROM job_fragment WHERE job = $1",
    [SQL_FORGET] = "DELETE FROM job_log WHERE job = $1",
    [SQL_FIRST] = "SELECT start FROM job_fragment " ONE_LOG
		  "AND number >= $4 ORDER BY number, start LIMIT 1",
    [SQL_SUM] = "SELECT max(number), "
		"CAST(coalesce(sum(length), 0) AS BIGINT) "
		"FROM job_fragment " ONE_LOG
		"AND number >= $4 AND at >= $5 AND start + length <= $6",
    [SQL_EXTENTS] = "SELECT number, start, length FROM job_fragment " ONE_LOG
		    "AND (number, start) > ($4, $5) AND at >= $6 "
		    "AND start + length <= $7 "
		    "ORDER BY number, start LIMIT 64",
};

_Static_assert(BLOB_LOGS == JOBLOG_TYPE__MAX * PHASE__MAX,
    "a file for each type and phase");
_Static_assert(JOBLOG_EXTENTS == 64, "as SQL_EXTENTS says");
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

static enum blob_name
file_of(enum joblog_type t, enum phase p)
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
	return e == ERR_OK ? db_exec(c, NULL, sql[SQL_ADD], "tttiiii",
				 x->id->text, x->type, x->phase, g->number,
				 x->size, (int64_t)g->len, g->at)
			   : e;
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
	enum blob_name name = file_of(t, fragment->phase);
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

static enum joblog_type
type_of(const char *name)
{
	enum joblog_type t;

	for (t = JOBLOG_OUTPUT; t < JOBLOG_TYPE__MAX; t++)
		if (strcmp(types[t], name) == 0)
			break;
	return t;
}

enum err
joblog_find(struct db_conn *c, const struct id *id, struct joblogs *out)
{
	struct db_stmt *st;
	struct joblog *l;
	const char *phase;
	size_t len;
	enum err e;

	out->id = id;
	out->n = out->n_extents = out->next_extent = 0;
	for (e = db_query(c, &st, sql[SQL_LOGS], "t", id->text); e == ERR_OK;
	     e = db_next(st)) {
		phase = db_text(st, 1, &len);
		l = &out->logs[out->n];
		*l = (struct joblog){
		    .type = type_of(db_text(st, 0, NULL)),
		    .phase = phase_of(phase, len),
		    .size = db_int(st, 2),
		    .last = db_int(st, 3),
		    .ordered = db_int(st, 4) != 0,
		    .file.fd = -1,
		};
		/* Not of a newer version. */
		if (l->type < JOBLOG_TYPE__MAX && l->phase < PHASE__MAX)
			out->n++;
	}
	if (st != NULL)
		db_end(st);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

void
joblog_close(struct joblogs *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (l->logs[i].file.fd != -1)
			blob_log_close(&l->logs[i].file);
}

static bool
fits(const struct joblog *log, const struct joblog_query *q)
{
	return (q->type == JOBLOG_TYPE__MAX || q->type == log->type) &&
	       (q->phase == PHASE__MAX || q->phase == log->phase) &&
	       log->last >= q->number;
}

/* Leave out what is not asked for, and open the files of the rest. */
static enum err
open_files(struct svc *s, struct joblogs *l, size_t *n_open)
{
	size_t i, n = l->n;
	struct joblog log;
	enum err e;

	*n_open = l->n = 0;
	for (i = 0; i < n; i++) {
		log = l->logs[i];
		if (!fits(&log, &l->query))
			continue;
		if (log.size > 0) {
			e = blob_log_open(s->blob, l->id,
			    file_of(log.type, log.phase), &log.file);
			if (e == ERR_NOTFOUND)
				continue;
			if (e != ERR_OK)
				return e;
			++*n_open;
		}
		l->logs[l->n++] = log;
	}
	return ERR_OK;
}

/* The whole of the file, or its end from some number on. */
static enum err
plan_end(struct db_conn *c, const struct joblogs *l, struct joblog *log)
{
	struct db_stmt *st;
	enum err e;

	log->from = 0;
	if (l->query.number > INT64_MIN) {
		e = db_query(c, &st, sql[SQL_FIRST], "ttti", l->id->text,
		    types[log->type], phase_name(log->phase), l->query.number);
		if (e != ERR_OK)
			return e;
		log->from = db_int(st, 0);
		db_end(st);
	}
	log->to = log->size;
	log->left = log->from < log->to ? log->to - log->from : 0;
	return ERR_OK;
}

/* Fragments here and there.  ERR_NOTFOUND: none of them fits. */
static enum err
plan_walk(struct db_conn *c, const struct joblogs *l, struct joblog *log)
{
	struct db_stmt *st;
	bool none;
	enum err e;

	e = db_query(c, &st, sql[SQL_SUM], "tttiii", l->id->text,
	    types[log->type], phase_name(log->phase), l->query.number,
	    l->query.at, log->size);
	if (e != ERR_OK)
		return e;
	none = db_is_null(st, 0);
	log->last = db_int(st, 0);
	log->left = db_int(st, 1);
	db_end(st);
	log->from = log->to = 0;
	log->next_number = l->query.number;
	log->next_start = -1;
	return none ? ERR_NOTFOUND : ERR_OK;
}

static const struct joblog *
same_log(const struct joblogs *l, const struct joblog *log)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (l->logs[i].type == log->type &&
		    l->logs[i].phase == log->phase)
			return &l->logs[i];
	return NULL;
}

/*
 * A file may have been replaced between the look-up and its opening: the job was
 * submitted anew.  So what counts is what the rows say once the file is open, as long as
 * it is still the one of that name.  ERR_CONFLICT: it is not.
 */
static enum err
catch_up(struct db_conn *c, struct joblogs *l, struct joblogs *now)
{
	const struct joblog *new;
	struct joblog *log;
	size_t i;
	enum err e;

	if ((e = joblog_find(c, l->id, now)) != ERR_OK)
		return e;
	for (i = 0; i < l->n; i++) {
		log = &l->logs[i];
		if (log->file.fd == -1)
			continue;
		new = same_log(now, log);
		if (new == NULL || !blob_log_stands(&log->file))
			return ERR_CONFLICT;
		if (log->file.size < new->size) {
			log_error("log.%s.%s of %s is damaged: it has %lld "
				  "bytes of %lld",
			    types[log->type], phase_name(log->phase),
			    l->id->text, (long long)log->file.size,
			    (long long)new->size);
			return ERR_IO;
		}
		log->size = new->size;
		log->last = new->last;
		log->ordered = new->ordered;
	}
	return ERR_OK;
}

static enum err
plan(struct db_conn *c, struct joblogs *l)
{
	size_t i, n = l->n;
	struct joblog log;
	enum err e;

	l->n = 0;
	for (i = 0; i < n; i++) {
		log = l->logs[i];
		if (log.ordered && l->query.at == INT64_MIN)
			e = log.size > 0 ? plan_end(c, l, &log) : ERR_OK;
		else
			e = plan_walk(c, l, &log);
		if (e == ERR_OK) {
			l->logs[l->n++] = log;
			continue;
		}
		if (log.file.fd != -1)
			blob_log_close(&log.file);
		if (e == ERR_NOTFOUND)
			continue;
		/* The others are still to be closed. */
		memmove(
		    &l->logs[l->n], &l->logs[i + 1], (n - i - 1) * sizeof(log));
		l->n += n - i - 1;
		return e;
	}
	return ERR_OK;
}

static enum err
open_once(struct svc *s, struct joblogs *l)
{
	struct joblogs now;
	struct db_conn *c;
	size_t n_open;
	enum err e;

	e = open_files(s, l, &n_open);
	if (e != ERR_OK || l->n == 0)
		return e;
	c = db_read(s->db);
	if (n_open > 0)
		e = catch_up(c, l, &now);
	if (e == ERR_OK)
		e = plan(c, l);
	db_read_end(s->db, c);
	return e;
}

enum err
joblog_open(struct svc *s, struct joblogs *l, const struct joblog_query *q)
{
	struct db_conn *c;
	unsigned i;
	enum err e = ERR_OK;

	l->query = *q;
	for (i = 0; i < TRIES; i++) {
		e = open_once(s, l);
		if (e == ERR_OK)
			return ERR_OK;
		joblog_close(l);
		if (e != ERR_CONFLICT)
			return e;
		c = db_read(s->db);
		e = joblog_find(c, l->id, l);
		db_read_end(s->db, c);
		if (e != ERR_OK)
			return e;
	}
	return ERR_BUSY;
}

enum err
joblog_list(struct svc *s, const struct id *id, const struct joblog_query *q,
    struct joblogs *out)
{
	struct db_conn *c = db_read(s->db);
	enum err e;

	e = joblog_find(c, id, out);
	db_read_end(s->db, c);
	return e == ERR_OK ? joblog_open(s, out, q) : e;
}

static void
add_extent(struct joblogs *l, int64_t start, int64_t length)
{
	struct joblog_extent *x = &l->extents[l->n_extents];

	if (length == 0)
		return;
	if (l->n_extents > 0 && x[-1].end == start) {
		x[-1].end += length;
		return;
	}
	*x = (struct joblog_extent){start, start + length};
	l->n_extents++;
}

/* The next rows.  A page of empty fragments has no extent. */
static enum err
load_extents(struct svc *s, struct joblogs *l, struct joblog *log)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	bool any = false;
	enum err e;

	l->n_extents = l->next_extent = 0;
	for (e = db_query(c, &st, sql[SQL_EXTENTS], "tttiiii", l->id->text,
		 types[log->type], phase_name(log->phase), log->next_number,
		 log->next_start, l->query.at, log->size);
	     e == ERR_OK; e = db_next(st)) {
		any = true;
		log->next_number = db_int(st, 0);
		log->next_start = db_int(st, 1);
		add_extent(l, log->next_start, db_int(st, 2));
	}
	if (st != NULL)
		db_end(st);
	db_read_end(s->db, c);
	if (e == ERR_NOTFOUND && !any) {
		log_error("log.%s.%s of %s has been removed amid a reading",
		    types[log->type], phase_name(log->phase), l->id->text);
		return ERR_IO;
	}
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
next_extent(struct svc *s, struct joblogs *l, struct joblog *log)
{
	enum err e;

	while (l->next_extent == l->n_extents)
		if ((e = load_extents(s, l, log)) != ERR_OK)
			return e;
	log->from = l->extents[l->next_extent].start;
	log->to = l->extents[l->next_extent].end;
	l->next_extent++;
	return ERR_OK;
}

enum err
joblog_read(struct svc *s, struct joblogs *l, size_t i, char *buf, size_t n,
    size_t *got)
{
	struct joblog *log = &l->logs[i];
	int64_t part;
	size_t done;
	enum err e;

	for (done = 0; done < n && log->left > 0; done += (size_t)part) {
		if (log->from == log->to &&
		    (e = next_extent(s, l, log)) != ERR_OK)
			return e;
		part = log->to - log->from;
		if (part > log->left)
			part = log->left;
		if (part > (int64_t)(n - done))
			part = (int64_t)(n - done);
		e = blob_log_read(
		    &log->file, log->from, buf + done, (size_t)part);
		if (e != ERR_OK)
			return e;
		log->from += part;
		log->left -= part;
	}
	/* What is left of a page is not the next log's. */
	if (log->left == 0)
		l->n_extents = l->next_extent = 0;
	*got = done;
	return ERR_OK;
}
