/* The store: group commit, all or nothing, bounded waiting, a bounded log. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store.h"

static const char sql_rollback[] = "ROLLBACK";
static const char sql_get[] = "SELECT n, k FROM t WHERE k = $1";

TestSuite(db, .init = store_setup, .fini = store_teardown);

/* Adds, and then fails. */
static enum err
add_and_fail(struct db_conn *c, void *arg)
{
	cr_assert_eq(store_add(c, arg), ERR_OK);
	return ERR_LIMIT;
}

Test(db, keeps_a_change_over_a_close)
{
	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	cr_expect_eq(store_get(store, "a"), 1);
	db_close(store);
	store = store_open(5000);
	cr_expect_eq(store_get(store, "a"), 1);
}

Test(db, undoes_a_change_that_fails_and_tells_its_error)
{
	cr_expect_eq(db_write(store, add_and_fail, key_a), ERR_LIMIT);
	cr_expect_eq(store_get(store, "a"), -1);
	cr_assert_eq(db_write(store, store_add, key_b), ERR_OK);
	cr_expect_eq(db_write(store, store_add, key_b), ERR_CONFLICT);
	cr_expect_eq(store_get(store, "b"), 1);
}

#define STATEMENTS 300 /* more than a connection keeps */

static char many[STATEMENTS][64];

/* What is in use meanwhile stays. */
static enum err
use_many(struct db_conn *c, void *arg)
{
	struct db_stmt *held, *s;
	size_t i;

	cr_assert_eq(
	    db_query(c, &held, sql_get, "t", (const char *)arg), ERR_OK);
	for (i = 0; i < 2 * STATEMENTS; i++) {
		cr_assert_eq(db_query(c, &s, many[i % STATEMENTS], ""), ERR_OK);
		cr_assert_eq(db_int(s, 0), (int64_t)(i % STATEMENTS));
		db_end(s);
	}
	cr_expect_str_eq(db_text(held, 1, NULL), arg);
	db_end(held);
	return ERR_OK;
}

Test(db, takes_any_number_of_statements)
{
	size_t i;

	for (i = 0; i < STATEMENTS; i++)
		(void)snprintf(many[i], sizeof(many[i]), "SELECT %zu", i);
	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	cr_expect_eq(db_write(store, use_many, key_a), ERR_OK);
}

/* The file by which the writers take turns. */
static int
open_lock(void)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%s/state.db.lock", store_dir);
	return open(path, O_RDWR | O_CLOEXEC);
}

/* As SQLite does by itself when the disk is full. */
static enum err
lose_the_group(struct db_conn *c, void *arg)
{
	(void)arg;
	cr_assert_eq(db_exec(c, NULL, sql_rollback, ""), ERR_OK);
	return ERR_FULL;
}

Test(db, keeps_nothing_of_a_group_that_was_rolled_back)
{
	int fd = open_lock();
	enum err e;

	/* Held up together, the two make one group, in this order. */
	cr_assert_eq(flock(fd, LOCK_EX), 0);
	cr_assert(db_write_later(store, lose_the_group, NULL));
	cr_assert(db_write_later(store, store_add, strdup("a")));
	(void)close(fd);
	/* This one may share their lot; the next comes after them. */
	e = db_write(store, store_add, key_x);
	cr_expect(e == ERR_OK || e == ERR_FULL);
	cr_expect_eq(
	    db_write(store, store_add, key_b), ERR_OK, "the store goes on");
	cr_expect_eq(store_get(store, "a"), -1);
}

static void *
bump_often(void *arg)
{
	int i;

	for (i = 0; i < 100; i++) {
		if (db_write(store, store_bump, key_a) != ERR_OK)
			return arg;
		/* One that fails among those that do not. */
		if (db_write(store, add_and_fail, key_x) != ERR_LIMIT)
			return arg;
	}
	return NULL;
}

Test(db, loses_no_change_of_many_threads)
{
	pthread_t threads[8];
	void *failed;
	int i;

	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	for (i = 0; i < 8; i++)
		cr_assert_eq(
		    pthread_create(&threads[i], NULL, bump_often, &i), 0);
	for (i = 0; i < 8; i++) {
		(void)pthread_join(threads[i], &failed);
		cr_expect_null(failed);
	}
	cr_expect_eq(store_get(store, "a"), 801);
	cr_expect_eq(store_get(store, "x"), -1);
}

Test(db, loses_no_change_of_two_processes)
{
	struct db *other = store_open(5000);
	int i;

	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	for (i = 0; i < 50; i++) {
		cr_assert_eq(db_write(other, store_bump, key_a), ERR_OK);
		cr_assert_eq(db_write(store, store_bump, key_a), ERR_OK);
	}
	cr_expect_eq(store_get(store, "a"), 101);
	db_close(other);
}

Test(db, refuses_a_change_that_cannot_begin_in_time_and_never_makes_it)
{
	struct db *hasty = store_open(100);
	int fd = open_lock();

	cr_assert_eq(flock(fd, LOCK_EX), 0);
	cr_expect_eq(db_write(hasty, store_add, key_a), ERR_BUSY);
	cr_expect_eq(store_get(hasty, "a"), -1, "reads go on");
	cr_assert_eq(flock(fd, LOCK_UN), 0);
	cr_expect_eq(db_write(hasty, store_add, key_b), ERR_OK);
	cr_expect_eq(store_get(hasty, "a"), -1);
	(void)close(fd);
	db_close(hasty);
}

Test(db, makes_the_changes_that_nobody_waits_for_before_it_closes)
{
	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	cr_assert(db_write_later(store, store_bump, strdup("a")));
	cr_assert(db_write_later(store, store_bump, strdup("a")));
	db_close(store);
	store = store_open(5000);
	cr_expect_eq(store_get(store, "a"), 3);
}

Test(db, refuses_a_store_of_a_newer_server)
{
	static const char *const newer[] = {
	    "CREATE TABLE t (k TEXT)", "SELECT 1"};
	struct db_schema two = {2, newer};
	struct db_options o = {store_uri, &two, 1, 100, false};
	struct db *d = NULL;

	db_close(store);
	store = NULL;
	cr_assert_eq(db_open(&d, &o), ERR_OK, "steps forward");
	db_close(d);
	d = NULL;
	o.schema = &store_schema;
	cr_expect_eq(db_open(&d, &o), ERR_IO);
	cr_expect_null(d);
}

Test(db, refuses_a_file_that_is_no_store)
{
	struct db_options o = {
	    "sqlite:/dev/null/x", &store_schema, 1, 100, false};
	char path[160];
	struct db *d = NULL;
	FILE *f;

	cr_expect_eq(db_open(&d, &o), ERR_IO);
	(void)snprintf(path, sizeof(path), "%s/other.db", store_dir);
	f = fopen(path, "w");
	(void)fputs("this is not a database, and it is longer than a header, "
		    "which is one hundred bytes of a certain form, is.....",
	    f);
	(void)fclose(f);
	(void)snprintf(path, sizeof(path), "sqlite:%s/other.db", store_dir);
	o.uri = path;
	cr_expect_eq(db_open(&d, &o), ERR_IO);
	(void)snprintf(path, sizeof(path), "%s/other.db-shm", store_dir);
	cr_expect_neq(access(path, F_OK), 0, "nothing is made beside it");
}

Test(db, checks_that_the_store_can_be_read)
{
	cr_expect_eq(db_check(store), ERR_OK);
}

Test(db, keeps_a_store_from_others_that_was_restored_readable)
{
	char path[160];
	struct stat st;

	db_close(store);
	store = NULL;
	(void)snprintf(path, sizeof(path), "%s/state.db", store_dir);
	(void)store_remove("-wal");
	(void)store_remove("-shm");
	(void)store_remove(".mark");
	cr_assert_eq(chmod(path, 0644), 0);
	store = store_open(5000);
	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
	(void)strcat(path, "-wal");
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
}

/* Bytes of the log after 1500 changes of a page each. */
static long
log_after_changes(void)
{
	char path[160];
	struct stat st;
	int i;

	for (i = 0; i < 1500; i++)
		cr_assert_eq(db_write(store, store_bump, key_a), ERR_OK);
	(void)snprintf(path, sizeof(path), "%s/state.db-wal", store_dir);
	cr_assert_eq(stat(path, &st), 0);
	return (long)st.st_size;
}

Test(db, keeps_its_log_short_by_checkpoints)
{
	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	cr_expect_lt(log_after_changes(), 1100L * 4120);
}

static enum err
add_megabytes(struct db_conn *c, void *arg)
{
	static const char *const sql =
	    "CREATE TABLE filler AS SELECT zeroblob(40000000) AS b";

	(void)arg;
	return db_exec(c, NULL, sql, "");
}

Test(db, lets_the_log_of_a_big_store_grow_to_a_quarter_of_it)
{
	char path[128];

	cr_assert_eq(db_write(store, add_megabytes, NULL), ERR_OK);
	db_close(store);
	(void)snprintf(path, sizeof(path), "%s/state.db", store_dir);
	cr_assert_gt(store_settle(path), 8000L * 4096);
	store = store_open(5000);
	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	cr_expect_gt(log_after_changes(), 1500L * 4120);
	cr_expect_lt(log_after_changes(), 2700L * 4120);
}

Test(db, reads_one_snapshot_until_it_is_given_back)
{
	struct db_conn *c;
	struct db_stmt *s;
	int round;

	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	for (round = 1; round <= 3; round++) {
		c = db_read_once(store);
		cr_assert_eq(db_query(c, &s, sql_get, "t", key_a), ERR_OK);
		db_end(s);
		cr_assert_eq(db_write(store, store_bump, key_a), ERR_OK);
		cr_assert_eq(db_query(c, &s, sql_get, "t", key_a), ERR_OK);
		cr_expect_eq(db_int(s, 0), round, "as it was");
		db_end(s);
		db_read_end(store, c);
		cr_expect_eq(store_get(store, "a"), round + 1);
	}
}
