/* How far the log goes that is marked: what is missing at its end after a rest, and no false alarm. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store.h"

TestSuite(lite_log, .init = store_setup, .fini = store_teardown);

static void
reopen(void)
{
	db_close(store);
	store = store_open(5000);
}

static off_t
log_size(void)
{
	char path[160];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/state.db-wal", store_dir);
	cr_assert_eq(stat(path, &st), 0);
	return st.st_size;
}

/* By what it ended in, by a change, or all but its header. */
Test(lite_log, writes_no_more_when_its_log_was_cut_while_nobody_had_it_open)
{
	char path[160], whole[160];
	off_t cut[4];
	size_t i;

	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	cut[0] = log_size();
	cr_assert_eq(db_write(store, store_bump, key_a), ERR_OK);
	cut[1] = log_size() - 1;
	cut[2] = 57;
	cut[3] = 40;
	db_close(store);
	(void)snprintf(path, sizeof(path), "%s/state.db-wal", store_dir);
	(void)snprintf(whole, sizeof(whole), "%s/whole", store_dir);
	store_copy(path, whole);
	for (i = 0; i < 4; i++) {
		cr_assert_eq(truncate(path, cut[i]), 0);
		store = store_open(5000);
		cr_expect_eq(db_write(store, store_add, key_b), ERR_DAMAGED,
		    "cut to %lld", (long long)cut[i]);
		reopen();
		cr_expect_eq(db_verify(store, true), ERR_DAMAGED, "nor later");
		db_close(store);
		store_copy(whole, path);
		store = store_open(5000);
		cr_expect_eq(db_verify(store, true), ERR_OK, "it is put back");
		cr_expect_eq(store_get(store, "a"), 2);
		db_close(store);
	}
	store = store_open(5000);
	cr_expect_eq(db_write(store, store_add, key_b), ERR_OK);
}

/* Whoever wrote last, and whoever goes last. */
Test(lite_log, misses_what_any_process_wrote_whoever_stopped_first)
{
	char path[160], whole[160];
	struct db *other;
	int i;

	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	for (i = 0; i < 4; i++) {
		other = store_open(5000);
		cr_assert_eq(
		    db_write(i % 2 == 0 ? store : other, store_bump, key_a),
		    ERR_OK);
		db_close(i < 2 ? store : other);
		db_close(i < 2 ? other : store);
		(void)snprintf(
		    path, sizeof(path), "%s/state.db-wal", store_dir);
		(void)snprintf(whole, sizeof(whole), "%s/whole", store_dir);
		store_copy(path, whole);
		cr_assert_eq(truncate(path, log_size() - 1), 0);
		store = store_open(5000);
		cr_expect_eq(db_verify(store, false), ERR_DAMAGED, "%d", i);
		db_close(store);
		store_copy(whole, path);
		store = store_open(5000);
		cr_expect_eq(db_verify(store, true), ERR_OK);
	}
}

/* What a process that is killed leaves, as another store: its mark first, which is not to be
 * ahead.  The log lacks cut bytes there.  What opening it and a look say. */
static enum err
look_at_what_is_left(off_t cut)
{
	static const char *const names[] = {".mark", "", "-wal"};
	struct db_options o = {store_uri, &store_schema, 1, 5000, false};
	char from[200], to[200], other[200];
	struct db *d = NULL;
	struct stat st;
	enum err e;
	size_t i;

	for (i = 0; i < 3; i++) {
		(void)snprintf(
		    from, sizeof(from), "%s/state.db%s", store_dir, names[i]);
		(void)snprintf(
		    to, sizeof(to), "%s/left.db%s", store_dir, names[i]);
		store_copy(from, to);
	}
	cr_assert_eq(stat(to, &st), 0);
	cr_assert_eq(truncate(to, st.st_size - cut), 0);
	(void)snprintf(other, sizeof(other), "sqlite:%s/left.db", store_dir);
	o.uri = other;
	cr_assert_eq(db_open(&d, &o), ERR_OK);
	e = db_verify(d, false);
	if (e == ERR_OK)
		e = db_write(d, store_bump, key_a);
	db_close(d);
	for (i = 0; i < 3; i++) {
		(void)snprintf(
		    to, sizeof(to), "%s/left.db%s", store_dir, names[i]);
		(void)unlink(to);
	}
	(void)snprintf(to, sizeof(to), "%s/left.db.damaged", store_dir);
	(void)unlink(to);
	return e;
}

/* While logs begin anew, and with one that was marked by a stop. */
Test(lite_log, is_not_alarmed_at_whatever_moment_it_is_killed)
{
	int i;

	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	for (i = 0; i < 2500; i++) {
		if (i % 700 == 500)
			reopen();
		cr_assert_eq(db_write(store, store_bump, key_a), ERR_OK);
		if (i % 25 == 0)
			cr_expect_eq(look_at_what_is_left(0), ERR_OK, "%d", i);
	}
}

Test(lite_log,
    misses_more_than_a_hundred_pages_of_a_log_that_was_cut_after_a_kill)
{
	int i;

	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	for (i = 0; i < 500; i++)
		cr_assert_eq(db_write(store, store_bump, key_a), ERR_OK);
	cr_expect_eq(look_at_what_is_left(0), ERR_OK);
	cr_expect_eq(look_at_what_is_left(110L * 4120), ERR_DAMAGED);
}

/* A reader keeps its last pages from the store, and nobody writes after that. */
Test(lite_log, misses_a_removed_log_of_which_only_a_part_went_into_the_store)
{
	struct db_conn *reader;
	char path[160];
	int i, fd;

	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	for (i = 0; i < 500; i++)
		cr_assert_eq(db_write(store, store_bump, key_a), ERR_OK);
	reader = db_read_once(store);
	cr_assert_eq(db_exec(reader, NULL, "SELECT n FROM t", ""), ERR_OK);
	while (log_size() < 1000L * 4120)
		cr_assert_eq(db_write(store, store_bump, key_a), ERR_OK);
	/* The writer has the lock until its checkpoint is made. */
	(void)snprintf(path, sizeof(path), "%s/state.db.lock", store_dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	cr_assert_eq(flock(fd, LOCK_EX), 0);
	(void)close(fd);
	db_read_end(store, reader);
	db_close(store);
	store = NULL;
	cr_assert(store_remove("-wal"));
	store = store_open(5000);
	cr_expect_eq(db_check(store), ERR_DAMAGED);
}
