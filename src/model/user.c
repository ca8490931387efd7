/* People as rows of client with a sub. */

#include "user.h"

#include <string.h>

#include "address.h"
#include "client.h"
#include "clock.h"
#include "journal.h"
#include "secret_reseal.h"

#define UNSEEN_MAX_MS (90 * INT64_C(86400000))
#define SWEEP_MAX 50

enum {
	SQL_FIND,
	SQL_TAKEN,
	SQL_ADD,
	SQL_SEEN,
	SQL_UNNAME,
	SQL_COPY,
	SQL_MOVE_QUEUES,
	SQL_MOVE_TOKENS,
	SQL_MOVE_JOBS,
	SQL_DROP,
	SQL_UNSEEN
};

static const char *const sql[] = {
    [SQL_FIND] = "SELECT id FROM client WHERE sub = $1",
    [SQL_TAKEN] = "SELECT 1 FROM client WHERE id = $1",
    [SQL_ADD] = "INSERT INTO client (id, role, sub, name, created_at, "
		"last_login) VALUES ($1, 'contributor', $2, $3, $4, $4)",
    [SQL_SEEN] = "UPDATE client SET name = $2, last_login = $3 WHERE id = $1",
    [SQL_UNNAME] = "UPDATE client SET sub = NULL WHERE id = $1",
    [SQL_COPY] = "INSERT INTO client (id, secret_hash, role, max_priority, "
		 "max_reservation_time, email, sub, name, created_at, "
		 "last_login) SELECT $2, secret_hash, role, max_priority, "
		 "max_reservation_time, email, $3, name, created_at, "
		 "last_login FROM client WHERE id = $1",
    [SQL_MOVE_QUEUES] = "UPDATE client_queue SET client = $2 WHERE client = $1",
    [SQL_MOVE_TOKENS] =
	"UPDATE refresh_token SET client = $2 WHERE client = $1",
    [SQL_MOVE_JOBS] = "UPDATE job SET client_id = $2 "
		      "WHERE client_id = $1 AND ended_at IS NULL",
    [SQL_DROP] = "DELETE FROM client WHERE id = $1",
    [SQL_UNSEEN] = "SELECT id FROM client WHERE sub IS NOT NULL "
		   "AND secret_hash IS NULL AND last_login < $1 LIMIT 1",
};

struct signing {
	struct svc *s;
	struct arena *a;
	const struct user *u;
	const char *former; /* id, if it is another now */
	int64_t now;
	enum user_verdict verdict;
};

static enum err
is_taken(struct db_conn *c, const char *id, bool *taken)
{
	struct db_stmt *s;
	enum err e = db_query(c, &s, sql[SQL_TAKEN], "t", id);

	if (e == ERR_OK)
		db_end(s);
	*taken = e == ERR_OK;
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Give the client another id, and with it all that is its own. */
static enum err
rename_client(struct db_conn *c, const struct signing *g, const char *from)
{
	static const unsigned moves[] = {
	    SQL_MOVE_QUEUES, SQL_MOVE_TOKENS, SQL_MOVE_JOBS};
	const char *to = g->u->email;
	size_t i;
	enum err e;

	if ((e = client_disown(c, to)) != ERR_OK)
		return e;
	/* Its sub must be free before the other row has it. */
	e = db_exec(c, NULL, sql[SQL_UNNAME], "t", from);
	if (e == ERR_OK)
		e = db_exec(c, NULL, sql[SQL_COPY], "ttt", from, to, g->u->sub);
	for (i = 0; e == ERR_OK && i < sizeof(moves) / sizeof(moves[0]); i++)
		e = db_exec(c, NULL, sql[moves[i]], "tt", from, to);
	if (e == ERR_OK)
		e = secret_reseal_move(c, g->s, from, to);
	return e == ERR_OK ? db_exec(c, NULL, sql[SQL_DROP], "t", from) : e;
}

static enum err
add(struct db_conn *c, const struct signing *g)
{
	const struct user *u = g->u;
	enum err e = client_disown(c, u->email);

	if (e == ERR_OK)
		e = db_exec(c, NULL, sql[SQL_ADD], "ttti", u->email, u->sub,
		    u->name, g->now);
	return e == ERR_OK ? journal_add(c, "client.created", u->email, NULL, 0)
			   : e;
}

static enum err
sign_in(struct db_conn *c, void *arg)
{
	struct signing *g = arg;
	const struct user *u = g->u;
	const char *id = NULL;
	struct db_stmt *s;
	bool taken = false;
	enum err e;

	e = db_query(c, &s, sql[SQL_FIND], "t", u->sub);
	if (e == ERR_OK) {
		id = arena_printf(g->a, "%s", db_text(s, 0, NULL));
		db_end(s);
		if (id == NULL)
			return ERR_NOMEM;
	} else if (e != ERR_NOTFOUND) {
		return e;
	}
	g->verdict = USER_KNOWN;
	if (id != NULL && strcmp(id, u->email) == 0)
		return db_exec(
		    c, NULL, sql[SQL_SEEN], "tti", u->email, u->name, g->now);
	if ((e = is_taken(c, u->email, &taken)) != ERR_OK)
		return e;
	g->verdict = taken ? USER_TAKEN : id == NULL ? USER_NEW : USER_RENAMED;
	if (g->verdict == USER_NEW)
		return add(c, g);
	g->former = id;
	if (g->verdict == USER_RENAMED &&
	    (e = rename_client(c, g, id)) == ERR_OK)
		e = db_exec(
		    c, NULL, sql[SQL_SEEN], "tti", u->email, u->name, g->now);
	return e;
}

enum user_verdict
user_sign_in(struct svc *s, struct arena *a, const struct user *u,
    const char **former, enum err *failure)
{
	struct signing g = {.s = s, .a = a, .u = u, .now = clock_now_ms()};

	if (!address_is_email(u->email, strlen(u->email)) ||
	    client_id_fault(u->email) != NULL ||
	    strcmp(u->email, CLIENT_SYSTEM) == 0)
		return USER_BAD_EMAIL;
	*failure = db_write(s->db, sign_in, &g);
	*former = g.former;
	return *failure == ERR_OK ? g.verdict : USER_FAILED;
}

struct sweep {
	struct arena *a;
	int64_t before, n;
};

static enum err
sweep(struct db_conn *c, void *arg)
{
	struct sweep *w = arg;
	struct db_stmt *s;
	const char *id;
	enum err e = ERR_OK;

	for (w->n = 0; e == ERR_OK && w->n < SWEEP_MAX; w->n++) {
		e = db_query(c, &s, sql[SQL_UNSEEN], "i", w->before);
		if (e != ERR_OK)
			break;
		id = arena_printf(w->a, "%s", db_text(s, 0, NULL));
		db_end(s);
		e = id != NULL ? client_erase(c, id) : ERR_NOMEM;
	}
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
user_sweep(struct svc *s, int64_t *n)
{
	struct sweep w = {.before = clock_now_ms() - UNSEEN_MAX_MS};
	enum err e = ERR_NOMEM;

	if ((w.a = arena_new()) != NULL)
		e = db_write(s->db, sweep, &w);
	arena_free(w.a);
	*n = e == ERR_OK ? w.n : 0;
	return e;
}
