/* The mark of a log: whether files of the store were removed while nobody had it open. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db_mark.h"
#include "store.h"

TestSuite(db_mark, .init = store_setup, .fini = store_teardown);

static void
reopen(void)
{
	db_close(store);
	store = store_open(5000);
}

Test(db_mark, writes_no_more_when_its_log_was_removed_while_nobody_had_it_open)
{
	char path[160], good[160];

	store_of_pages(path, good);
	store = store_open(5000);
	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	db_close(store);
	store = NULL;
	cr_assert(store_remove("-wal"));
	store = store_open(5000);
	cr_expect_eq(db_check(store), ERR_DAMAGED);
	cr_expect_eq(db_write(store, store_add, key_b), ERR_DAMAGED);
	cr_expect_eq(db_verify(store, true), ERR_DAMAGED, "sound, but not all");
	reopen();
	cr_expect_eq(db_verify(store, true), ERR_DAMAGED, "nor after a start");
	db_close(store);
	store = NULL;
	store_copy(good, path);
	store = store_open(5000);
	cr_expect_eq(db_verify(store, true), ERR_OK);
	cr_expect_eq(db_write(store, store_add, key_b), ERR_OK);
}

/* Of which it knows nothing while others still call the store damaged. */
Test(
    db_mark, misses_a_log_also_after_a_start_on_a_store_that_was_called_damaged)
{
	char path[160];
	int fd;

	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	db_close(store);
	store = NULL;
	(void)snprintf(path, sizeof(path), "%s/state.db.damaged", store_dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_neq(fd, -1);
	(void)close(fd);
	store = store_open(5000);
	cr_expect_eq(db_write(store, store_add, key_b), ERR_DAMAGED);
	cr_assert_eq(unlink(path), 0);
	cr_assert(store_remove("-wal"));
	cr_expect_eq(db_write(store, store_add, key_b), ERR_DAMAGED);
}

/* Only the second start is told of it. */
Test(db_mark, goes_on_with_what_is_left_when_the_mark_of_its_log_is_removed)
{
	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	db_close(store);
	store = NULL;
	cr_assert(store_remove("-wal"));
	store = store_open(5000);
	cr_expect_eq(db_check(store), ERR_DAMAGED);
	cr_assert(store_remove(".mark"));
	reopen();
	cr_expect_eq(db_verify(store, true), ERR_OK);
	cr_expect_eq(db_write(store, store_add, key_b), ERR_OK);
}

/* In whatever order logs end: by our checkpoints, or by others'. */
Test(db_mark, is_not_alarmed_when_the_log_went_into_the_store)
{
	char path[160], good[160];
	int i;

	store_of_pages(path, good);
	for (i = 0; i < 3; i++) {
		store = store_open(5000);
		cr_assert_eq(db_write(store, store_bump, key_a), ERR_OK);
		(void)store_settle(path);
		cr_expect_eq(
		    db_verify(store, false), ERR_OK, "while it is open");
		reopen();
		cr_expect_eq(db_check(store), ERR_OK);
		db_close(store);
		store = NULL;
		(void)store_settle(path);
		(void)store_remove("-wal");
		(void)store_remove("-shm");
	}
	store = store_open(5000);
	cr_expect_eq(db_write(store, store_add, key_b), ERR_OK);
	db_close(store);
	(void)store_remove("-wal");
	(void)store_remove("-shm");
	store_copy(good, path);
	store = store_open(5000);
	cr_expect_eq(db_write(store, store_add, key_b), ERR_OK, "a backup");
}

/* The mark is a pipe here, so that who reads it waits for what happens meanwhile. */
static void *
commit_and_mark(void *arg)
{
	char path[200], log[200];
	const char *line = arg;
	FILE *mark, *f;

	(void)snprintf(path, sizeof(path), "%s/other.mark", store_dir);
	(void)snprintf(log, sizeof(log), "%s/other-wal", store_dir);
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

Test(db_mark, is_not_alarmed_by_a_change_that_comes_while_it_looks_for_the_log)
{
	char path[200], mark[208], line[80] = "";
	pthread_t other;
	struct stat st;
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s/other", store_dir);
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

Test(db_mark, marks_each_log_that_begins_anew)
{
	int i;

	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	for (i = 0; i < 1500; i++)
		cr_assert_eq(db_write(store, store_bump, key_a), ERR_OK);
	db_close(store);
	store = NULL;
	cr_assert(store_remove("-wal"));
	store = store_open(5000);
	cr_expect_eq(db_check(store), ERR_DAMAGED);
}

Test(db_mark, makes_no_empty_store_where_one_was_lost)
{
	static const char *const told_by[] = {"-wal", ".mark", NULL};
	struct db_options o = {store_uri, &store_schema, 1, 100, false};
	char path[200];
	struct db *none = NULL;
	int i, how;

	for (how = 0; how < 2; how++)
		for (i = 0; i < 3; i++) {
			cr_assert_eq(
			    db_write(store, store_bump, key_a), ERR_OK);
			cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
			db_close(store);
			store = NULL;
			(void)snprintf(
			    path, sizeof(path), "%s/state.db", store_dir);
			cr_assert_eq(
			    how == 0 ? unlink(path) : truncate(path, 0), 0);
			if (i != 0)
				cr_assert(store_remove("-wal"));
			if (i != 1)
				cr_assert(store_remove(".mark"));
			o.expected = told_by[i] == NULL;
			cr_expect_eq(db_open(&none, &o), ERR_IO);
			o.expected = false;
			(void)store_remove("-wal");
			(void)store_remove("-shm");
			(void)store_remove(".mark");
			store = store_open(5000);
		}
}
