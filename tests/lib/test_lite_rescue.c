/* A log that was removed while in use is kept by who has it open, and can be put back. */

#include <criterion/criterion.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store.h"

TestSuite(lite_rescue, .init = store_setup, .fini = store_teardown);

/* How many files of that kind there are; the last one's path. */
static size_t
kept(char path[160])
{
	char pattern[160];
	glob_t g;
	size_t n;

	(void)snprintf(
	    pattern, sizeof(pattern), "%s/state.db-wal.saved.*", store_dir);
	n = glob(pattern, 0, NULL, &g) == 0 ? g.gl_pathc : 0;
	if (n > 0)
		(void)snprintf(path, 160, "%s", g.gl_pathv[n - 1]);
	globfree(&g);
	return n;
}

static void
lose_log(void)
{
	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	cr_assert_eq(db_write(store, store_bump, key_a), ERR_OK);
	cr_assert(store_remove("-wal"));
}

static void
close_store(void)
{
	db_close(store);
	store = NULL;
}

/* As docs/STORE.md tells. */
static void
put_back(const char *path)
{
	char log[160];

	(void)store_remove("-wal");
	(void)store_remove("-shm");
	(void)store_remove(".mark");
	(void)snprintf(log, sizeof(log), "%s/state.db-wal", store_dir);
	cr_assert_eq(rename(path, log), 0);
	store = store_open(5000);
	cr_expect_eq(store_get(store, "a"), 2);
}

Test(lite_rescue, keeps_it_when_a_change_meets_that)
{
	struct stat st;
	char path[160];

	lose_log();
	cr_expect_eq(db_write(store, store_bump, key_a), ERR_DAMAGED);
	cr_assert_eq(kept(path), 1);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 0777, 0600);
	close_store();
	put_back(path);
	cr_expect_eq(db_verify(store, true), ERR_OK);
	cr_expect_eq(db_write(store, store_bump, key_a), ERR_OK);
	cr_expect_eq(store_get(store, "a"), 3);
}

Test(lite_rescue, keeps_it_when_who_has_it_open_stops_before_any_change)
{
	char path[160];

	lose_log();
	close_store();
	cr_assert_eq(kept(path), 1);
	put_back(path);
}

Test(lite_rescue, keeps_it_once_however_many_have_it_open)
{
	struct db *other = store_open(5000), *third = store_open(5000);
	char path[160];

	lose_log();
	cr_expect_eq(db_write(other, store_bump, key_a), ERR_DAMAGED);
	cr_expect_eq(db_write(third, store_bump, key_a), ERR_DAMAGED);
	db_close(other);
	db_close(third);
	close_store();
	cr_assert_eq(kept(path), 1);
	put_back(path);
}

/* Who starts meanwhile makes a new log, which tells nothing. */
Test(lite_rescue, keeps_the_one_that_was_removed_and_not_the_one_in_its_place)
{
	struct db_options o = {store_uri, &store_schema, 2, 5000, false};
	struct db *late = NULL;
	char path[160];

	lose_log();
	cr_assert_neq(db_open(&late, &o), ERR_OK);
	cr_expect_eq(kept(path), 0);
	close_store();
	cr_assert_eq(kept(path), 1);
	put_back(path);
}

Test(lite_rescue, keeps_none_that_is_in_its_place)
{
	char path[160];

	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	close_store();
	cr_expect_eq(kept(path), 0);
}

/* It would not fit. */
Test(lite_rescue, keeps_none_of_a_store_that_was_removed_too)
{
	char path[160];

	lose_log();
	cr_assert(store_remove(""));
	cr_expect_eq(db_write(store, store_bump, key_a), ERR_DAMAGED);
	close_store();
	cr_expect_eq(kept(path), 0);
}
