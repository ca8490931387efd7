/* The store: group commit, all or nothing, bounded waiting. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db.h"
#include "db_mark.h"
#include "fixture.h"
#include "log.h"

static const char *const steps[] = {
    "CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT"};
static const struct db_schema schema = {1, steps};
static const char sql_add[] = "INSERT INTO t (k, n) VALUES ($1, $2)";
static const char sql_bump[] = "UPDATE t SET n = n + 1 WHERE k = $1";
static const char sql_rollback[] = "ROLLBACK";
static const char sql_get[] = "SELECT n, k FROM t WHERE k = $1";

static char key_a[] = "a", key_b[] = "b", key_x[] = "x";
static char dir[64], uri[128], lock_path[160];
static struct db *db;

static struct db *
open_store(unsigned wait_ms)
{
	struct db_options o = {uri, &schema, 2, wait_ms, false};
	struct db *d = NULL;

	cr_assert_eq(db_open(&d, &o), ERR_OK);
	return d;
}

static void
setup(void)
{
	log_setup("unit", LOG_LVL_ERROR);
	fixture_mkdir(dir);
	(void)snprintf(uri, sizeof(uri), "sqlite:%s/state.db", dir);
	(void)snprintf(lock_path, sizeof(lock_path), "%s/state.db.lock", dir);
	db = open_store(5000);
}

static void
teardown(void)
{
	if (db != NULL)
		db_close(db);
	fixture_rmdir(dir);
}

TestSuite(db, .init = setup, .fini = teardown);

static enum err
add(struct db_conn *c, void *arg)
{
	return db_exec(c, NULL, sql_add, "ti", (const char *)arg, (int64_t)1);
}

static enum err
bump(struct db_conn *c, void *arg)
{
	return db_exec(c, NULL, sql_bump, "t", (const char *)arg);
}

/* Adds, and then fails. */
static enum err
add_and_fail(struct db_conn *c, void *arg)
{
	cr_assert_eq(add(c, arg), ERR_OK);
	return ERR_LIMIT;
}

static int64_t
get(struct db *d, const char *k)
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

Test(db, keeps_a_change_over_a_close)
{
	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
	cr_expect_eq(get(db, "a"), 1);
	db_close(db);
	db = open_store(5000);
	cr_expect_eq(get(db, "a"), 1);
}

Test(db, undoes_a_change_that_fails_and_tells_its_error)
{
	cr_expect_eq(db_write(db, add_and_fail, key_a), ERR_LIMIT);
	cr_expect_eq(get(db, "a"), -1);
	cr_assert_eq(db_write(db, add, key_b), ERR_OK);
	cr_expect_eq(db_write(db, add, key_b), ERR_CONFLICT);
	cr_expect_eq(get(db, "b"), 1);
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
	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
	cr_expect_eq(db_write(db, use_many, key_a), ERR_OK);
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
	int fd = open(lock_path, O_RDWR | O_CLOEXEC);
	enum err e;

	/* Held up together, the two make one group, in this order. */
	cr_assert_eq(flock(fd, LOCK_EX), 0);
	cr_assert(db_write_later(db, lose_the_group, NULL));
	cr_assert(db_write_later(db, add, strdup("a")));
	(void)close(fd);
	/* This one may share their lot; the next comes after them. */
	e = db_write(db, add, key_x);
	cr_expect(e == ERR_OK || e == ERR_FULL);
	cr_expect_eq(db_write(db, add, key_b), ERR_OK, "the store goes on");
	cr_expect_eq(get(db, "a"), -1);
}

static void *
bump_often(void *arg)
{
	int i;

	for (i = 0; i < 100; i++) {
		if (db_write(db, bump, key_a) != ERR_OK)
			return arg;
		/* One that fails among those that do not. */
		if (db_write(db, add_and_fail, key_x) != ERR_LIMIT)
			return arg;
	}
	return NULL;
}

Test(db, loses_no_change_of_many_threads)
{
	pthread_t threads[8];
	void *failed;
	int i;

	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
	for (i = 0; i < 8; i++)
		cr_assert_eq(
		    pthread_create(&threads[i], NULL, bump_often, &i), 0);
	for (i = 0; i < 8; i++) {
		(void)pthread_join(threads[i], &failed);
		cr_expect_null(failed);
	}
	cr_expect_eq(get(db, "a"), 801);
	cr_expect_eq(get(db, "x"), -1);
}

Test(db, loses_no_change_of_two_processes)
{
	struct db *other = open_store(5000);
	int i;

	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
	for (i = 0; i < 50; i++) {
		cr_assert_eq(db_write(other, bump, key_a), ERR_OK);
		cr_assert_eq(db_write(db, bump, key_a), ERR_OK);
	}
	cr_expect_eq(get(db, "a"), 101);
	db_close(other);
}

Test(db, refuses_a_change_that_cannot_begin_in_time_and_never_makes_it)
{
	struct db *hasty = open_store(100);
	int fd = open(lock_path, O_RDWR | O_CLOEXEC);

	cr_assert_eq(flock(fd, LOCK_EX), 0);
	cr_expect_eq(db_write(hasty, add, key_a), ERR_BUSY);
	cr_expect_eq(get(hasty, "a"), -1, "reads go on");
	cr_assert_eq(flock(fd, LOCK_UN), 0);
	cr_expect_eq(db_write(hasty, add, key_b), ERR_OK);
	cr_expect_eq(get(hasty, "a"), -1);
	(void)close(fd);
	db_close(hasty);
}

Test(db, makes_the_changes_that_nobody_waits_for_before_it_closes)
{
	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
	cr_assert(db_write_later(db, bump, strdup("a")));
	cr_assert(db_write_later(db, bump, strdup("a")));
	db_close(db);
	db = open_store(5000);
	cr_expect_eq(get(db, "a"), 3);
}

Test(db, refuses_a_store_of_a_newer_server)
{
	static const char *const newer[] = {
	    "CREATE TABLE t (k TEXT)", "SELECT 1"};
	struct db_schema two = {2, newer};
	struct db_options o = {uri, &two, 1, 100, false};
	struct db *d = NULL;

	db_close(db);
	db = NULL;
	cr_assert_eq(db_open(&d, &o), ERR_OK, "steps forward");
	db_close(d);
	d = NULL;
	o.schema = &schema;
	cr_expect_eq(db_open(&d, &o), ERR_IO);
	cr_expect_null(d);
}

Test(db, refuses_a_file_that_is_no_store)
{
	struct db_options o = {"sqlite:/dev/null/x", &schema, 1, 100, false};
	char path[160];
	struct db *d = NULL;
	FILE *f;

	cr_expect_eq(db_open(&d, &o), ERR_IO);
	(void)snprintf(path, sizeof(path), "%s/other.db", dir);
	f = fopen(path, "w");
	(void)fputs("this is not a database, and it is longer than a header, "
		    "which is one hundred bytes of a certain form, is.....",
	    f);
	(void)fclose(f);
	(void)snprintf(path, sizeof(path), "sqlite:%s/other.db", dir);
	o.uri = path;
	cr_expect_eq(db_open(&d, &o), ERR_IO);
}

Test(db, checks_that_the_store_can_be_read)
{
	cr_expect_eq(db_check(db), ERR_OK);
}

/* All that is committed into the file itself, and its size. */
static long
settle_file(const char *path)
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

static void
overwrite(const char *path, long from, long to)
{
	FILE *f = fopen(path, "r+");

	cr_assert_not_null(f);
	(void)fseek(f, from, SEEK_SET);
	for (; from < to; from++)
		(void)fputc(0xa5, f);
	(void)fclose(f);
}

static void
copy(const char *from, const char *to)
{
	char command[400];

	(void)snprintf(command, sizeof(command), "cp %s %s", from, to);
	cr_assert_eq(system(command), 0); // NOLINT(cert-env33-c)
}

/* A store of some pages, closed, and a copy of it. */
static void
given_pages(char path[160], char good[160])
{
	char key[32];
	int i;

	for (i = 0; i < 500; i++) {
		(void)snprintf(key, sizeof(key), "%025d", i);
		cr_assert_eq(db_write(db, add, key), ERR_OK);
	}
	db_close(db);
	db = NULL;
	(void)snprintf(path, 160, "%s/state.db", dir);
	(void)snprintf(good, 160, "%s/good", dir);
	cr_assert_gt(settle_file(path), 4 * 4096);
	copy(path, good);
}

Test(db, writes_no_more_once_it_has_met_damage_until_it_is_mended)
{
	char path[160], good[160], mark[200];
	struct db *other;

	given_pages(path, good);
	overwrite(path, 2 * 4096, 4 * 4096);
	db = open_store(5000);
	other = open_store(5000);
	cr_expect_eq(db_check(db), ERR_OK, "a look does not find it");
	cr_expect_eq(db_verify(db, false), ERR_DAMAGED);
	cr_expect_eq(db_check(db), ERR_DAMAGED);
	cr_expect_eq(db_write(db, add, key_a), ERR_DAMAGED);
	cr_expect_eq(db_check(other), ERR_DAMAGED, "nor does any other");
	cr_expect_eq(db_write(other, add, key_a), ERR_DAMAGED);
	cr_expect_eq(db_verify(other, true), ERR_DAMAGED, "it is not mended");
	db_close(other);
	db_close(db);
	db = open_store(5000);
	cr_expect_eq(
	    db_write(db, add, key_a), ERR_DAMAGED, "nor after a start");
	db_close(db);
	copy(good, path);
	db = open_store(5000);
	cr_expect_eq(db_write(db, add, key_a), ERR_DAMAGED);
	cr_expect_eq(db_verify(db, false), ERR_DAMAGED);
	cr_expect_eq(db_verify(db, true), ERR_OK);
	cr_expect_eq(db_write(db, add, key_a), ERR_OK);
	(void)snprintf(mark, sizeof(mark), "%s.damaged", path);
	cr_expect_neq(access(mark, F_OK), 0);
}

Test(db, opens_a_store_without_its_header_and_writes_nothing)
{
	char path[160], good[160];

	given_pages(path, good);
	overwrite(path, 0, 100);
	db = open_store(5000);
	cr_expect_eq(db_check(db), ERR_DAMAGED);
	cr_expect_eq(db_write(db, add, key_a), ERR_DAMAGED);
	db_close(db);
	copy(good, path);
	db = open_store(5000);
	cr_expect_eq(db_verify(db, true), ERR_OK);
	cr_expect_eq(db_write(db, add, key_a), ERR_OK);
}

Test(db, writes_no_more_when_its_log_or_its_file_is_removed)
{
	static const char *const names[] = {"state.db-wal", "state.db"};
	char path[160], good[160], gone[200];
	size_t i;

	given_pages(path, good);
	for (i = 0; i < 2; i++) {
		db = open_store(5000);
		cr_assert_eq(db_write(db, bump, key_a), ERR_OK);
		(void)snprintf(gone, sizeof(gone), "%s/%s", dir, names[i]);
		cr_assert_eq(unlink(gone), 0);
		cr_expect_eq(db_write(db, add, key_a), ERR_DAMAGED);
		cr_expect_eq(db_check(db), ERR_DAMAGED);
		cr_expect_eq(db_verify(db, false), ERR_DAMAGED);
		cr_expect_neq(access(gone, F_OK), 0, "it makes no new one");
		db_close(db);
		db = NULL;
		(void)snprintf(gone, sizeof(gone), "%s.damaged", path);
		cr_assert_eq(unlink(gone), 0);
		copy(good, path);
	}
}

/* Who has it open goes on reading; who does not is told why it cannot. */
Test(db, tells_of_a_log_that_was_removed_when_another_starts)
{
	struct db_options o = {uri, &schema, 2, 5000, false};
	char path[160];
	struct db *other = NULL;

	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
	(void)snprintf(path, sizeof(path), "%s/state.db-wal", dir);
	cr_assert_eq(unlink(path), 0);
	cr_expect_eq(db_open(&other, &o), ERR_IO);
	(void)snprintf(path, sizeof(path), "%s/state.db.damaged", dir);
	cr_expect_eq(access(path, F_OK), 0);
	cr_expect_eq(db_check(db), ERR_DAMAGED);
	cr_expect_eq(db_write(db, add, key_b), ERR_DAMAGED);
	cr_expect_eq(get(db, "a"), 1);
}

/* Whoever has it open, and has written the last of it or not. */
Test(db, writes_no_more_behind_the_end_of_a_log_that_was_cut)
{
	struct db_options o = {uri, &schema, 2, 5000, false};
	struct db *other = open_store(5000), *late = NULL;
	char path[160];
	struct stat st;
	off_t cut;

	cr_assert_eq(db_write(other, add, key_x), ERR_OK);
	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
	(void)snprintf(path, sizeof(path), "%s/state.db-wal", dir);
	cr_assert_eq(stat(path, &st), 0);
	cut = st.st_size - 1;
	cr_assert_eq(truncate(path, cut), 0);
	cr_expect_eq(db_write(other, add, key_b), ERR_DAMAGED);
	cr_expect_eq(db_write(db, add, key_b), ERR_DAMAGED);
	cr_expect_eq(db_check(db), ERR_DAMAGED);
	cr_expect_eq(db_open(&late, &o), ERR_IO);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_size, cut, "nothing is written to it");
	db_close(other);
}

/* What is left is sound, and does not tell that there was more. */
Test(db, does_not_forget_that_its_log_was_cut)
{
	char path[160], mark[160];
	struct stat st;

	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
	(void)snprintf(path, sizeof(path), "%s/state.db-wal", dir);
	(void)snprintf(mark, sizeof(mark), "%s/state.db.mark", dir);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(db_write(db, add, key_x), ERR_OK);
	cr_assert_eq(truncate(path, st.st_size), 0);
	cr_assert_eq(db_write(db, add, key_b), ERR_DAMAGED);
	db_close(db);
	db = open_store(5000);
	cr_expect_eq(db_verify(db, true), ERR_DAMAGED);
	cr_expect_eq(db_write(db, add, key_b), ERR_DAMAGED);
	db_close(db);
	cr_assert_eq(unlink(mark), 0, "as who restores a backup");
	db = open_store(5000);
	cr_expect_eq(db_verify(db, true), ERR_OK);
	cr_expect_eq(db_write(db, add, key_b), ERR_OK);
	cr_expect_eq(get(db, "a"), 1);
}

static void
checkpoint(const char *mode)
{
	char path[160], sql[80];
	sqlite3 *other;

	(void)snprintf(path, sizeof(path), "%s/state.db", dir);
	(void)snprintf(sql, sizeof(sql), "PRAGMA wal_checkpoint(%s)", mode);
	cr_assert_eq(sqlite3_open(path, &other), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(other, sql, NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(other);
}

/* As an operator does with sqlite3 while the server runs. */
Test(db, goes_on_when_the_log_was_cut_by_right)
{
	static const char *const modes[] = {"PASSIVE", "RESTART", "TRUNCATE"};
	struct db *other = open_store(5000);
	char key[8];
	size_t i, n = 0;

	for (i = 0; i < 9; i++) {
		(void)snprintf(key, sizeof(key), "k%zu", n++);
		cr_assert_eq(
		    db_write(i % 2 == 0 ? db : other, add, key), ERR_OK);
		checkpoint(modes[i / 3]);
		(void)snprintf(key, sizeof(key), "k%zu", n++);
		cr_assert_eq(db_write(other, add, key), ERR_OK);
	}
	cr_expect_eq(db_check(db), ERR_OK);
	db_close(other);
}

static bool
remove_beside(const char *suffix)
{
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/state.db%s", dir, suffix);
	return unlink(path) == 0;
}

static void
reopen(void)
{
	db_close(db);
	db = open_store(5000);
}

Test(db, writes_no_more_when_its_log_was_removed_while_nobody_had_it_open)
{
	char path[160], good[160];

	given_pages(path, good);
	db = open_store(5000);
	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
	db_close(db);
	db = NULL;
	cr_assert(remove_beside("-wal"));
	db = open_store(5000);
	cr_expect_eq(db_check(db), ERR_DAMAGED);
	cr_expect_eq(db_write(db, add, key_b), ERR_DAMAGED);
	cr_expect_eq(db_verify(db, true), ERR_DAMAGED, "sound, but not all");
	reopen();
	cr_expect_eq(db_verify(db, true), ERR_DAMAGED, "nor after a start");
	db_close(db);
	db = NULL;
	copy(good, path);
	db = open_store(5000);
	cr_expect_eq(db_verify(db, true), ERR_OK);
	cr_expect_eq(db_write(db, add, key_b), ERR_OK);
}

/* Of which it knows nothing while others still call the store damaged. */
Test(db, misses_a_log_also_after_a_start_on_a_store_that_was_called_damaged)
{
	char path[160];
	int fd;

	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
	db_close(db);
	db = NULL;
	(void)snprintf(path, sizeof(path), "%s/state.db.damaged", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_neq(fd, -1);
	(void)close(fd);
	db = open_store(5000);
	cr_expect_eq(db_write(db, add, key_b), ERR_DAMAGED);
	cr_assert_eq(unlink(path), 0);
	cr_assert(remove_beside("-wal"));
	cr_expect_eq(db_write(db, add, key_b), ERR_DAMAGED);
}

Test(db, keeps_a_store_from_others_that_was_restored_readable)
{
	char path[160];
	struct stat st;

	db_close(db);
	db = NULL;
	(void)snprintf(path, sizeof(path), "%s/state.db", dir);
	(void)remove_beside("-wal");
	(void)remove_beside("-shm");
	(void)remove_beside(".mark");
	cr_assert_eq(chmod(path, 0644), 0);
	db = open_store(5000);
	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
	(void)strcat(path, "-wal");
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
}

/* Only the second start is told of it. */
Test(db, goes_on_with_what_is_left_when_the_mark_of_its_log_is_removed)
{
	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
	db_close(db);
	db = NULL;
	cr_assert(remove_beside("-wal"));
	db = open_store(5000);
	cr_expect_eq(db_check(db), ERR_DAMAGED);
	cr_assert(remove_beside(".mark"));
	reopen();
	cr_expect_eq(db_verify(db, true), ERR_OK);
	cr_expect_eq(db_write(db, add, key_b), ERR_OK);
}

/* In whatever order logs end: by our checkpoints, or by others'. */
Test(db, is_not_alarmed_when_the_log_went_into_the_store)
{
	char path[160], good[160];
	int i;

	given_pages(path, good);
	for (i = 0; i < 3; i++) {
		db = open_store(5000);
		cr_assert_eq(db_write(db, bump, key_a), ERR_OK);
		(void)settle_file(path);
		cr_expect_eq(db_verify(db, false), ERR_OK, "while it is open");
		reopen();
		cr_expect_eq(db_check(db), ERR_OK);
		db_close(db);
		db = NULL;
		(void)settle_file(path);
		(void)remove_beside("-wal");
		(void)remove_beside("-shm");
	}
	db = open_store(5000);
	cr_expect_eq(db_write(db, add, key_b), ERR_OK);
	db_close(db);
	(void)remove_beside("-wal");
	(void)remove_beside("-shm");
	copy(good, path);
	db = open_store(5000);
	cr_expect_eq(db_write(db, add, key_b), ERR_OK, "a backup");
}

/* The mark is a pipe here, so that who reads it waits for what happens meanwhile. */
static void *
commit_and_mark(void *arg)
{
	char path[200], log[200];
	const char *line = arg;
	FILE *mark, *f;

	(void)snprintf(path, sizeof(path), "%s/other.mark", dir);
	(void)snprintf(log, sizeof(log), "%s/other-wal", dir);
	mark = fopen(path, "w");
	f = fopen(log, "w");
	if (mark == NULL || f == NULL)
		abort();
	(void)fprintf(f, "%4096d", 0);
	(void)fclose(f);
	(void)fputs(line, mark);
	(void)fclose(mark);
	return NULL;
}

Test(db, is_not_alarmed_by_a_change_that_comes_while_it_looks_for_the_log)
{
	char path[200], mark[208], line[80] = "";
	pthread_t other;
	struct stat st;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/other", dir);
	(void)snprintf(mark, sizeof(mark), "%s.mark", path);
	f = fopen(path, "w");
	cr_assert_not_null(f);
	(void)fputs("a store", f);
	(void)fclose(f);
	cr_assert_eq(stat(path, &st), 0);
	db_mark_set(path, &st);
	cr_assert(db_mark_lost_log(path), "such a mark without a log tells");
	f = fopen(mark, "r");
	cr_assert_not_null(f);
	cr_assert_not_null(fgets(line, sizeof(line), f));
	(void)fclose(f);
	cr_assert_eq(unlink(mark), 0);
	cr_assert_eq(mkfifo(mark, 0600), 0);
	cr_assert_eq(pthread_create(&other, NULL, commit_and_mark, line), 0);
	cr_expect_not(db_mark_lost_log(path));
	(void)pthread_join(other, NULL);
}

Test(db, marks_each_log_that_begins_anew)
{
	int i;

	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
	for (i = 0; i < 1500; i++)
		cr_assert_eq(db_write(db, bump, key_a), ERR_OK);
	db_close(db);
	db = NULL;
	cr_assert(remove_beside("-wal"));
	db = open_store(5000);
	cr_expect_eq(db_check(db), ERR_DAMAGED);
}

Test(db, makes_no_empty_store_where_one_was_lost)
{
	static const char *const told_by[] = {"-wal", ".mark", NULL};
	struct db_options o = {uri, &schema, 1, 100, false};
	char path[200];
	struct db *none = NULL;
	int i, how;

	for (how = 0; how < 2; how++)
		for (i = 0; i < 3; i++) {
			cr_assert_eq(db_write(db, bump, key_a), ERR_OK);
			cr_assert_eq(db_write(db, add, key_a), ERR_OK);
			db_close(db);
			db = NULL;
			(void)snprintf(path, sizeof(path), "%s/state.db", dir);
			cr_assert_eq(
			    how == 0 ? unlink(path) : truncate(path, 0), 0);
			if (i != 0)
				cr_assert(remove_beside("-wal"));
			if (i != 1)
				cr_assert(remove_beside(".mark"));
			o.expected = told_by[i] == NULL;
			cr_expect_eq(db_open(&none, &o), ERR_IO);
			o.expected = false;
			(void)remove_beside("-wal");
			(void)remove_beside("-shm");
			(void)remove_beside(".mark");
			db = open_store(5000);
		}
}

Test(db, finds_no_damage_in_a_sound_store)
{
	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
	cr_expect_eq(db_verify(db, false), ERR_OK);
	cr_expect_eq(db_verify(db, true), ERR_OK);
	cr_expect_eq(db_write(db, bump, key_a), ERR_OK);
}

/* Bytes of the log after 1500 changes of a page each. */
static long
log_after_changes(void)
{
	char path[160];
	struct stat st;
	int i;

	for (i = 0; i < 1500; i++)
		cr_assert_eq(db_write(db, bump, key_a), ERR_OK);
	(void)snprintf(path, sizeof(path), "%s/state.db-wal", dir);
	cr_assert_eq(stat(path, &st), 0);
	return (long)st.st_size;
}

Test(db, keeps_its_log_short_by_checkpoints)
{
	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
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

	cr_assert_eq(db_write(db, add_megabytes, NULL), ERR_OK);
	db_close(db);
	(void)snprintf(path, sizeof(path), "%s/state.db", dir);
	cr_assert_gt(settle_file(path), 8000L * 4096);
	db = open_store(5000);
	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
	cr_expect_gt(log_after_changes(), 1500L * 4120);
	cr_expect_lt(log_after_changes(), 2700L * 4120);
}

Test(db, reads_one_snapshot_until_it_is_given_back)
{
	struct db_conn *c;
	struct db_stmt *s;
	int round;

	cr_assert_eq(db_write(db, add, key_a), ERR_OK);
	for (round = 1; round <= 3; round++) {
		c = db_read_once(db);
		cr_assert_eq(db_query(c, &s, sql_get, "t", key_a), ERR_OK);
		db_end(s);
		cr_assert_eq(db_write(db, bump, key_a), ERR_OK);
		cr_assert_eq(db_query(c, &s, sql_get, "t", key_a), ERR_OK);
		cr_expect_eq(db_int(s, 0), round, "as it was");
		db_end(s);
		db_read_end(db, c);
		cr_expect_eq(get(db, "a"), round + 1);
	}
}
