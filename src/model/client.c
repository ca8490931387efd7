/* Clients as rows. */

#include "client.h"

#include <string.h>
#include <strings.h>

#include "auth.h"
#include "bcrypt.h"
#include "clock.h"
#include "column.h"
#include "journal.h"
#include "js_escape.h"
#include "queue.h"

enum {
	SQL_READ,
	SQL_LIST,
	SQL_JUDGE,
	SQL_ADD,
	SQL_CHANGE,
	SQL_REMOVE,
	SQL_REMOVE_SECRETS,
	SQL_DISOWN_JOBS
};

/* A row for each queue that the client owns, one without a queue if it owns none. */
#define CLIENT_COLUMNS                                                         \
	"SELECT c.id, c.secret_hash, c.role, c.sub, c.max_priority, "          \
	"c.max_reservation_time, c.email, q.queue "                            \
	"FROM client c LEFT JOIN client_queue q ON q.client = c.id "

static const char *const sql[] = {
    [SQL_READ] = CLIENT_COLUMNS "WHERE c.id = $1 ORDER BY q.queue",
    [SQL_LIST] = CLIENT_COLUMNS "ORDER BY c.id, q.queue",
    [SQL_JUDGE] = "SELECT role, sub FROM client WHERE id = $1",
    [SQL_ADD] = "INSERT INTO client (id, secret_hash, role, max_priority, "
		"max_reservation_time, email, created_at) "
		"VALUES ($1, $2, $3, $4, $5, $6, $7)",
    [SQL_CHANGE] = "UPDATE client SET "
		   "secret_hash = coalesce($2, secret_hash), "
		   "role = coalesce($3, role), "
		   "max_priority = coalesce($4, max_priority), "
		   "max_reservation_time = "
		   "coalesce($5, max_reservation_time), "
		   "email = coalesce($6, email) WHERE id = $1",
    [SQL_REMOVE] = "DELETE FROM client WHERE id = $1",
    [SQL_REMOVE_SECRETS] = "DELETE FROM secret WHERE client = $1",
    [SQL_DISOWN_JOBS] = ("UPDATE job SET client_id = '' "
			 "WHERE client_id = $1 AND ended_at IS NULL"),
};

/* As in a record, where a name that nobody knows stands for the default. */
static unsigned
stored_role(struct db_stmt *s, int column)
{
	unsigned role = auth_role(db_text(s, column, NULL));

	return role != 0 ? role : ROLE_CONTRIBUTOR;
}

const char *
client_id_fault(const char *id)
{
	/* A colon ends the id where credentials are sent (RFC 7617, section 2), and a
	 * slash or a dot alone cannot stand for one in a path. */
	if (strpbrk(id, ":/") != NULL)
		return "Must not contain a colon or a slash.";
	if (strcmp(id, ".") == 0 || strcmp(id, "..") == 0)
		return "Must not be a dot or two.";
	return name_fault(id, strlen(id));
}

/* Of valid UTF-8. */
static size_t
characters(const char *s, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++)
		n += ((unsigned char)s[i] & 0xc0) != 0x80;
	return n;
}

const char *
client_secret_fault(const char *secret, size_t len)
{
	if (memchr(secret, '\0', len) != NULL)
		return "Must not contain NUL.";
	if (characters(secret, len) < BCRYPT_SECRET_MIN)
		return "Shorter than minimum length 15.";
	return len > BCRYPT_SECRET_MAX ? "Longer than maximum length 72."
				       : NULL;
}

static void
put_map(struct buf *b, const char *key, struct db_stmt *s, int column)
{
	const char *p = db_text(s, column, NULL);

	if (p != NULL)
		buf_printf(b, "\"%s\":%s,", key, p);
}

/* The object of the client that s stands on, and s on to the next client. */
static enum err
put_client(struct buf *b, struct arena *a, struct db_stmt *s)
{
	const char *id = arena_printf(a, "%s", db_text(s, 0, NULL)), *p;
	struct buf tail;
	unsigned n = 0;
	size_t len;
	enum err e = ERR_OK;

	/* What follows the queues, for those come with further rows. */
	buf_init(&tail, a, 256);
	column_put(&tail, "client_id", s, 0);
	column_put(&tail, "email", s, 6);
	put_map(&tail, "max_priority", s, 4);
	put_map(&tail, "max_reservation_time", s, 5);
	buf_printf(
	    &tail, "\"role\":\"%s\"}", auth_role_name(stored_role(s, 2)));
	buf_char(b, '{');
	while (
	    e == ERR_OK && id != NULL && strcmp(db_text(s, 0, NULL), id) == 0) {
		if ((p = db_text(s, 7, &len)) != NULL) {
			buf_str(b, n++ == 0 ? "\"allowed_queues\":[" : ",");
			js_put_string(b, p, len);
		}
		e = db_next(s);
	}
	if (n > 0)
		buf_str(b, "],");
	buf_add(b, tail.p, tail.len);
	return id != NULL && buf_ok(&tail) ? e : ERR_NOMEM;
}

static enum err
read_one(struct db_stmt *s, struct arena *a, struct client *out)
{
	bool failed = false;
	struct buf b;
	enum err e;

	out->id = column_text(a, s, 0, NULL, &failed);
	out->hash = column_text(a, s, 1, NULL, &failed);
	if (failed)
		return ERR_NOMEM;
	out->role = stored_role(s, 2);
	out->role_name = auth_role_name(out->role);
	out->oidc = !db_is_null(s, 3);
	buf_init(&b, a, 256);
	e = put_client(&b, a, s);
	if (e == ERR_OK || e == ERR_NOTFOUND)
		e = buf_ok(&b) ? ERR_OK : ERR_NOMEM;
	out->json = b.p;
	out->json_len = b.len;
	return e;
}

enum err
client_read(struct svc *s, struct arena *a, const char *id, struct client *out)
{
	struct db_conn *c = db_read(s->db);
	struct client found;
	struct db_stmt *st;
	enum err e;

	e = db_query(c, &st, sql[SQL_READ], "t", id);
	if (e == ERR_OK) {
		e = read_one(st, a, &found);
		db_end(st);
	}
	db_read_end(s->db, c);
	if (e == ERR_OK)
		*out = found;
	return e;
}

enum err
client_list(struct svc *s, struct arena *a, const char **json, size_t *len)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	struct buf b;
	enum err e;

	buf_init(&b, a, 4096);
	buf_char(&b, '[');
	e = db_query(c, &st, sql[SQL_LIST], "");
	while (e == ERR_OK) {
		if (b.len > 1)
			buf_char(&b, ',');
		e = put_client(&b, a, st);
	}
	if (st != NULL)
		db_end(st);
	db_read_end(s->db, c);
	buf_str(&b, "]\n");
	if (e != ERR_NOTFOUND)
		return e;
	*json = b.p;
	*len = b.len;
	return buf_ok(&b) ? ERR_OK : ERR_NOMEM;
}

struct putting {
	const char *id;
	const struct client_change *ch;
	const char *hash; /* NULL: no new secret */
	unsigned by_role;
	unsigned role; /* of the client as it is; 0: it is new */
	enum client_verdict verdict;
};

/* May it be, as the store stands?  Both before the secret is hashed, which is dear, and
 * with the change itself, before which the client may have changed. */
static enum err
judge(struct db_conn *c, struct putting *p)
{
	struct db_stmt *s;
	bool oidc = false;
	enum err e;

	p->role = 0;
	e = db_query(c, &s, sql[SQL_JUDGE], "t", p->id);
	if (e == ERR_OK) {
		p->role = stored_role(s, 0);
		oidc = !db_is_null(s, 1);
		db_end(s);
	} else if (e != ERR_NOTFOUND) {
		return e;
	}
	if (oidc && (p->ch->email != NULL || p->ch->secret != NULL))
		p->verdict = CLIENT_OIDC;
	else if (p->role == 0 && p->ch->secret == NULL)
		p->verdict = CLIENT_NO_SECRET;
	else if (p->role != 0 && auth_below(p->by_role, p->role))
		p->verdict = CLIENT_ABOVE;
	else if (p->ch->role != 0 && auth_below(p->by_role, p->ch->role))
		p->verdict = CLIENT_ROLE_ABOVE;
	else
		p->verdict = p->role == 0 ? CLIENT_CREATED : CLIENT_UPDATED;
	return ERR_OK;
}

/* The journal has which permissions were set, and the role; never a secret. */
static enum err
note_change(struct db_conn *c, const struct putting *p)
{
	const struct client_change *ch = p->ch;
	const struct journal_item set[] = {
	    {"role", ch->role != 0 ? auth_role_name(ch->role) : NULL, 0, 0},
	    {"max_priority", ch->max_priority, 0, 0},
	    {"max_reservation_time", ch->max_reservation_time, 0, 0},
	    {"secret", ch->secret != NULL ? "new" : NULL, 0, 0},
	};
	struct journal_item items[sizeof(set) / sizeof(set[0])];
	size_t i, n = 0;

	for (i = 0; i < sizeof(set) / sizeof(set[0]); i++)
		if (set[i].text != NULL)
			items[n++] = set[i];
	return journal_add(c,
	    p->verdict == CLIENT_CREATED ? "client.created" : "client.updated",
	    p->id, items, n);
}

static enum err
put(struct db_conn *c, void *arg)
{
	struct putting *p = arg;
	const struct client_change *ch = p->ch;
	enum err e;

	if ((e = judge(c, p)) != ERR_OK)
		return e;
	if (p->verdict == CLIENT_CREATED &&
	    (e = client_disown(c, p->id)) != ERR_OK)
		return e;
	if (p->verdict == CLIENT_CREATED)
		e = db_exec(c, NULL, sql[SQL_ADD], "tttttti", p->id, p->hash,
		    auth_role_name(ch->role != 0 ? ch->role : ROLE_CONTRIBUTOR),
		    ch->max_priority, ch->max_reservation_time, ch->email,
		    clock_now_ms());
	else if (p->verdict == CLIENT_UPDATED)
		e = db_exec(c, NULL, sql[SQL_CHANGE], "tttttt", p->id, p->hash,
		    ch->role != 0 ? auth_role_name(ch->role) : NULL,
		    ch->max_priority, ch->max_reservation_time, ch->email);
	else
		return ERR_OK;
	return e == ERR_OK ? note_change(c, p) : e;
}

static enum err
hash_secret(const char *secret, char hash[BCRYPT_LEN + 1])
{
	enum err e;

	if ((e = bcrypt_enter()) != ERR_OK)
		return e;
	e = bcrypt_hash(secret, hash);
	bcrypt_leave();
	return e;
}

enum client_verdict
client_put(struct svc *s, const char *id, const struct client_change *ch,
    unsigned by_role, const char **role, enum err *failure)
{
	struct putting p = {.id = id, .ch = ch, .by_role = by_role};
	struct db_conn *c = db_read(s->db);
	char hash[BCRYPT_LEN + 1];
	enum err e;

	e = judge(c, &p);
	db_read_end(s->db, c);
	if (e == ERR_OK && p.verdict >= CLIENT_CREATED) {
		if (ch->secret != NULL) {
			e = hash_secret(ch->secret, hash);
			p.hash = hash;
		}
		if (e == ERR_OK)
			e = db_write(s->db, put, &p);
	}
	if (e != ERR_OK) {
		*failure = e;
		return CLIENT_FAILED;
	}
	if (p.verdict >= CLIENT_CREATED && ch->role != 0)
		p.role = ch->role;
	*role = auth_role_name(p.role != 0 ? p.role : ROLE_CONTRIBUTOR);
	return p.verdict;
}

enum err
client_disown(struct db_conn *c, const char *id)
{
	enum err e = db_exec(c, NULL, sql[SQL_REMOVE_SECRETS], "t", id);

	return e == ERR_OK ? db_exec(c, NULL, sql[SQL_DISOWN_JOBS], "t", id)
			   : e;
}

enum err
client_erase(struct db_conn *c, const char *id)
{
	int64_t n = 0;
	enum err e;

	if ((e = client_disown(c, id)) != ERR_OK)
		return e;
	/* Tokens and owned queues go with the row (ON DELETE CASCADE). */
	if ((e = db_exec(c, &n, sql[SQL_REMOVE], "t", id)) != ERR_OK)
		return e;
	if (n == 0)
		return ERR_NOTFOUND;
	return journal_add(c, "client.removed", id, NULL, 0);
}

static enum err
erase(struct db_conn *c, void *arg)
{
	return client_erase(c, arg);
}

enum err
client_remove(struct svc *s, const char *id)
{
	return db_write(s->db, erase, (void *)(uintptr_t)id);
}
