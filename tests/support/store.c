/* The store by itself, without anything of a server. */

#include "store.h"

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "log.h"

static const char *const steps[] = {
    "CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT"};
const struct db_schema store_schema = {1, steps};
static const char sql_add[] = "INSERT INTO t (k, n) VALUES ($1, $2)";
static const char sql_bump[] = "UPDATE t SET n = n + 1 WHERE k = $1";
static const char sql_get[] = "SELECT n, k FROM t WHERE k = $1";

char key_a[] = "a", key_b[] = "b", key_x[] = "x";
char store_dir[64], store_uri[128];
struct db *store;

struct db *
store_open(unsigned wait_ms)
{
	struct db_options o = {store_uri, &store_schema, 2, wait_ms, false};
	struct db *d = NULL;

	cr_assert_eq(db_open(&d, &o), ERR_OK);
	return d;
}

void
store_setup(void)
{
	log_setup("unit", LOG_LVL_ERROR);
	fixture_mkdir(store_dir);
	(void)snprintf(
	    store_uri, sizeof(store_uri), "sqlite:%s/state.db", store_dir);
	store = store_open(5000);
}

void
store_teardown(void)
{
	if (store != NULL)
		db_close(store);
	fixture_rmdir(store_dir);
}

enum err
store_add(struct db_conn *c, void *arg)
{
	return db_exec(c, NULL, sql_add, "ti", (const char *)arg, (int64_t)1);
}

enum err
store_bump(struct db_conn *c, void *arg)
{
	return db_exec(c, NULL, sql_bump, "t", (const char *)arg);
}

int64_t
store_get(struct db *d, const char *k)
{
	struct db_conn *c = db_read(d);
	struct db_stmt *s;
	int64_t n = -1;

	if (db_query(c, &s, sql_get, "t", k) == ERR_OK) {
		n = db_int(s, 0);
		cr_expect_str_eq(db_text(s, 1, NULL), k);
		db_end(s);
	}
	db_read_end(d, c);
	return n;
}

long
store_settle(const char *path)
{
	sqlite3 *s = NULL;
	struct stat st;

	cr_assert_eq(sqlite3_open(path, &s), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(s, "PRAGMA wal_checkpoint(TRUNCATE)", NULL,
			 NULL, NULL),
	    SQLITE_OK);
	(void)sqlite3_close(s);
	cr_assert_eq(stat(path, &st), 0);
	return st.st_size;
}

void
store_copy(const char *from, const char *to)
{
	char command[400];

	(void)snprintf(command, sizeof(command), "cp %s %s", from, to);
	cr_assert_eq(system(command), 0); // NOLINT(cert-env33-c)
}

void
store_of_pages(char path[160], char good[160])
{
	char key[32];
	int i;

	for (i = 0; i < 500; i++) {
		(void)snprintf(key, sizeof(key), "%025d", i);
		cr_assert_eq(db_write(store, store_add, key), ERR_OK);
	}
	db_close(store);
	store = NULL;
	(void)snprintf(path, 160, "%s/state.db", store_dir);
	(void)snprintf(good, 160, "%s/good", store_dir);
	cr_assert_gt(store_settle(path), 4 * 4096);
	store_copy(path, good);
}

bool
store_remove(const char *suffix)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/state.db%s", store_dir, suffix);
	return unlink(path) == 0;
}
