/*
 * SQLite in WAL mode with synchronous=FULL.  Writers of all processes take
 * turns by a lock file, and only who holds it checkpoints: that keeps clear of
 * the WAL-reset corruption of SQLite before 3.51.3, in which one process writes
 * while another one resets the log.
 */

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db_driver.h"
#include "db_mark.h"
#include "lite.h"
#include "lite_damage.h"
#include "lite_err.h"
#include "lite_lock.h"
#include "lite_log.h"
#include "lite_verify.h"
#include "log.h"

#define BUSY_TIMEOUT_MS 5000

static struct lite_stmt *
stmt_of(struct db_stmt *s)
{
	return (struct lite_stmt *)s;
}

static enum err
lite_script(struct lite *l, const char *sql)
{
	return lite_err(l, sqlite3_exec(l->db, sql, NULL, NULL, NULL), sql);
}

static void
lite_close(struct db_conn *c)
{
	struct lite *l = lite_of(c);
	size_t i;

	for (i = 0; i < LITE_STMTS_MAX; i++)
		(void)sqlite3_finalize(l->stmts[i].st);
	(void)sqlite3_close(l->db);
	if (l->lock_fd != -1)
		(void)close(l->lock_fd);
	free(l->where);
	free(l);
}

static enum err
lite_settings(struct lite *l)
{
	static const char settings[] = "PRAGMA wal_autocheckpoint=0;"
				       "PRAGMA journal_size_limit=16777216;"
				       "PRAGMA synchronous=FULL;"
				       "PRAGMA foreign_keys=ON;"
				       "PRAGMA trusted_schema=OFF;"
				       "PRAGMA cell_size_check=ON;"
				       "PRAGMA mmap_size=0;"
				       "PRAGMA cache_size=-64;"
				       "PRAGMA temp_store=MEMORY";

	/* Small memory: a reader looks up single rows.  The writer gets more. */
	(void)sqlite3_db_config(
	    l->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 128, 256);
	(void)sqlite3_db_config(
	    l->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_db_config(l->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	(void)sqlite3_db_config(l->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	(void)sqlite3_busy_timeout(l->db, BUSY_TIMEOUT_MS);
	return lite_err(
	    l, sqlite3_exec(l->db, settings, NULL, NULL, NULL), "open");
}

/* For nobody but us; the log and its index get the rights of the file.  Never one that
 * exists: to close it would drop the locks of this process. */
static void
make_file(const char *where)
{
	int fd = open(where, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd != -1)
		(void)close(fd);
}

static enum err
lite_look(const char *where, bool expected)
{
	if (!db_mark_lost_store(where, expected))
		return ERR_OK;
	log_error("store: %s is missing or empty, but files beside it tell "
		  "that it was there.  No empty one is made in its place: "
		  "restore a backup, see section 6 of docs/STORE.md, or move "
		  "jobs/ and all of state.db* away to begin anew",
	    where);
	return ERR_IO;
}

static enum err
lite_open(struct db_conn **out, const char *where, bool writes)
{
	char path[LITE_PATH_LEN];
	struct lite *l;
	enum err e;
	int rc;

	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return ERR_NOMEM;
	l->conn.driver = &db_sqlite;
	l->lock_fd = -1;
	if ((l->where = strdup(where)) == NULL) {
		e = ERR_NOMEM;
		goto err;
	}
	/* Who writes to a store has made its lock file first. */
	l->foreign = access(lite_beside(l, LITE_LOCK_FILE, path), F_OK) == -1;
	if (writes && (l->lock_fd = lite_lock_open(l)) == -1) {
		e = ERR_IO;
		goto err;
	}
	if (writes)
		make_file(where);
	/* Reading connections may write the log's index, so none is opened
	 * read-only; query_only keeps them from everything else. */
	rc = sqlite3_open_v2(
	    where, &l->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK) {
		e = lite_err(l, rc, where);
		goto err;
	}
	e = lite_settings(l);
	if (e == ERR_OK && writes)
		lite_log_watch(l);
	if (e == ERR_OK)
		e = lite_script(l,
		    writes ? "PRAGMA cache_size=-512" : "PRAGMA query_only=ON");
	if (e != ERR_OK && e != ERR_DAMAGED)
		goto err;
	*out = &l->conn;
	return ERR_OK;
err:
	lite_close(&l->conn);
	return e;
}

static enum err
user_version(struct lite *l, int *out)
{
	sqlite3_stmt *st = NULL;
	int rc;

	rc = sqlite3_prepare_v2(l->db, "PRAGMA user_version", -1, &st, NULL);
	if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW)
		*out = sqlite3_column_int(st, 0);
	(void)sqlite3_finalize(st);
	return rc == SQLITE_ROW ? ERR_OK : lite_err(l, rc, "read version");
}

static enum err
migrate_step(struct lite *l, const char *step, int version)
{
	char set[64];
	enum err e;

	(void)snprintf(set, sizeof(set), "PRAGMA user_version=%d", version);
	if ((e = lite_script(l, "BEGIN IMMEDIATE")) != ERR_OK)
		return e;
	if ((e = lite_script(l, step)) == ERR_OK &&
	    (e = lite_script(l, set)) == ERR_OK)
		e = lite_script(l, "COMMIT");
	if (e != ERR_OK)
		(void)sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
	return e;
}

static enum err
migrate_locked(struct lite *l, const struct db_schema *schema)
{
	enum err e;
	int version = 0;

	if ((e = lite_script(l, "PRAGMA journal_mode=WAL")) != ERR_OK ||
	    (e = user_version(l, &version)) != ERR_OK)
		return e;
	if (version > schema->version) {
		log_error("store: made by a newer server (schema %d, this one "
			  "knows %d): install that version again",
		    version, schema->version);
		return ERR_IO;
	}
	for (; version < schema->version; version++) {
		e = migrate_step(l, schema->steps[version], version + 1);
		if (e != ERR_OK)
			return e;
	}
	return ERR_OK;
}

static enum err
lite_migrate(struct db_conn *c, const struct db_schema *schema)
{
	enum err e;

	if ((e = lite_lock_take(c)) != ERR_OK)
		return e;
	if ((e = lite_verify_log(lite_of(c))) == ERR_OK)
		e = migrate_locked(lite_of(c), schema);
	if (e == ERR_OK)
		lite_lock_know_files(lite_of(c));
	lite_lock_release(c);
	return e;
}

static enum err
lite_prepare(struct db_conn *c, struct db_stmt **out, const char *sql)
{
	struct lite *l = lite_of(c);
	struct lite_stmt *s;
	size_t i, n;
	enum err e;
	int rc;

	i = ((uintptr_t)sql >> 4) & (LITE_STMTS_MAX - 1);
	for (n = 0; n < LITE_STMTS_MAX; n++, i = (i + 1) & (LITE_STMTS_MAX - 1))
		if (l->stmts[i].sql == sql || l->stmts[i].sql == NULL)
			break;
	s = &l->stmts[i];
	if (n == LITE_STMTS_MAX || s->busy) {
		log_error("store: %s: %s",
		    s->busy ? "in use already" : "too many statements", sql);
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
	char name[12];

	(void)snprintf(name, sizeof(name), "$%d", i);
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

const struct db_driver db_sqlite = {
    .check = "SELECT count(*) FROM sqlite_schema",
    .look = lite_look,
    .open = lite_open,
    .close = lite_close,
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
