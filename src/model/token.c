/* Refresh tokens as rows. */

#include "token.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "rand_text.h"

#define HASH_LEN 64 /* SHA-256 in hexadecimal */
#define UNUSED_MAX_MS (90 * INT64_C(86400000))
/* So long an expired token is told from an unknown one. */
#define EXPIRED_KEPT_MS INT64_C(86400000)
/* The time of use is to tell what nobody uses any more: a minute is exact enough. */
#define USE_NOTED_MS 60000
#define SWEEP_MAX 500

enum {
	SQL_ADD,
	SQL_FIND,
	SQL_USED,
	SQL_REVOKE,
	SQL_SWEEP_UNUSED,
	SQL_SWEEP_EXPIRED
};

static const char *const sql[] = {
    [SQL_ADD] = "INSERT INTO refresh_token "
		"(hash, client, issued_at, expires_at, last_used_at, revoked) "
		"VALUES ($1, $2, $3, $4, $3, 0)",
    [SQL_FIND] = "SELECT client, expires_at, last_used_at, revoked "
		 "FROM refresh_token WHERE hash = $1",
    [SQL_USED] = "UPDATE refresh_token SET last_used_at = $2 WHERE hash = $1",
    [SQL_REVOKE] =
	"UPDATE refresh_token SET revoked = 1 WHERE hash = $1 AND revoked = 0",
    [SQL_SWEEP_UNUSED] = "DELETE FROM refresh_token WHERE hash IN (SELECT hash "
			 "FROM refresh_token WHERE last_used_at < $1 LIMIT $2)",
    [SQL_SWEEP_EXPIRED] =
	"DELETE FROM refresh_token WHERE hash IN (SELECT hash "
	"FROM refresh_token WHERE expires_at < $1 LIMIT $2)",
};

static void
hash_of(const char *token, char out[HASH_LEN + 1])
{
	unsigned char h[crypto_hash_sha256_BYTES];

	(void)crypto_hash_sha256(
	    h, (const unsigned char *)token, (unsigned long long)strlen(token));
	(void)sodium_bin2hex(out, HASH_LEN + 1, h, sizeof(h));
}

void
token_id(const char *token, char out[TOKEN_ID_LEN + 1])
{
	char hash[HASH_LEN + 1];

	hash_of(token, hash);
	memcpy(out, hash, TOKEN_ID_LEN);
	out[TOKEN_ID_LEN] = '\0';
}

struct issue {
	char hash[HASH_LEN + 1];
	const char *client;
	int64_t now, until;
};

static enum err
add(struct db_conn *c, void *arg)
{
	const struct issue *i = arg;

	return db_exec(c, NULL, sql[SQL_ADD], "ttii", i->hash, i->client,
	    i->now, i->until);
}

enum err
token_issue(struct svc *s, const char *client, char out[TOKEN_LEN + 1])
{
	struct issue i = {.client = client, .now = clock_now_ms()};
	enum err e;

	if ((e = rand_text(out, TOKEN_LEN)) != ERR_OK)
		return e;
	hash_of(out, i.hash);
	i.until = i.now + conf_int(s->conf, CONF_REFRESH_TOKEN_LIFE) * 1000;
	return db_write(s->db, add, &i);
}

struct use {
	char hash[HASH_LEN + 1];
	int64_t now;
};

static enum err
note_use(struct db_conn *c, void *arg)
{
	const struct use *u = arg;

	return db_exec(c, NULL, sql[SQL_USED], "ti", u->hash, u->now);
}

/* Lost in a crash it is made good by the next use. */
static void
used(struct svc *s, const char *hash, int64_t now)
{
	struct use *u = malloc(sizeof(*u));

	if (u == NULL)
		return;
	memcpy(u->hash, hash, sizeof(u->hash));
	u->now = now;
	(void)db_write_later(s->db, note_use, u);
}

enum token_verdict
token_use(struct svc *s, struct arena *a, const char *token,
    const char **client, enum err *failure)
{
	struct db_conn *c = db_read(s->db);
	enum token_verdict v = TOKEN_GOOD;
	int64_t now = clock_now_ms(), last = 0;
	char hash[HASH_LEN + 1];
	struct db_stmt *st;
	enum err e;

	hash_of(token, hash);
	e = db_query(c, &st, sql[SQL_FIND], "t", hash);
	if (e == ERR_OK) {
		*client = arena_printf(a, "%s", db_text(st, 0, NULL));
		last = db_int(st, 2);
		if (db_int(st, 3) != 0)
			v = TOKEN_REVOKED;
		else if (db_int(st, 1) <= now)
			v = TOKEN_EXPIRED;
		db_end(st);
	}
	db_read_end(s->db, c);
	if (e == ERR_NOTFOUND)
		return TOKEN_UNKNOWN;
	if (e == ERR_OK && *client == NULL)
		e = ERR_NOMEM;
	if (e != ERR_OK) {
		*failure = e;
		return TOKEN_FAILED;
	}
	if (v == TOKEN_GOOD && now - last >= USE_NOTED_MS)
		used(s, hash, now);
	return v;
}

static enum err
revoke(struct db_conn *c, void *arg)
{
	const char *hash = arg;
	struct db_stmt *s;
	int64_t n = 0;
	enum err e;

	e = db_exec(c, &n, sql[SQL_REVOKE], "t", hash);
	if (e != ERR_OK || n > 0)
		return e;
	if ((e = db_query(c, &s, sql[SQL_FIND], "t", hash)) != ERR_OK)
		return e;
	db_end(s);
	return ERR_CONFLICT;
}

enum err
token_revoke(struct svc *s, const char *token)
{
	char hash[HASH_LEN + 1];

	hash_of(token, hash);
	return db_write(s->db, revoke, hash);
}

struct sweep {
	int64_t now;
	int64_t n;
};

static enum err
sweep(struct db_conn *c, void *arg)
{
	struct sweep *w = arg;
	int64_t unused = 0, expired = 0;
	enum err e;

	e = db_exec(c, &unused, sql[SQL_SWEEP_UNUSED], "ii",
	    w->now - UNUSED_MAX_MS, (int64_t)SWEEP_MAX);
	if (e == ERR_OK)
		e = db_exec(c, &expired, sql[SQL_SWEEP_EXPIRED], "ii",
		    w->now - EXPIRED_KEPT_MS, (int64_t)SWEEP_MAX);
	w->n = unused + expired;
	return e;
}

enum err
token_sweep(struct svc *s, int64_t *n)
{
	struct sweep w = {.now = clock_now_ms()};
	enum err e;

	e = db_write(s->db, sweep, &w);
	*n = e == ERR_OK ? w.n : 0;
	return e;
}
