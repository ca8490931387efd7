/* The journal as rows. */

#include "journal.h"

#include <assert.h>
#include <string.h>

#include "cause.h"
#include "clock.h"
#include "column.h"
#include "id.h"
#include "js_escape.h"

#define SWEEP_MAX 500

/* Of a name that may also be an id no more are sorted. */
#define SORTED_MAX 1000

static const char *const kinds[] = {"job.submitted", "job.ready", "job.offered",
    "job.offered_again", "job.claimed", "job.started", "job.continued",
    "job.returned", "job.agent_returned", "job.lost", "job.heard",
    "job.retried", "job.state", "job.ended", "job.cancelled", "job.ignored",
    "job.apart", "agent.created", "agent.state", "queue.restricted",
    "queue.released", "client.created", "client.updated", "client.removed"};

#define N_KINDS (sizeof(kinds) / sizeof(kinds[0]))

_Static_assert(N_KINDS <= 64, "a bit for each");

enum {
	SQL_ADD,
	SQL_READ,
	SQL_READ_ONE,
	SQL_READ_JOB,
	SQL_LAST,
	SQL_OLD,
	SQL_SWEEP
};

#define COLUMNS                                                                \
	"SELECT n, at, kind, subject, data, agent, client, request_id "        \
	"FROM journal "

/* What clients there are, and what they may, is for those who manage them. */
#define SHOWN "AND ($3 OR kind NOT LIKE 'client.%') "

/* The numbers go on, so the newest row stays. */
#define OLD                                                                    \
	"SELECT n FROM (SELECT n, at FROM journal ORDER BY n LIMIT $2) "       \
	"AS oldest WHERE at < $1 AND n < (SELECT max(n) FROM journal)"

static const char *const sql[] = {
    [SQL_ADD] = "INSERT INTO journal (at, kind, subject, data, agent, client, "
		"request_id) VALUES ($1, $2, $3, $4, $5, $6, $7)",
    [SQL_READ] = COLUMNS "WHERE n > $1 " SHOWN "ORDER BY n LIMIT $2",
    [SQL_READ_ONE] =
	COLUMNS "WHERE subject = $4 AND n > $1 " SHOWN "ORDER BY n LIMIT $2",
    /* Of each half no more is sorted than is told. */
    [SQL_READ_JOB] =
	("SELECT * FROM (" COLUMNS "WHERE subject = $4 AND n > $1 " SHOWN
	 "ORDER BY n LIMIT $2) AS one "
	 "UNION ALL SELECT * FROM (" COLUMNS "WHERE subject = $5 AND n > $1 "
	 "AND kind LIKE 'job.%' ORDER BY n LIMIT $2) AS other "
	 "ORDER BY n LIMIT $2"),
    [SQL_LAST] = "SELECT coalesce(max(n), 0) FROM journal",
    [SQL_OLD] = OLD " LIMIT 1",
    [SQL_SWEEP] = "DELETE FROM journal WHERE n IN (" OLD ")",
};

uint64_t
journal_kinds(const char *text)
{
	size_t len = strlen(text), i;
	bool begin = len > 0 && text[len - 1] == '.';
	uint64_t found = 0;

	for (i = 0; i < N_KINDS; i++)
		if (begin ? strncmp(kinds[i], text, len) == 0
			  : strcmp(kinds[i], text) == 0)
			found |= UINT64_C(1) << i;
	return found;
}

static const char *
or_null(const char *s)
{
	return s != NULL && s[0] != '\0' ? s : NULL;
}

/* What others post may be of any length; it is cut between two characters. */
static void
put_cut(struct buf *b, const char *text, size_t len)
{
	if (len > JOURNAL_TEXT_MAX) {
		len = JOURNAL_TEXT_MAX;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--;
	}
	js_put_string(b, text, len);
}

/* The items as an object in b. */
static void
put_items(struct buf *b, const struct journal_item *items, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++) {
		buf_printf(b, "%c\"%s\":", i == 0 ? '{' : ',', items[i].name);
		if (items[i].text != NULL)
			put_cut(b, items[i].text,
			    items[i].len > 0 ? items[i].len
					     : strlen(items[i].text));
		else
			buf_printf(b, "%lld", (long long)items[i].number);
	}
	buf_char(b, '}');
}

enum err
journal_add(struct db_conn *c, const char *kind, const char *subject,
    const struct journal_item *items, size_t n)
{
	const struct cause *by = cause_now();
	struct arena *a = NULL;
	struct buf data = {.p = NULL};
	enum err e = ERR_OK;

	assert(journal_kinds(kind) != 0);
	if (n > 0) {
		if ((a = arena_new()) == NULL)
			return ERR_NOMEM;
		buf_init(&data, a, 256);
		put_items(&data, items, n);
		e = buf_ok(&data) ? ERR_OK : ERR_NOMEM;
	}
	if (e == ERR_OK)
		e = db_exec(c, NULL, sql[SQL_ADD], "itttttt", clock_now_ms(),
		    kind, subject, data.p, or_null(by->agent),
		    or_null(by->client), or_null(by->request_id));
	arena_free(a);
	return e;
}

/* Keys in the order of the alphabet, as everywhere. */
static void
put_event(struct buf *b, struct db_stmt *s, bool who)
{
	char at[CLOCK_TEXT_LEN];
	const char *data = db_text(s, 4, NULL);

	clock_text(db_int(s, 1), at);
	buf_char(b, '{');
	column_put(b, "agent", s, 5);
	buf_printf(b, "\"at\":\"%s\",", at);
	if (who)
		column_put(b, "client", s, 6);
	if (data != NULL)
		buf_printf(b, "\"data\":%s,", data);
	column_put(b, "kind", s, 2);
	buf_printf(b, "\"n\":%lld,", (long long)db_int(s, 0));
	if (who)
		column_put(b, "request_id", s, 7);
	buf_str(b, "\"subject\":");
	js_put_string(b, db_text(s, 3, NULL), strlen(db_text(s, 3, NULL)));
	buf_char(b, '}');
}

/* A number that is not there yet is of a journal that was there before a restore: go on from
 * the end of this one. */
static enum err
not_beyond(struct db_conn *c, int64_t *last)
{
	struct db_stmt *st;
	enum err e = db_query(c, &st, sql[SQL_LAST], "");

	if (e != ERR_OK)
		return e;
	if (*last > db_int(st, 0))
		*last = db_int(st, 0);
	db_end(st);
	return ERR_OK;
}

/* A name is a name also where it could be an id; beside it that of a job is meant.  Who wants some
 * kinds is given all, of which wanted() tells. */
static enum err
query(struct db_conn *c, struct db_stmt **st, const struct journal_query *q)
{
	int64_t limit = q->kinds == 0 ? q->limit : JOURNAL_LOOKED_AT;
	int64_t after = q->after, who = q->who || q->kinds != 0;
	const char *subject = q->subject;
	struct id job;

	if (subject == NULL)
		return db_query(c, st, sql[SQL_READ], "iii", after, limit, who);
	if (!id_parse(subject, strlen(subject), &job) ||
	    strcmp(job.text, subject) == 0)
		return db_query(c, st, sql[SQL_READ_ONE], "iiit", after, limit,
		    who, subject);
	return db_query(c, st, sql[SQL_READ_JOB], "iiitt", after,
	    limit < SORTED_MAX ? limit : SORTED_MAX, who, subject, job.text);
}

static bool
wanted(const struct journal_query *q, struct db_stmt *st)
{
	const char *kind = db_text(st, 2, NULL);

	if (q->kinds == 0)
		return true;
	return (q->kinds & journal_kinds(kind)) != 0 &&
	       (q->who || strncmp(kind, "client.", 7) != 0);
}

enum err
journal_read(struct svc *s, struct arena *a, const struct journal_query *q,
    const char **json, size_t *len)
{
	struct db_conn *c = db_read(s->db);
	int64_t last = q->after, n = 0;
	struct db_stmt *st;
	struct buf b;
	enum err e;

	buf_init(&b, a, 4096);
	buf_str(&b, "{\"events\":[");
	for (e = query(c, &st, q); e == ERR_OK && n < q->limit;
	     e = db_next(st)) {
		last = db_int(st, 0);
		if (!wanted(q, st))
			continue;
		if (n++ > 0)
			buf_char(&b, ',');
		put_event(&b, st, q->who);
	}
	if (st != NULL)
		db_end(st);
	if ((e == ERR_OK || e == ERR_NOTFOUND) && last == q->after)
		e = not_beyond(c, &last);
	db_read_end(s->db, c);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	buf_printf(&b, "],\"last\":%lld}\n", (long long)last);
	*json = b.p;
	*len = b.len;
	return buf_ok(&b) ? ERR_OK : ERR_NOMEM;
}

struct sweep {
	int64_t before, n;
};

static enum err
sweep(struct db_conn *c, void *arg)
{
	struct sweep *w = arg;

	return db_exec(
	    c, &w->n, sql[SQL_SWEEP], "ii", w->before, (int64_t)SWEEP_MAX);
}

/* ERR_NOTFOUND: nothing is old. */
static enum err
anything_old(struct svc *s, const struct sweep *w)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e;

	e = db_query(c, &st, sql[SQL_OLD], "ii", w->before, (int64_t)SWEEP_MAX);
	if (e == ERR_OK)
		db_end(st);
	db_read_end(s->db, c);
	return e;
}

enum err
journal_sweep(struct svc *s, int64_t *n)
{
	int64_t age = conf_int(s->conf, CONF_EVENT_MAX_AGE);
	struct sweep w = {.before = clock_now_ms() - age * 1000};
	enum err e;

	*n = 0;
	if (age == 0)
		return ERR_OK;
	if ((e = anything_old(s, &w)) != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	e = db_write(s->db, sweep, &w);
	*n = e == ERR_OK ? w.n : 0;
	return e;
}
