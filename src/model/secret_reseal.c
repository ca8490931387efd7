/* Sealed values opened and sealed once more, row by row. */

#include "secret_reseal.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"
#include "log.h"
#include "seal.h"

#define BATCH 200

enum { SQL_COUNT, SQL_DELETE, SQL_AFTER, SQL_RESEAL, SQL_ONE, SQL_MOVE };

static const char *const sql[] = {
    [SQL_COUNT] = "SELECT count(*) FROM secret WHERE client = $1",
    [SQL_DELETE] = "DELETE FROM secret WHERE client = $1 AND path = $2",
    [SQL_AFTER] = "SELECT client, path, value FROM secret "
		  "WHERE (client, path) > ($1, $2) "
		  "ORDER BY client, path LIMIT 1",
    [SQL_RESEAL] = "UPDATE secret SET value = $4 "
		   "WHERE client = $1 AND path = $2 AND value = $3",
    [SQL_ONE] = "SELECT path, value FROM secret WHERE client = $1 LIMIT 1",
    [SQL_MOVE] = "UPDATE secret SET client = $3, value = $4 "
		 "WHERE client = $1 AND path = $2",
};

struct rotating {
	struct svc *s;
	struct secret_reseal_place *after;
	int64_t n;
	int64_t lost;
};

/* One secret that another key has sealed. */
static enum err
reseal_one(struct db_conn *c, struct rotating *r, struct arena *a,
    const char *client, const char *path, const char *text)
{
	const char *value, *anew;
	size_t len;
	enum err e;

	e = seal_open_value(r->s->seal, a, client, path, text, &value, &len);
	if (e == ERR_INVALID) {
		r->lost++;
		return ERR_OK;
	}
	if (e != ERR_OK)
		return e;
	anew = seal_close_value(r->s->seal, a, client, path, value, len);
	if (anew == NULL)
		return ERR_NOMEM;
	return db_exec(
	    c, NULL, sql[SQL_RESEAL], "tttt", client, path, text, anew);
}

void
secret_reseal_free(struct secret_reseal_place *p)
{
	free(p->client);
	free(p->path);
	*p = (struct secret_reseal_place){NULL, NULL};
}

/* A copy of text in place of what is in *to. */
static bool
set_text(char **to, const char *text)
{
	char *anew = strdup(text);

	if (anew == NULL)
		return false;
	free(*to);
	*to = anew;
	return true;
}

/* The next one, and *after on it.  Nothing is read on while a row is written: SQLite may
 * then show it a second time. */
static enum err
next_secret(struct db_conn *c, struct secret_reseal_place *after,
    struct arena *a, const char **text)
{
	struct db_stmt *s;
	const char *p;
	size_t len;
	enum err e;

	e = db_query(c, &s, sql[SQL_AFTER], "tt",
	    after->client != NULL ? after->client : "",
	    after->path != NULL ? after->path : "");
	if (e != ERR_OK)
		return e;
	p = db_text(s, 2, &len);
	*text = arena_dup(a, p, len);
	if (*text == NULL || !set_text(&after->client, db_text(s, 0, NULL)) ||
	    !set_text(&after->path, db_text(s, 1, NULL)))
		e = ERR_NOMEM;
	db_end(s);
	return e;
}

static enum err
rotate_change(struct db_conn *c, void *arg)
{
	struct rotating *r = arg;
	struct arena *a = arena_new();
	enum err e = a != NULL ? ERR_OK : ERR_NOMEM;
	const char *text;

	while (e == ERR_OK && r->n < BATCH) {
		e = next_secret(c, r->after, a, &text);
		if (e != ERR_OK)
			break;
		r->n++;
		if (!seal_is_current(r->s->seal, text))
			e = reseal_one(
			    c, r, a, r->after->client, r->after->path, text);
		arena_reset(a);
	}
	arena_free(a);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
secret_reseal(
    struct svc *s, struct secret_reseal_place *after, int64_t *n, int64_t *lost)
{
	struct rotating r = {.s = s, .after = after};
	enum err e = db_write(s->db, rotate_change, &r);

	*n = r.n;
	*lost += r.lost;
	return e;
}

/* Some secret of the client; ERR_NOTFOUND if it has none. */
static enum err
one_secret(struct db_conn *c, struct arena *a, const char *client,
    const char **path, const char **text)
{
	struct db_stmt *s;
	const char *p;
	size_t len;
	enum err e;

	if ((e = db_query(c, &s, sql[SQL_ONE], "t", client)) != ERR_OK)
		return e;
	*path = arena_printf(a, "%s", db_text(s, 0, NULL));
	p = db_text(s, 1, &len);
	*text = arena_dup(a, p, len);
	db_end(s);
	return *path != NULL && *text != NULL ? ERR_OK : ERR_NOMEM;
}

/* One of the secrets of from, the next one each time; ERR_NOTFOUND after the last. */
static enum err
move_one(struct db_conn *c, struct svc *s, struct arena *a, const char *from,
    const char *to)
{
	const char *path, *text, *value, *sealed;
	size_t len;
	enum err e;

	if ((e = one_secret(c, a, from, &path, &text)) != ERR_OK)
		return e;
	e = seal_open_value(s->seal, a, from, path, text, &value, &len);
	if (e == ERR_INVALID) {
		log_warn("the secret %s of %s cannot be opened and is not "
			 "moved to %s",
		    path, from, to);
		return db_exec(c, NULL, sql[SQL_DELETE], "tt", from, path);
	}
	if (e != ERR_OK)
		return e;
	sealed = seal_close_value(s->seal, a, to, path, value, len);
	if (sealed == NULL)
		return ERR_NOMEM;
	return db_exec(c, NULL, sql[SQL_MOVE], "tttt", from, path, to, sealed);
}

static enum err
leave_all(struct db_conn *c, const char *from, const char *to)
{
	struct db_stmt *s;
	enum err e;
	int64_t n;

	if ((e = db_query(c, &s, sql[SQL_COUNT], "t", from)) != ERR_OK)
		return e;
	n = db_int(s, 0);
	db_end(s);
	if (n > 0)
		log_warn("%lld secrets of %s are not moved to %s, for there is "
			 "no key for secrets: set SECRETS_MASTER_KEY again and "
			 "have them written anew",
		    (long long)n, from, to);
	return ERR_OK;
}

enum err
secret_reseal_move(
    struct db_conn *c, struct svc *s, const char *from, const char *to)
{
	struct arena *a;
	enum err e;

	if (s->seal == NULL)
		return leave_all(c, from, to);
	if ((a = arena_new()) == NULL)
		return ERR_NOMEM;
	while ((e = move_one(c, s, a, from, to)) == ERR_OK)
		arena_reset(a);
	arena_free(a);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}
