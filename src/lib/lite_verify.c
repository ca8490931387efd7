#include "lite_verify.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "db_mark.h"
#include "lite_damage.h"
#include "lite_err.h"
#include "lite_log.h"

#define TABLES_MAX 64

/* One check; what it finds is damage. */
static enum err
verify_one(struct lite *l, const char *sql)
{
	sqlite3_stmt *st = NULL;
	const char *found;
	enum err e = ERR_OK;
	int rc;

	rc = sqlite3_prepare_v2(l->db, sql, -1, &st, NULL);
	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		found = (const char *)sqlite3_column_text(st, 0);
		rc = SQLITE_OK;
		if (found == NULL || strcmp(found, "ok") == 0)
			continue;
		lite_damage_tell(l, sql, found);
		e = ERR_DAMAGED;
		break;
	}
	(void)sqlite3_finalize(st);
	return e != ERR_OK ? e : lite_err(l, rc, sql);
}

/* The names of the tables, to be freed. */
static enum err
read_tables(struct lite *l, char *names[TABLES_MAX], size_t *n)
{
	static const char sql[] =
	    "SELECT name FROM sqlite_schema WHERE type = 'table'";
	sqlite3_stmt *st = NULL;
	int rc;

	rc = sqlite3_prepare_v2(l->db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK)
		while (*n < TABLES_MAX && (rc = sqlite3_step(st)) == SQLITE_ROW)
			names[(*n)++] =
			    sqlite3_mprintf("PRAGMA quick_check(%Q)",
				sqlite3_column_text(st, 0));
	(void)sqlite3_finalize(st);
	return lite_err(l, rc, sql);
}

/* What its log held is missing even where all the rest is sound. */
enum err
lite_verify_log(struct lite *l)
{
	const char *lost = db_mark_lost_log(l->where);
	char why[128];

	if (lost == NULL && lite_log_lacks(l))
		lost = "cut short while no server ran";
	if (lost == NULL)
		return ERR_OK;
	(void)snprintf(
	    why, sizeof(why), "%s, with changes that are nowhere else", lost);
	lite_damage_tell(l, "its log", why);
	return ERR_DAMAGED;
}

/* Table by table, so that no snapshot keeps the log from starting over for long. */
enum err
lite_verify(struct db_conn *c, bool deep)
{
	struct lite *l = lite_of(c);
	char *checks[TABLES_MAX];
	size_t i, n = 0;
	enum err e;

	if ((e = lite_verify_log(l)) != ERR_OK)
		return e;
	if (deep)
		return verify_one(l, "PRAGMA integrity_check");
	e = read_tables(l, checks, &n);
	for (i = 0; i < n; i++) {
		if (e == ERR_OK && checks[i] == NULL)
			e = ERR_NOMEM;
		if (e == ERR_OK)
			e = verify_one(l, checks[i]);
		sqlite3_free(checks[i]);
	}
	return e;
}
