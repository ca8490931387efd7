/*
 * Logs as they are read: which there are, what of each is to be shown, and its bytes.
 *
 * A log whose file has the fragments in their order is read through, from its beginning or
 * from one fragment on.  Else its rows are walked, some at a time.  Either way what comes
 * after the opening stands behind the bytes that counted then, and is not seen.
 */

#include "joblog.h"

#include <string.h>

#include "log.h"

/* How often an opening starts over when the log was replaced under its hands. */
#define TRIES 100

enum { SQL_LOGS, SQL_FIRST, SQL_SUM, SQL_EXTENTS };

static const char *const sql[] = {
    [SQL_LOGS] = "SELECT type, phase, size, last, ordered FROM job_log "
		 "WHERE job = $1",
    [SQL_FIRST] = "SELECT start FROM job_fragment " JOBLOG_ONE
		  "AND number >= $4 ORDER BY number, start LIMIT 1",
    [SQL_SUM] = "SELECT max(number), "
		"CAST(coalesce(sum(length), 0) AS BIGINT) "
		"FROM job_fragment " JOBLOG_ONE
		"AND number >= $4 AND at >= $5 AND start + length <= $6",
    [SQL_EXTENTS] = "SELECT number, start, length FROM job_fragment " JOBLOG_ONE
		    "AND (number, start) > ($4, $5) AND at >= $6 "
		    "AND start + length <= $7 "
		    "ORDER BY number, start LIMIT 64",
};

_Static_assert(JOBLOG_EXTENTS == 64, "as SQL_EXTENTS says");

static enum joblog_type
type_of(const char *name)
{
	enum joblog_type t;

	for (t = JOBLOG_OUTPUT; t < JOBLOG_TYPE__MAX; t++)
		if (strcmp(joblog_type_name(t), name) == 0)
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
			    joblog_file(log.type, log.phase), &log.file);
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
		    joblog_type_name(log->type), phase_name(log->phase),
		    l->query.number);
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
	    joblog_type_name(log->type), phase_name(log->phase),
	    l->query.number, l->query.at, log->size);
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
			    joblog_type_name(log->type), phase_name(log->phase),
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
		 joblog_type_name(log->type), phase_name(log->phase),
		 log->next_number, log->next_start, l->query.at, log->size);
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
		    joblog_type_name(log->type), phase_name(log->phase),
		    l->id->text);
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
