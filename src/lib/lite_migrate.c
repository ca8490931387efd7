#include "lite_migrate.h"

#include <stdio.h>

#include "lite_err.h"
#include "lite_lock.h"
#include "lite_log.h"
#include "lite_verify.h"
#include "log.h"

static enum err
script(struct lite *l, const char *sql)
{
	return lite_err(l, sqlite3_exec(l->db, sql, NULL, NULL, NULL), sql);
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
	if ((e = script(l, "BEGIN IMMEDIATE")) != ERR_OK)
		return e;
	if ((e = script(l, step)) == ERR_OK && (e = script(l, set)) == ERR_OK)
		e = script(l, "COMMIT");
	if (e != ERR_OK)
		(void)sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
	return e;
}

static enum err
migrate_locked(struct lite *l, const struct db_schema *schema)
{
	enum err e;
	int version = 0;

	if ((e = script(l, "PRAGMA journal_mode=WAL")) != ERR_OK ||
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

enum err
lite_migrate(struct db_conn *c, const struct db_schema *schema)
{
	enum err e;

	/* Also those of a damaged store, which may be sound again without a new start. */
	lite_lock_know_files(lite_of(c));
	if ((e = lite_lock_take(c)) != ERR_OK)
		return e;
	if ((e = lite_verify_log(lite_of(c))) == ERR_OK)
		e = migrate_locked(lite_of(c), schema);
	if (e == ERR_OK) {
		lite_lock_know_files(lite_of(c));
		lite_log_map(lite_of(c));
	}
	lite_lock_release(c);
	return e;
}
