/*
 * Rows and files go together: under the writers' lock a directory is moved away and
 * its rows deleted, and nobody can submit a job under that id in between.  If the
 * commit fails the directory is put back; after a crash either the job is found once
 * more, or its rest lies in trash.
 */

#include "retention.h"

#include <stdlib.h>

#include "blob_tree.h"
#include "clock.h"
#include "handout.h"
#include "journal.h"
#include "log.h"
#include "secret.h"

#define BATCH 32
/* Batches of each kind in one round. */
#define BATCHES 64
/* Directories that one round looks at. */
#define WALK 1000
/* With more rows deleted than so many a change ends, for others to have a turn. */
#define ROWS_MAX 5000
#define TICK_MIN_S 1
#define TICK_MAX_S 60

enum {
	SQL_UNREADY,
	SQL_GIVE_UP,
	SQL_ENDED,
	SQL_LOGS,
	SQL_LIVES,
	SQL_DELETE_JOB,
	SQL_DELETE_LOG,
	SQL_DELETE_FRAGMENT
};

static const char *const sql[] = {
    [SQL_UNREADY] = "SELECT id FROM job WHERE ready = 0 AND created_at <= $1 "
		    "ORDER BY created_at LIMIT $2",
    /* An ended one waits for nothing any more either. */
    [SQL_GIVE_UP] = "UPDATE job SET ready = 1, "
		    "ended_at = CASE WHEN state = 'waiting' THEN $2 "
		    "ELSE ended_at END, "
		    "reason = CASE WHEN state = 'waiting' "
		    "THEN 'its attachments never came' ELSE reason END, "
		    "seed = CASE WHEN state = 'waiting' THEN 0 ELSE seed END, "
		    "state = CASE WHEN state = 'waiting' THEN 'cancelled' "
		    "ELSE state END "
		    "WHERE id = $1 AND ready = 0 RETURNING ended_at",
    [SQL_ENDED] = "SELECT id, ended_at FROM job "
		  "WHERE ended_at > $1 AND ended_at < $2 "
		  "ORDER BY ended_at LIMIT $3",
    [SQL_LOGS] = "SELECT job, updated_at FROM job_log "
		 "WHERE updated_at > $1 AND updated_at < $2 AND NOT EXISTS "
		 "(SELECT 1 FROM job WHERE job.id = job_log.job) "
		 "ORDER BY updated_at LIMIT $3",
    [SQL_LIVES] = "SELECT 1 FROM job WHERE id = $1 "
		  "AND (ended_at IS NULL OR ended_at >= $2)",
    [SQL_DELETE_JOB] = "DELETE FROM job WHERE id = $1",
    [SQL_DELETE_LOG] = "DELETE FROM job_log WHERE job = $1",
    [SQL_DELETE_FRAGMENT] = "DELETE FROM job_fragment WHERE job = $1",
};

struct retention {
	struct svc *svc;
	struct blob_tree *tree;
	bool (*stopping)(void);
};

struct batch {
	struct retention *r;
	int64_t since; /* what is as young stays */
	int64_t last; /* where the next batch begins */
	struct id ids[BATCH];
	struct blob_gone *gone[BATCH];
	size_t n;
	size_t done; /* of n, by the change */
	size_t removed;
};

enum err
retention_open(struct retention **out, struct svc *s)
{
	struct retention *r = calloc(1, sizeof(*r));
	enum err e;

	if (r == NULL)
		return ERR_NOMEM;
	r->svc = s;
	e = blob_tree_open(&r->tree, conf_str(s->conf, CONF_DATA_PATH));
	if (e != ERR_OK) {
		free(r);
		return e;
	}
	*out = r;
	return ERR_OK;
}

void
retention_close(struct retention *r)
{
	blob_tree_close(r->tree);
	free(r);
}

static enum err
lives(struct db_conn *c, const struct id *id, int64_t since, bool *out)
{
	struct db_stmt *st;
	enum err e = db_query(c, &st, sql[SQL_LIVES], "ti", id->text, since);

	*out = e == ERR_OK;
	if (e == ERR_OK)
		db_end(st);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Everything under one id, unless something of it is young. */
static enum err
expire(struct db_conn *c, struct batch *b, size_t i, int64_t *rows)
{
	static const int deletes[] = {
	    SQL_DELETE_JOB, SQL_DELETE_LOG, SQL_DELETE_FRAGMENT};
	const struct id *id = &b->ids[i];
	int64_t n, all = 0;
	bool stays;
	size_t k;
	enum err e;

	e = lives(c, id, b->since, &stays);
	if (e != ERR_OK || stays)
		return e;
	e = blob_tree_discard(b->r->tree, id, b->since, &b->gone[i]);
	/* One that cannot be moved (logged) holds up no other. */
	if (e != ERR_OK)
		return e == ERR_NOMEM ? e : ERR_OK;
	for (k = 0; k < sizeof(deletes) / sizeof(deletes[0]); k++) {
		e = db_exec(c, &n, sql[deletes[k]], "t", id->text);
		if (e != ERR_OK)
			return e;
		all += n;
	}
	if (all > 0 || b->gone[i] != NULL)
		b->removed++;
	*rows += all;
	return ERR_OK;
}

static enum err
expire_change(struct db_conn *c, void *arg)
{
	struct batch *b = arg;
	int64_t rows = 0;
	enum err e = ERR_OK;

	while (b->done < b->n && rows < ROWS_MAX && e == ERR_OK)
		e = expire(c, b, b->done++, &rows);
	return e;
}

/* Remove what the batch names.  False if store or disk would not have it. */
static bool
expire_batch(struct batch *b)
{
	enum err e = ERR_OK;
	size_t i, begin;

	for (i = 0; i < BATCH; i++)
		b->gone[i] = NULL;
	b->done = 0;
	while (b->done < b->n && e == ERR_OK) {
		begin = b->done;
		e = db_write(b->r->svc->db, expire_change, b);
		for (i = begin; i < b->done; i++)
			if (b->gone[i] != NULL && e == ERR_OK)
				blob_gone_remove(b->gone[i]);
			else if (b->gone[i] != NULL)
				blob_gone_undo(b->gone[i]);
	}
	return e == ERR_OK;
}

/* The next ids of rows that are old, by an index. */
static bool
read_batch(struct batch *b, int statement)
{
	struct db *db = b->r->svc->db;
	struct db_conn *c = db_read(db);
	struct db_stmt *st;
	const char *text;
	size_t len;
	enum err e;

	b->n = 0;
	for (e = db_query(c, &st, sql[statement], "iii", b->last, b->since,
		 (int64_t)BATCH);
	     e == ERR_OK && b->n < BATCH; e = db_next(st)) {
		text = db_text(st, 0, &len);
		if (id_parse(text, len, &b->ids[b->n]))
			b->n++;
		b->last = db_int(st, 1);
	}
	if (st != NULL)
		db_end(st);
	db_read_end(db, c);
	return b->n > 0;
}

static void
expire_rows(struct batch *b, int statement)
{
	int i;

	b->last = -1;
	for (i = 0; i < BATCHES && !b->r->stopping(); i++)
		if (!read_batch(b, statement) || !expire_batch(b))
			break;
}

/* Directories that no row tells of. */
static void
expire_files(struct batch *b)
{
	unsigned budget = WALK;
	enum err e = ERR_OK;
	bool stays;

	while (e == ERR_OK && !b->r->stopping()) {
		b->n = 0;
		while (
		    b->n < BATCH && (e = blob_tree_next(b->r->tree, b->since,
					 &budget, &b->ids[b->n])) == ERR_OK) {
			struct db_conn *c = db_read(b->r->svc->db);

			e = lives(c, &b->ids[b->n], b->since, &stays);
			db_read_end(b->r->svc->db, c);
			if (e != ERR_OK)
				break;
			if (!stays)
				b->n++;
		}
		if (b->n > 0 && !expire_batch(b))
			break;
	}
}

struct giving_up {
	struct retention *r;
	int64_t now;
	int64_t since;
	struct id ids[BATCH]; /* cancelled by it */
	size_t n;
	size_t found;
};

/* One job that was unready; noted if it is cancelled by this. */
static enum err
give_up(struct db_conn *c, struct giving_up *g, const struct id *id)
{
	const struct journal_item reason = {
	    "reason", "its attachments never came", 0, 0};
	bool waited = false;
	struct db_stmt *st;
	enum err e;

	e = db_query(c, &st, sql[SQL_GIVE_UP], "ti", id->text, g->now);
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	waited = !db_is_null(st, 0) && db_int(st, 0) == g->now;
	while (e == ERR_OK)
		e = db_next(st);
	db_end(st);
	if (e != ERR_NOTFOUND || !waited)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	g->ids[g->n++] = *id;
	/* It has ended, so its ephemeral secrets are gone too. */
	e = secret_spend(c, id->text);
	return e == ERR_OK ? journal_add(c, "job.ended", id->text, &reason, 1)
			   : e;
}

static enum err
give_up_change(struct db_conn *c, void *arg)
{
	struct giving_up *g = arg;
	struct id ids[BATCH];
	struct db_stmt *st;
	const char *text;
	size_t i, len;
	enum err e;

	g->n = g->found = 0;
	for (e = db_query(
		 c, &st, sql[SQL_UNREADY], "ii", g->since, (int64_t)BATCH);
	     e == ERR_OK && g->found < BATCH; e = db_next(st)) {
		text = db_text(st, 0, &len);
		if (id_parse(text, len, &ids[g->found]))
			g->found++;
	}
	if (st != NULL)
		db_end(st);
	if (e == ERR_NOTFOUND)
		e = ERR_OK;
	for (i = 0; i < g->found && e == ERR_OK; i++)
		e = give_up(c, g, &ids[i]);
	return e;
}

static bool
any_unready(struct svc *s, int64_t since)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e;

	e = db_query(c, &st, sql[SQL_UNREADY], "ii", since, (int64_t)1);
	if (e == ERR_OK)
		db_end(st);
	db_read_end(s->db, c);
	return e == ERR_OK;
}

/* Jobs whose attachments have not come. */
static void
give_up_waiting(struct retention *r)
{
	int64_t seconds = conf_int(r->svc->conf, CONF_ATTACHMENT_TIMEOUT);
	struct giving_up g = {.r = r, .now = clock_now_ms(), .found = BATCH};
	size_t i;
	int n;

	g.since = g.now - seconds * 1000;
	if (!any_unready(r->svc, g.since))
		return;
	for (n = 0; n < BATCHES && g.found == BATCH && !r->stopping(); n++) {
		if (db_write(r->svc->db, give_up_change, &g) != ERR_OK)
			return;
		for (i = 0; i < g.n; i++)
			log_info("job %s is cancelled: its attachments have "
				 "not come within %lld seconds",
			    g.ids[i].text, (long long)seconds);
	}
}

void
retention_tick(struct retention *r, bool (*stopping)(void))
{
	int64_t seconds = conf_int(r->svc->conf, CONF_JOB_MAX_AGE);
	struct batch b = {.r = r};

	r->stopping = stopping;
	give_up_waiting(r);
	if (seconds == 0)
		return;
	b.since = clock_now_ms() - seconds * 1000;
	expire_rows(&b, SQL_ENDED);
	expire_rows(&b, SQL_LOGS);
	expire_files(&b);
	if (b.removed > 0)
		log_info("removed %zu jobs or ids by age", b.removed);
}

/* Often enough for the shorter of the two ages. */
static int
pause_ms(const struct conf *c)
{
	int64_t s = conf_int(c, CONF_ATTACHMENT_TIMEOUT);
	int64_t age = conf_int(c, CONF_JOB_MAX_AGE);

	if (age > 0 && age < s)
		s = age;
	s /= 10;
	if (s < TICK_MIN_S)
		s = TICK_MIN_S;
	return (int)(s < TICK_MAX_S ? s : TICK_MAX_S) * 1000;
}

void
retention_run(struct svc *s, bool (*stopping)(void), void (*sleep_ms)(int))
{
	struct clock_watch watch = {.begun = false};
	struct retention *r;
	int64_t by;

	if (retention_open(&r, s) != ERR_OK)
		return;
	while (!stopping()) {
		(void)clock_was_set(&watch);
		/* Also if it was set while nobody ran. */
		if (clock_is_settled(&watch) && handout_clock(s, &by) == ERR_OK)
			retention_tick(r, stopping);
		sleep_ms(pause_ms(s->conf));
	}
	retention_close(r);
}
