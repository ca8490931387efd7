/* The driver: statements and groups of changes.  What else it is made of is in lite_*.c. */

#include <assert.h>
#include <sqlite3.h>

#include "db_driver.h"
#include "lite.h"
#include "lite_conn.h"
#include "lite_damage.h"
#include "lite_err.h"
#include "lite_lock.h"
#include "lite_log.h"
#include "lite_migrate.h"
#include "lite_verify.h"
#include "log.h"

static enum err
lite_open(struct db_conn **out, const char *where, bool writes)
{
	struct lite *l;
	enum err e;

	if ((e = lite_conn_open(&l, where, writes)) != ERR_OK)
		return e;
	l->conn.driver = &db_sqlite;
	*out = &l->conn;
	return ERR_OK;
}

static struct lite_stmt *
stmt_of(struct db_stmt *s)
{
	return (struct lite_stmt *)s;
}

/* The place of the statement, or else one for it; NULL: all are in use.  Where all are taken another
 * statement gives way, which is prepared anew when it is wanted. */
static struct lite_stmt *
slot_of(struct lite *l, const char *sql)
{
	size_t first = ((uintptr_t)sql >> 4) & (LITE_STMTS_MAX - 1), i;
	struct lite_stmt *s, *idle = NULL;

	for (i = 0; i < LITE_STMTS_MAX; i++) {
		s = &l->stmts[(first + i) & (LITE_STMTS_MAX - 1)];
		if (s->sql == sql || s->sql == NULL)
			return s;
		if (idle == NULL && !s->busy)
			idle = s;
	}
	if (idle != NULL) {
		(void)sqlite3_finalize(idle->st);
		*idle = (struct lite_stmt){.sql = NULL};
	}
	return idle;
}

static enum err
lite_prepare(struct db_conn *c, struct db_stmt **out, const char *sql)
{
	struct lite *l = lite_of(c);
	struct lite_stmt *s = slot_of(l, sql);
	enum err e;
	int rc;

	if (s == NULL || s->busy) {
		log_error("store: %s: %s",
		    s != NULL ? "in use already" : "too many statements", sql);
		return ERR_IO;
	}
	if (s->sql == NULL) {
		rc = sqlite3_prepare_v3(
		    l->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->st, NULL);
		if ((e = lite_err(l, rc, sql)) != ERR_OK)
			return e;
		s->sql = sql;
		s->stmt.conn = c;
	}
	s->busy = true;
	*out = &s->stmt;
	return ERR_OK;
}

/* $3 is a name to SQLite, numbered by where it stands first. */
static int
place(struct db_stmt *s, int i)
{
	char name[] = {'$', '\0', '\0', '\0'};

	assert(i > 0 && i < 100);
	if (i >= 10)
		name[1] = (char)('0' + i / 10);
	name[i >= 10 ? 2 : 1] = (char)('0' + i % 10);
	return sqlite3_bind_parameter_index(stmt_of(s)->st, name);
}

static void
lite_bind_text(struct db_stmt *s, int i, const char *p, size_t n)
{
	(void)sqlite3_bind_text64(
	    stmt_of(s)->st, place(s, i), p, n, SQLITE_STATIC, SQLITE_UTF8);
}

static void
lite_bind_int(struct db_stmt *s, int i, int64_t v)
{
	(void)sqlite3_bind_int64(stmt_of(s)->st, place(s, i), v);
}

static void
lite_bind_null(struct db_stmt *s, int i)
{
	(void)sqlite3_bind_null(stmt_of(s)->st, place(s, i));
}

static enum err
lite_step(struct db_stmt *s)
{
	struct lite *l = lite_of(s->conn);
	int rc = sqlite3_step(stmt_of(s)->st);

	if (rc == SQLITE_DONE)
		return ERR_NOTFOUND;
	return lite_err(l, rc, stmt_of(s)->sql);
}

static void
lite_end(struct db_stmt *s)
{
	(void)sqlite3_reset(stmt_of(s)->st);
	(void)sqlite3_clear_bindings(stmt_of(s)->st);
	stmt_of(s)->busy = false;
}

static int64_t
lite_changed(struct db_stmt *s)
{
	return sqlite3_changes64(lite_of(s->conn)->db);
}

static const char *
lite_text(struct db_stmt *s, int i, size_t *len)
{
	const void *p = sqlite3_column_text(stmt_of(s)->st, i);

	if (len != NULL)
		*len = (size_t)sqlite3_column_bytes(stmt_of(s)->st, i);
	return p;
}

static int64_t
lite_integer(struct db_stmt *s, int i)
{
	return sqlite3_column_int64(stmt_of(s)->st, i);
}

static bool
lite_is_null(struct db_stmt *s, int i)
{
	return sqlite3_column_type(stmt_of(s)->st, i) == SQLITE_NULL;
}

static enum err
run(struct db_conn *c, const char *sql)
{
	struct db_stmt *s;
	enum err e;

	if ((e = lite_prepare(c, &s, sql)) != ERR_OK)
		return e;
	e = lite_step(s);
	lite_end(s);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
lite_begin(struct db_conn *c)
{
	lite_of(c)->failed = false;
	return run(c, "BEGIN IMMEDIATE");
}

static enum err
lite_commit(struct db_conn *c)
{
	return run(c, "COMMIT");
}

static bool
in_transaction(struct db_conn *c)
{
	return sqlite3_get_autocommit(lite_of(c)->db) == 0;
}

/* After some failures, such as a full disk, SQLite has rolled back by itself; after
 * others of the disk that is left to us (SQLite, "Response To Errors Within A
 * Transaction").  A commit would only fail again. */
static bool
lite_stands(struct db_conn *c)
{
	return in_transaction(c) && !lite_of(c)->failed;
}

static void
lite_rollback(struct db_conn *c)
{
	if (in_transaction(c))
		(void)run(c, "ROLLBACK");
}

static enum err
lite_change_begin(struct db_conn *c)
{
	return run(c, "SAVEPOINT change");
}

static enum err
lite_change_keep(struct db_conn *c)
{
	return run(c, "RELEASE change");
}

static void
lite_change_undo(struct db_conn *c)
{
	if (!lite_stands(c))
		return;
	(void)run(c, "ROLLBACK TO change");
	(void)run(c, "RELEASE change");
}

static bool
lite_stamp(const struct db_conn *c, struct db_stamp *out)
{
	return lite_log_stamp((const struct lite *)c, out);
}

const struct db_driver db_sqlite = {
    .check = "SELECT count(*) FROM sqlite_schema",
    .look = lite_conn_look,
    .open = lite_open,
    .close = lite_conn_close,
    .migrate = lite_migrate,
    .lock = lite_lock_take,
    .unlock = lite_lock_release,
    .damaged = lite_damage_known,
    .mended = lite_damage_mended,
    .verify = lite_verify,
    .begin = lite_begin,
    .commit = lite_commit,
    .rollback = lite_rollback,
    .change_begin = lite_change_begin,
    .change_keep = lite_change_keep,
    .change_undo = lite_change_undo,
    .stands = lite_stands,
    .stamp = lite_stamp,
    .tidy = lite_log_tidy,
    .prepare = lite_prepare,
    .bind_text = lite_bind_text,
    .bind_int = lite_bind_int,
    .bind_null = lite_bind_null,
    .step = lite_step,
    .end = lite_end,
    .changed = lite_changed,
    .text = lite_text,
    .integer = lite_integer,
    .is_null = lite_is_null,
};
