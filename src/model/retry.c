/*
 * The new job is a row copied from the former one, but for what the run has made of it.  Its
 * attachments are the same file under a second name, which is there before the row is.
 */

#include "retry.h"

#include "column.h"
#include "job.h"
#include "job_secrets.h"
#include "job_view.h"
#include "journal.h"
#include "js.h"
#include "lost.h"
#include "secret.h"

enum { SQL_LOOK, SQL_COPY, SQL_EXCLUDE, SQL_TAG, SQL_LINK };

static const char *const sql[] = {
    [SQL_LOOK] = "SELECT id, queue, body, priority, attachments, client_id, "
		 "secrets, retries FROM job WHERE seq = $1",
    /* Of its queue_timeout as much is left as at the submission. */
    [SQL_COPY] = "INSERT INTO job (id, queue, priority, state, seed, ready, "
		 "attachments, body, created_at, result_file, client_id, "
		 "secrets, publish_at, deadline_at, lost_policy, excludes, "
		 "retry_of, retries, artifact_file) "
		 "SELECT $2, queue, priority, 'waiting', 0, 1, attachments, "
		 "$3, $4, 0, client_id, secrets, nullif($5, 0), "
		 "$4 + (deadline_at - created_at), lost_policy, excludes, "
		 "id, retries + 1, 0 FROM job WHERE id = $1",
    [SQL_EXCLUDE] = "INSERT INTO job_exclude (job, agent) "
		    "SELECT n.seq, x.agent FROM job n, job o, job_exclude x "
		    "WHERE n.id = $2 AND o.id = $1 AND x.job = o.seq",
    [SQL_TAG] = "INSERT INTO job_tag (tag, job) "
		"SELECT x.tag, n.seq FROM job n, job o, job_tag x "
		"WHERE n.id = $2 AND o.id = $1 AND x.job = o.seq",
    [SQL_LINK] = "UPDATE job SET retried_as = $2 WHERE id = $1",
};

struct plan {
	struct retry *out;
	struct job job; /* the former */
	const char *client;
	bool secrets;
	int64_t retries;
};

static enum err
look(struct svc *s, struct arena *a, int64_t seq, struct plan *p)
{
	struct db_conn *c = db_read(s->db);
	bool failed = false;
	struct db_stmt *st;
	const char *text;
	size_t len;
	enum err e;

	e = db_query(c, &st, sql[SQL_LOOK], "i", seq);
	if (e == ERR_OK) {
		text = db_text(st, 0, &len);
		(void)id_parse(text, len, &p->out->of);
		p->out->queue = column_text(a, st, 1, NULL, &failed);
		p->job.body = column_text(a, st, 2, &p->job.body_len, &failed);
		p->out->priority = db_int(st, 3);
		p->out->attachments = !db_is_null(st, 4);
		p->client = column_text(a, st, 5, NULL, &failed);
		p->secrets = db_int(st, 6) != 0;
		p->retries = db_int(st, 7);
		db_end(st);
		if (failed)
			e = ERR_NOMEM;
	}
	db_read_end(s->db, c);
	return e;
}

/* Whether a secret that the definition names is gone.  An ephemeral one that is there is of
 * no use: it is spent by the end of the former job, if not at a sign, or is another's. */
static enum err
judge_secrets(struct svc *s, struct arena *a, const struct plan *p, bool *gone)
{
	const char **paths, *missing;
	size_t n;
	enum err e;

	*gone = p->client == NULL;
	if (*gone)
		return ERR_OK;
	if ((e = job_secrets_named(
		 a, p->job.body, p->job.body_len, &paths, &n)) != ERR_OK ||
	    n == 0)
		return e;
	e = secret_missing(s, a, p->client, paths, n, true, &missing);
	if (e != ERR_OK)
		return e;
	*gone = missing != NULL;
	return ERR_OK;
}

enum err
retry_plan(struct svc *s, struct arena *a, int64_t seq, struct retry *out)
{
	/* As a seed job is shown: as it came, but for its id. */
	struct plan p = {.out = out, .job = {.seed = true}};
	bool gone = false;
	struct buf b;
	enum err e;

	*out = (struct retry){.why_not = NULL};
	if ((e = look(s, a, seq, &p)) != ERR_OK)
		return e;
	if (p.secrets && (e = judge_secrets(s, a, &p, &gone)) != ERR_OK)
		return e;
	if (gone)
		out->why_not =
		    LOST_REASON ", and a secret that it names is gone";
	if (p.retries >= LOST_RETRIES_MAX)
		out->why_not = LOST_REASON " once more, after three retries";
	if (out->why_not != NULL)
		return ERR_OK;
	id_make(&out->id);
	buf_init(&b, a, p.job.body_len + 64);
	if ((e = job_view(&b, &p.job, false, out->id.text)) != ERR_OK)
		return e;
	out->body = b.p;
	out->body_len = b.len;
	return ERR_OK;
}

static enum err
note(struct db_conn *c, const struct retry *r)
{
	const struct journal_item old = {"retried_as", r->id.text, 0, 0};
	const struct journal_item new[] = {
	    {"queue", r->queue, 0, 0},
	    {"priority", NULL, r->priority, 0},
	    {"retry_of", r->of.text, 0, 0},
	};
	enum err e = journal_add(c, "job.retried", r->of.text, &old, 1);

	return e == ERR_OK ? journal_add(c, "job.submitted", r->id.text, new, 3)
			   : e;
}

enum err
retry_make(struct db_conn *c, struct svc *s, const struct retry *r, int64_t now)
{
	static const int copies[] = {SQL_EXCLUDE, SQL_TAG, SQL_LINK};
	enum err e = ERR_OK;
	size_t i;

	if (r->attachments)
		e = blob_link(s->blob, &r->of, &r->id, BLOB_ATTACHMENTS);
	if (e != ERR_OK)
		return e == ERR_FULL ? e : ERR_CONFLICT;
	e = db_exec(c, NULL, sql[SQL_COPY], "ttsii", r->of.text, r->id.text,
	    r->body, r->body_len, now, s->has_broker ? now : (int64_t)0);
	for (i = 0; i < sizeof(copies) / sizeof(copies[0]) && e == ERR_OK; i++)
		e = db_exec(
		    c, NULL, sql[copies[i]], "tt", r->of.text, r->id.text);
	return e == ERR_OK ? note(c, r) : e;
}

void
retry_undo(struct svc *s, const struct retry *r)
{
	if (r->attachments &&
	    blob_remove(s->blob, &r->id, BLOB_ATTACHMENTS) != ERR_OK)
		return; /* logged; nobody is shown it */
}
