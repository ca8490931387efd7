/* Restricted queues as a mark on the queue's row and rows of owners. */

#include "restricted.h"

#include <string.h>

#include "clock.h"
#include "journal.h"
#include "js_escape.h"
#include "queue.h"

#define OWNED_BYTES_MAX 4096

enum {
	SQL_CLIENT,
	SQL_AGENT,
	SQL_RESTRICT,
	SQL_OWN,
	SQL_OWNED,
	SQL_LIFT,
	SQL_DISOWN,
	SQL_READ,
	SQL_LIST
};

/* A row for each owner, one without an owner if there is none. */
#define QUEUES                                                                 \
	"SELECT q.name, c.client FROM queue q LEFT JOIN client_queue c "       \
	"ON c.queue = q.name WHERE q.restricted = 1 "

static const char *const sql[] = {
    [SQL_CLIENT] = "SELECT 1 FROM client WHERE id = $1",
    [SQL_AGENT] = "SELECT 1 FROM agent_queue WHERE queue = $1 LIMIT 1",
    [SQL_RESTRICT] = "UPDATE queue SET restricted = 1 WHERE name = $1",
    [SQL_OWN] = "INSERT INTO client_queue (queue, client) VALUES ($1, $2) "
		"ON CONFLICT DO NOTHING",
    [SQL_OWNED] = "SELECT coalesce(sum(length(CAST(queue AS BLOB)) + 3), 0) "
		  "FROM client_queue WHERE client = $1",
    [SQL_LIFT] = "UPDATE queue SET restricted = 0 "
		 "WHERE name = $1 AND restricted = 1",
    [SQL_DISOWN] = "DELETE FROM client_queue WHERE queue = $1",
    [SQL_READ] = QUEUES "AND q.name = $1 ORDER BY c.client",
    [SQL_LIST] = QUEUES "ORDER BY q.name, c.client",
};

struct adding {
	const char *queue;
	const char *client;
	bool any;
	int64_t max;
	int64_t now;
	enum restricted_verdict verdict;
};

static enum err
exists(struct db_conn *c, const char *text, const char *name, bool *out)
{
	struct db_stmt *s;
	enum err e;

	e = db_query(c, &s, text, "t", name);
	*out = e == ERR_OK;
	if (e == ERR_OK)
		db_end(s);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* ERR_NOTFOUND with the verdict if it may not be. */
static enum err
judge(struct db_conn *c, struct adding *x)
{
	bool there;
	enum err e;

	e = exists(c, sql[SQL_CLIENT], x->client, &there);
	if (e == ERR_OK && !there) {
		x->verdict = RESTRICTED_NO_CLIENT;
		return ERR_NOTFOUND;
	}
	if (e != ERR_OK || x->any)
		return e;
	e = exists(c, sql[SQL_AGENT], x->queue, &there);
	if (e == ERR_OK && !there) {
		x->verdict = RESTRICTED_NO_AGENT;
		return ERR_NOTFOUND;
	}
	return e;
}

/* The names stand in each token of the client, which must fit into a header. */
static enum err
judge_owned(struct db_conn *c, struct adding *x)
{
	struct db_stmt *s;
	int64_t bytes;
	enum err e;

	if ((e = db_query(c, &s, sql[SQL_OWNED], "t", x->client)) != ERR_OK)
		return e;
	bytes = db_int(s, 0);
	db_end(s);
	if (bytes <= OWNED_BYTES_MAX)
		return ERR_OK;
	x->verdict = RESTRICTED_TOO_MANY;
	return ERR_LIMIT;
}

static enum err
add_change(struct db_conn *c, void *arg)
{
	struct adding *x = arg;
	const struct journal_item owner = {"client", x->client, 0, 0};
	enum err e;

	if ((e = judge(c, x)) != ERR_OK)
		return e;
	e = queue_know(c, x->queue, x->max, x->now);
	if (e == ERR_LIMIT)
		x->verdict = RESTRICTED_LIMIT;
	if (e == ERR_OK)
		e = db_exec(c, NULL, sql[SQL_RESTRICT], "t", x->queue);
	if (e == ERR_OK)
		e = db_exec(c, NULL, sql[SQL_OWN], "tt", x->queue, x->client);
	if (e == ERR_OK)
		e = judge_owned(c, x);
	return e == ERR_OK
		   ? journal_add(c, "queue.restricted", x->queue, &owner, 1)
		   : e;
}

enum restricted_verdict
restricted_add(struct svc *s, const char *queue, const char *client, bool any,
    enum err *failure)
{
	struct adding x = {
	    .queue = queue,
	    .client = client,
	    .any = any,
	    .max = conf_int(s->conf, CONF_MAX_QUEUES),
	    .now = clock_now_ms(),
	};

	*failure = db_write(s->db, add_change, &x);
	if (*failure == ERR_OK || x.verdict != RESTRICTED_OK)
		return x.verdict;
	return RESTRICTED_FAILED;
}

static enum err
lift_change(struct db_conn *c, void *arg)
{
	const char *queue = arg;
	int64_t n = 0;
	enum err e;

	e = db_exec(c, &n, sql[SQL_LIFT], "t", queue);
	if (e == ERR_OK && n == 0)
		return ERR_NOTFOUND;
	/* An owner that stayed would own it again when it is restricted anew. */
	if (e == ERR_OK)
		e = db_exec(c, NULL, sql[SQL_DISOWN], "t", queue);
	return e == ERR_OK ? journal_add(c, "queue.released", queue, NULL, 0)
			   : e;
}

enum restricted_verdict
restricted_lift(struct svc *s, const char *queue, enum err *failure)
{
	*failure = db_write(s->db, lift_change, (void *)(uintptr_t)queue);
	if (*failure == ERR_NOTFOUND)
		return RESTRICTED_NOT;
	/* Agents without a token may have its jobs now. */
	if (*failure == ERR_OK)
		wake_say(s->wake, WAKE_QUEUE, queue);
	return *failure == ERR_OK ? RESTRICTED_OK : RESTRICTED_FAILED;
}

/* The object of the queue that s stands on, and s on to the next queue. */
static enum err
put_queue(struct buf *b, struct db_stmt *s)
{
	const char *name, *owner;
	size_t len, n = 0;
	enum err e = ERR_OK;

	name = db_text(s, 0, &len);
	name = arena_dup(b->arena, name, len);
	if (name == NULL)
		return ERR_NOMEM;
	buf_str(b, "{\"owners\":[");
	while (e == ERR_OK && strcmp(db_text(s, 0, NULL), name) == 0) {
		if ((owner = db_text(s, 1, &len)) != NULL) {
			if (n++ > 0)
				buf_char(b, ',');
			js_put_string(b, owner, len);
		}
		e = db_next(s);
	}
	buf_str(b, "],\"queue\":");
	js_put_string(b, name, strlen(name));
	buf_char(b, '}');
	return e;
}

enum err
restricted_read(struct svc *s, struct arena *a, const char *queue,
    const char **json, size_t *len)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	struct buf b;
	enum err e;

	buf_init(&b, a, 256);
	e = db_query(c, &st, sql[SQL_READ], "t", queue);
	if (e == ERR_OK) {
		e = put_queue(&b, st);
		db_end(st);
		if (e == ERR_NOTFOUND)
			e = ERR_OK;
	}
	db_read_end(s->db, c);
	buf_char(&b, '\n');
	*json = b.p;
	*len = b.len;
	return e == ERR_OK && !buf_ok(&b) ? ERR_NOMEM : e;
}

enum err
restricted_list(struct svc *s, struct arena *a, const char **json, size_t *len)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	struct buf b;
	enum err e;

	buf_init(&b, a, 1024);
	buf_char(&b, '[');
	e = db_query(c, &st, sql[SQL_LIST], "");
	while (e == ERR_OK) {
		if (b.len > 1)
			buf_char(&b, ',');
		e = put_queue(&b, st);
	}
	if (st != NULL)
		db_end(st);
	db_read_end(s->db, c);
	buf_str(&b, "]\n");
	*json = b.p;
	*len = b.len;
	if (e != ERR_NOTFOUND)
		return e;
	return buf_ok(&b) ? ERR_OK : ERR_NOMEM;
}
