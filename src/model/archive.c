/* Archives as files, and what the row of their job says of them. */

#include "archive.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "column.h"
#include "job.h"
#include "journal.h"
#include "queue.h"

enum { SQL_LOOK, SQL_ARRIVED, SQL_FORMER, SQL_ARTIFACT };

static const char *const sql[] = {
    [SQL_LOOK] = "SELECT state, attachments FROM job WHERE id = $1",
    [SQL_ARRIVED] = ("UPDATE job SET attachments = 'complete', ready = 1, "
		     "publish_at = $2 WHERE id = $1 RETURNING queue"),
    [SQL_FORMER] = "SELECT 1 FROM job WHERE id = $1 AND artifact_file = 0",
    [SQL_ARTIFACT] = "UPDATE job SET artifact_file = 1 WHERE id = $1",
};

struct look {
	bool waiting;
	bool any;
	bool here;
};

static enum err
look(struct db_conn *c, const struct id *id, struct look *out)
{
	struct db_stmt *st;
	const char *text;
	enum err e;

	*out = (struct look){.waiting = false};
	e = db_query(c, &st, sql[SQL_LOOK], "t", id->text);
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	out->waiting = column_is(st, 0, JOB_WAITING);
	text = db_text(st, 1, NULL);
	out->any = text != NULL;
	out->here = text != NULL && strcmp(text, "complete") == 0;
	db_end(st);
	return ERR_OK;
}

static enum attachments
judge(const struct look *l)
{
	if (!l->waiting)
		return ATTACHMENTS_NO_JOB;
	if (!l->any)
		return ATTACHMENTS_NONE;
	return l->here ? ATTACHMENTS_HERE : ATTACHMENTS_AWAITED;
}

static enum err
read_look(struct svc *s, const struct id *id, struct look *out)
{
	struct db_conn *c = db_read(s->db);
	enum err e = look(c, id, out);

	db_read_end(s->db, c);
	return e;
}

enum err
archive_attachments(struct svc *s, const struct id *id, enum attachments *out)
{
	struct look l;
	enum err e = read_look(s, id, &l);

	if (e == ERR_OK)
		*out = judge(&l);
	return e;
}

struct arrival {
	const struct id *id;
	struct blob_file *file;
	bool publish;
	int64_t now;
	enum attachments before;
	char queue[NAME_LEN_MAX + 1]; /* of the job that may be taken now */
};

/*
 * Of two uploads one arrives: the name is given under the writers' lock, after a look
 * at the job and before its row says so.  The bytes are on disk by then, so that this
 * holds up nobody for long.
 */
static enum err
arrive_change(struct db_conn *c, void *arg)
{
	struct arrival *x = arg;
	struct db_stmt *st;
	struct look l;
	enum err e;

	if ((e = look(c, x->id, &l)) != ERR_OK)
		return e;
	x->before = judge(&l);
	if (x->before != ATTACHMENTS_AWAITED)
		return ERR_OK;
	e = blob_publish(x->file, x->id, BLOB_ATTACHMENTS);
	if (e != ERR_OK)
		return e;
	/* The outbox looks twice a second. */
	e = db_query(c, &st, sql[SQL_ARRIVED], x->publish ? "ti" : "tn",
	    x->id->text, x->now);
	while (e == ERR_OK) {
		(void)snprintf(
		    x->queue, sizeof(x->queue), "%s", db_text(st, 0, NULL));
		e = db_next(st);
	}
	if (st != NULL)
		db_end(st);
	return e == ERR_NOTFOUND
		   ? journal_add(c, "job.ready", x->id->text, NULL, 0)
		   : e;
}

enum err
archive_put_attachments(struct svc *s, const struct id *id, struct blob_file *f,
    enum attachments *out)
{
	struct arrival x = {
	    .id = id,
	    .file = f,
	    .publish = s->has_broker,
	    .now = clock_now_ms(),
	};
	enum err e = blob_sync(f);

	if (e == ERR_OK)
		e = db_write(s->db, arrive_change, &x);
	if (e == ERR_OK && x.before == ATTACHMENTS_AWAITED)
		wake_say(s->wake, WAKE_QUEUE, x.queue);
	if (e == ERR_OK)
		*out = x.before;
	return e;
}

/* Whether the file, if there is one, is of a former run under this id. */
static enum err
is_former(struct svc *s, const struct id *id, bool *out)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e = db_query(c, &st, sql[SQL_FORMER], "t", id->text);

	*out = e == ERR_OK;
	if (e == ERR_OK)
		db_end(st);
	db_read_end(s->db, c);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
artifact_change(struct db_conn *c, void *arg)
{
	const struct id *id = arg;

	return db_exec(c, NULL, sql[SQL_ARTIFACT], "t", id->text);
}

/* The file first: a row never tells of a file that is not there. */
enum err
archive_put_artifact(struct svc *s, const struct id *id, struct blob_file *f)
{
	enum err e = blob_sync(f);
	bool former = false;

	if (e == ERR_OK)
		e = blob_publish(f, id, BLOB_ARTIFACT);
	if (e == ERR_OK)
		e = is_former(s, id, &former);
	if (e != ERR_OK || !former)
		return e;
	return db_write(s->db, artifact_change, (void *)(uintptr_t)id);
}

enum err
archive_find_attachments(
    struct svc *s, struct arena *a, const struct id *id, const char **path)
{
	struct look l;
	enum err e = read_look(s, id, &l);

	if (e != ERR_OK)
		return e;
	/* A file that no row tells of is of a former run. */
	if (!l.here || !blob_has(s->blob, id, BLOB_ATTACHMENTS))
		return ERR_NOTFOUND;
	*path = blob_path(a, id, BLOB_ATTACHMENTS);
	return *path != NULL ? ERR_OK : ERR_NOMEM;
}

enum err
archive_find_artifact(struct svc *s, struct arena *a, const struct id *id,
    const char **path, int64_t *size)
{
	int64_t n = blob_size(s->blob, id, BLOB_ARTIFACT);
	const char *p;
	bool former;
	enum err e;

	if (n == -1)
		return ERR_NOTFOUND;
	if ((e = is_former(s, id, &former)) != ERR_OK)
		return e;
	if (former)
		return ERR_NOTFOUND;
	if ((p = blob_path(a, id, BLOB_ARTIFACT)) == NULL)
		return ERR_NOMEM;
	*path = p;
	*size = n;
	return ERR_OK;
}
