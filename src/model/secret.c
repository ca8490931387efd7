/* Secrets as rows, and their values in the definition of a job. */

#include "secret.h"

#include <string.h>

#include "clock.h"
#include "field.h"
#include "js_escape.h"
#include "log.h"
#include "seal.h"

#define BATCH 200

enum {
	SQL_KNOWN,
	SQL_COUNT,
	SQL_PUT,
	SQL_DELETE,
	SQL_FIND,
	SQL_HAS,
	SQL_UNSPENT,
	SQL_SPEND,
	SQL_SPENT,
	SQL_PURGE
};

static const char *const sql[] = {
    [SQL_KNOWN] = "SELECT 1 FROM secret WHERE client = $1 AND path = $2",
    [SQL_COUNT] = "SELECT count(*) FROM secret WHERE client = $1",
    [SQL_PUT] = "INSERT INTO secret (client, path, value, ephemeral, "
		"expires_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6) "
		"ON CONFLICT (client, path) DO UPDATE SET "
		"value = excluded.value, ephemeral = excluded.ephemeral, "
		"expires_at = excluded.expires_at, "
		"updated_at = excluded.updated_at",
    [SQL_DELETE] = "DELETE FROM secret WHERE client = $1 AND path = $2",
    [SQL_FIND] = "SELECT value FROM secret WHERE client = $1 AND path = $2 "
		 "AND (expires_at IS NULL OR expires_at > $3)",
    [SQL_HAS] = "SELECT 1 FROM secret WHERE client = $1 AND path = $2 "
		"AND (expires_at IS NULL OR expires_at > $3) "
		"AND ephemeral <= $4",
    [SQL_UNSPENT] = "SELECT client_id, body FROM job WHERE id = $1 "
		    "AND secrets = 1 AND secrets_spent = 0 "
		    "AND (started_at IS NOT NULL OR ended_at IS NOT NULL)",
    [SQL_SPEND] = "DELETE FROM secret WHERE client = $1 AND path = $2 "
		  "AND ephemeral = 1",
    [SQL_SPENT] = "UPDATE job SET secrets_spent = 1 WHERE id = $1",
    [SQL_PURGE] = "DELETE FROM secret WHERE (client, path) IN "
		  "(SELECT client, path FROM secret "
		  "WHERE expires_at <= $1 LIMIT $2)",
};

bool
secret_path_ok(const char *path)
{
	static const char word[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	size_t n;

	for (;;) {
		n = strspn(path, word);
		if (n == 0)
			return false;
		path += n;
		if (*path == '\0')
			return true;
		if (*path++ != '/')
			return false;
	}
}

struct putting {
	const struct secret_new *n;
	const char *sealed;
	int64_t now;
};

static enum err
admit(struct db_conn *c, const struct secret_new *n)
{
	struct db_stmt *s;
	int64_t known;
	enum err e;

	e = db_query(c, &s, sql[SQL_KNOWN], "tt", n->client, n->path);
	if (e == ERR_OK)
		db_end(s);
	if (e != ERR_NOTFOUND)
		return e;
	if ((e = db_query(c, &s, sql[SQL_COUNT], "t", n->client)) != ERR_OK)
		return e;
	known = db_int(s, 0);
	db_end(s);
	return known >= SECRETS_MAX ? ERR_LIMIT : ERR_OK;
}

static enum err
put_change(struct db_conn *c, void *arg)
{
	const struct putting *p = arg;
	enum err e = admit(c, p->n);

	if (e != ERR_OK)
		return e;
	if (p->n->expires_at == 0)
		return db_exec(c, NULL, sql[SQL_PUT], "tttini", p->n->client,
		    p->n->path, p->sealed, (int64_t)p->n->ephemeral, p->now);
	return db_exec(c, NULL, sql[SQL_PUT], "tttiii", p->n->client,
	    p->n->path, p->sealed, (int64_t)p->n->ephemeral, p->n->expires_at,
	    p->now);
}

enum err
secret_put(struct svc *s, struct arena *a, const struct secret_new *n)
{
	struct putting p = {.n = n, .now = clock_now_ms()};

	p.sealed =
	    seal_close_value(s->seal, a, n->client, n->path, n->value, n->len);
	return p.sealed != NULL ? db_write(s->db, put_change, &p) : ERR_NOMEM;
}

struct place {
	const char *client;
	const char *path;
};

static enum err
delete_change(struct db_conn *c, void *arg)
{
	const struct place *p = arg;

	return db_exec(c, NULL, sql[SQL_DELETE], "tt", p->client, p->path);
}

enum err
secret_delete(struct svc *s, const char *client, const char *path)
{
	struct place p = {client, path};

	return db_write(s->db, delete_change, &p);
}

enum err
secret_missing(struct svc *s, struct arena *a, const char *client,
    const char *const *paths, size_t n, bool lasting, const char **missing)
{
	struct db_conn *c = db_read(s->db);
	int64_t now = clock_now_ms();
	struct db_stmt *st;
	enum err e = ERR_OK;
	struct buf b;
	size_t i;

	buf_init(&b, a, 128);
	for (i = 0; i < n && (e == ERR_OK || e == ERR_NOTFOUND); i++) {
		e = db_query(c, &st, sql[SQL_HAS], "ttii", client, paths[i],
		    now, (int64_t)!lasting);
		if (e == ERR_OK)
			db_end(st);
		if (e != ERR_NOTFOUND)
			continue;
		if (b.len > 0)
			buf_str(&b, ", ");
		buf_str(&b, paths[i]);
	}
	db_read_end(s->db, c);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	*missing = b.len > 0 ? b.p : NULL;
	return buf_ok(&b) ? ERR_OK : ERR_NOMEM;
}

/* The sealed text; NULL if there is none, with a word why. */
static const char *
find(struct svc *s, struct arena *a, const char *client, const char *path,
    const char **why)
{
	struct db_conn *c = db_read(s->db);
	const char *text, *copy = NULL;
	struct db_stmt *st;
	size_t len;
	enum err e;

	e = db_query(
	    c, &st, sql[SQL_FIND], "tti", client, path, clock_now_ms());
	*why = e == ERR_NOTFOUND ? "there is none" : err_text(e);
	if (e == ERR_OK) {
		text = db_text(st, 0, &len);
		copy = arena_dup(a, text, len);
		db_end(st);
	}
	db_read_end(s->db, c);
	return copy;
}

/* A value as a JSON string, "" if it cannot be had. */
static void
put_value(struct buf *b, struct svc *s, const struct id *id, const char *client,
    const char *path)
{
	const char *text, *value = "", *why = "there is no key";
	size_t len = 0;

	if (s->seal == NULL ||
	    (text = find(s, b->arena, client, path, &why)) == NULL)
		text = NULL;
	else if (seal_open_value(s->seal, b->arena, client, path, text, &value,
		     &len) != ERR_OK) {
		why = "no key opens it";
		text = NULL;
	}
	if (text == NULL)
		log_warn("job %s: the secret %s of %s is handed out empty: %s",
		    id->text, path,
		    client[0] != '\0' ? client : "a client that was removed",
		    why);
	js_put_string(b, value, len);
}

/* Key of the i-th member of an object that is written anew. */
static void
put_key(struct buf *b, size_t i, const struct js_member *m)
{
	buf_char(b, i == 0 ? '{' : ',');
	buf_add(b, m->raw_key.p, m->raw_key.len);
	buf_char(b, ':');
}

/* The object at span, for its members to be looked at. */
static bool
scan(struct js_doc *d, struct arena *a, struct js_span span)
{
	struct js_fault where;

	return js_scan(d, a, span.p, span.len, &where) == ERR_OK &&
	       d->kind == JS_OBJECT;
}

/* The paths in test_data.secrets of a definition; false if there is no such map. */
static bool
find_secrets(struct arena *a, const char *body, size_t len, struct js_doc *doc,
    struct js_doc *test, struct js_doc *secrets)
{
	const struct js_member *m;

	return scan(doc, a, (struct js_span){body, len}) &&
	       (m = js_find(doc, "test_data")) != NULL &&
	       scan(test, a, m->value) &&
	       (m = js_find(test, "secrets")) != NULL &&
	       scan(secrets, a, m->value);
}

static void
put_secrets(struct buf *b, struct svc *s, const struct id *id,
    const char *client, const struct js_doc *secrets)
{
	const char *path;
	size_t i, len;

	for (i = 0; i < secrets->n_members; i++) {
		put_key(b, i, &secrets->members[i]);
		path = js_string(b->arena, &secrets->members[i], &len);
		put_value(b, s, id, client, path != NULL ? path : "");
	}
	buf_str(b, secrets->n_members == 0 ? "{}" : "}");
}

/* The object d, but its member "in" as it has been written to new_value. */
static void
put_changed(struct buf *b, const struct js_doc *d, const struct js_member *in,
    const struct buf *new_value)
{
	size_t i;

	for (i = 0; i < d->n_members; i++) {
		put_key(b, i, &d->members[i]);
		if (&d->members[i] == in)
			buf_add(b, new_value->p, new_value->len);
		else
			buf_add(
			    b, d->members[i].value.p, d->members[i].value.len);
	}
	buf_char(b, '}');
	b->failed = b->failed || !buf_ok(new_value);
}

enum err
secret_fill(struct svc *s, struct arena *a, const struct id *id,
    const char *client, const char *body, size_t len, const char **out,
    size_t *out_len)
{
	struct js_doc doc, test, secrets;
	struct buf values, section, whole;

	*out = body;
	*out_len = len;
	if (!find_secrets(a, body, len, &doc, &test, &secrets))
		return ERR_OK;
	buf_init(&values, a, 1024);
	put_secrets(&values, s, id, client, &secrets);
	buf_init(&section, a, test.text.len + values.len);
	put_changed(&section, &test, js_find(&test, "secrets"), &values);
	buf_init(&whole, a, len + values.len);
	put_changed(&whole, &doc, js_find(&doc, "test_data"), &section);
	*out = whole.p;
	*out_len = whole.len;
	return buf_ok(&whole) ? ERR_OK : ERR_NOMEM;
}

static enum err
spend_all(struct db_conn *c, struct arena *a, const char *client,
    const char *body, size_t len)
{
	struct js_doc doc, test, secrets;
	const char *path;
	enum err e = ERR_OK;
	size_t i, n;

	if (!find_secrets(a, body, len, &doc, &test, &secrets))
		return ERR_OK;
	for (i = 0; i < secrets.n_members && e == ERR_OK; i++) {
		path = js_string(a, &secrets.members[i], &n);
		e = path == NULL
			? ERR_NOMEM
			: db_exec(c, NULL, sql[SQL_SPEND], "tt", client, path);
	}
	return e;
}

enum err
secret_spend(struct db_conn *c, const char *job_id)
{
	const char *client, *body;
	struct db_stmt *s;
	struct arena *a;
	size_t len, n;
	enum err e;

	e = db_query(c, &s, sql[SQL_UNSPENT], "t", job_id);
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	a = arena_new();
	if (a != NULL) {
		client = db_text(s, 0, &n);
		client = arena_dup(a, client, n);
		body = db_text(s, 1, &len);
		body = arena_dup(a, body, len);
		e = client != NULL && body != NULL ? ERR_OK : ERR_NOMEM;
	}
	db_end(s);
	if (a == NULL)
		return ERR_NOMEM;
	if (e == ERR_OK)
		e = spend_all(c, a, client, body, len);
	arena_free(a);
	if (e != ERR_OK)
		return e;
	return db_exec(c, NULL, sql[SQL_SPENT], "t", job_id);
}

struct purging {
	int64_t now;
	int64_t n;
};

static enum err
purge_change(struct db_conn *c, void *arg)
{
	struct purging *p = arg;

	return db_exec(c, &p->n, sql[SQL_PURGE], "ii", p->now, (int64_t)BATCH);
}

enum err
secret_purge(struct svc *s, int64_t *n)
{
	struct purging p = {.now = clock_now_ms()};
	enum err e = db_write(s->db, purge_change, &p);

	*n = p.n;
	return e;
}
