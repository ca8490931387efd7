/* Damage: met, told to whoever has the store open, and not written to. */

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store.h"

TestSuite(lite_damage, .init = store_setup, .fini = store_teardown);

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

Test(lite_damage, writes_no_more_once_it_has_met_damage_until_it_is_mended)
{
	char path[160], good[160], mark[200];
	struct db *other;

	store_of_pages(path, good);
	overwrite(path, 2 * 4096, 4 * 4096);
	store = store_open(5000);
	other = store_open(5000);
	cr_expect_eq(db_check(store), ERR_OK, "a look does not find it");
	cr_expect_eq(db_verify(store, false), ERR_DAMAGED);
	cr_expect_eq(db_check(store), ERR_DAMAGED);
	cr_expect_eq(db_write(store, store_add, key_a), ERR_DAMAGED);
	cr_expect_eq(db_check(other), ERR_DAMAGED, "nor does any other");
	cr_expect_eq(db_write(other, store_add, key_a), ERR_DAMAGED);
	cr_expect_eq(db_verify(other, true), ERR_DAMAGED, "it is not mended");
	db_close(other);
	db_close(store);
	store = store_open(5000);
	cr_expect_eq(db_write(store, store_add, key_a), ERR_DAMAGED,
	    "nor after a start");
	db_close(store);
	store_copy(good, path);
	store = store_open(5000);
	cr_expect_eq(db_write(store, store_add, key_a), ERR_DAMAGED);
	cr_expect_eq(db_verify(store, false), ERR_DAMAGED);
	cr_expect_eq(db_verify(store, true), ERR_OK);
	cr_expect_eq(db_write(store, store_add, key_a), ERR_OK);
	(void)snprintf(mark, sizeof(mark), "%s.damaged", path);
	cr_expect_neq(access(mark, F_OK), 0);
}

Test(lite_damage, opens_a_store_without_its_header_and_writes_nothing)
{
	char path[160], good[160];

	store_of_pages(path, good);
	overwrite(path, 0, 100);
	store = store_open(5000);
	cr_expect_eq(db_check(store), ERR_DAMAGED);
	cr_expect_eq(db_write(store, store_add, key_a), ERR_DAMAGED);
	db_close(store);
	store_copy(good, path);
	store = store_open(5000);
	cr_expect_eq(db_verify(store, true), ERR_OK);
	cr_expect_eq(db_write(store, store_add, key_a), ERR_OK);
}

Test(lite_damage, writes_no_more_when_its_log_or_its_file_is_removed)
{
	static const char *const names[] = {"state.db-wal", "state.db"};
	char path[160], good[160], gone[200];
	size_t i;

	store_of_pages(path, good);
	for (i = 0; i < 2; i++) {
		store = store_open(5000);
		cr_assert_eq(db_write(store, store_bump, key_a), ERR_OK);
		(void)snprintf(
		    gone, sizeof(gone), "%s/%s", store_dir, names[i]);
		cr_assert_eq(unlink(gone), 0);
		cr_expect_eq(db_write(store, store_add, key_a), ERR_DAMAGED);
		cr_expect_eq(db_check(store), ERR_DAMAGED);
		cr_expect_eq(db_verify(store, false), ERR_DAMAGED);
		cr_expect_neq(access(gone, F_OK), 0, "it makes no new one");
		db_close(store);
		store = NULL;
		(void)snprintf(gone, sizeof(gone), "%s.damaged", path);
		cr_assert_eq(unlink(gone), 0);
		store_copy(good, path);
	}
}

/* Who has it open goes on reading; who does not is told why it cannot. */
/* Who starts makes a new index, and would not see what the others commit, nor they what it does. */
Test(lite_damage, writes_no_more_when_the_index_of_its_log_is_removed)
{
	char path[160];

	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	(void)snprintf(path, sizeof(path), "%s/state.db-shm", store_dir);
	cr_assert_eq(unlink(path), 0);
	cr_expect_eq(db_write(store, store_add, key_b), ERR_DAMAGED);
	db_close(store);
	store = store_open(5000);
	cr_expect_eq(db_verify(store, true), ERR_OK);
	cr_expect_eq(db_write(store, store_add, key_b), ERR_OK);
	cr_expect_eq(store_get(store, "a"), 1, "nothing is lost");
}

Test(lite_damage, tells_of_a_log_that_was_removed_when_another_starts)
{
	struct db_options o = {store_uri, &store_schema, 2, 5000, false};
	char path[160];
	struct db *other = NULL;

	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	(void)snprintf(path, sizeof(path), "%s/state.db-wal", store_dir);
	cr_assert_eq(unlink(path), 0);
	cr_expect_eq(db_open(&other, &o), ERR_IO);
	(void)snprintf(path, sizeof(path), "%s/state.db.damaged", store_dir);
	cr_expect_eq(access(path, F_OK), 0);
	cr_expect_eq(db_check(store), ERR_DAMAGED);
	cr_expect_eq(db_write(store, store_add, key_b), ERR_DAMAGED);
	cr_expect_eq(store_get(store, "a"), 1);
}

/* Whoever has it open, and has written the last of it or not. */
Test(lite_damage, writes_no_more_behind_the_end_of_a_log_that_was_cut)
{
	struct db_options o = {store_uri, &store_schema, 2, 5000, false};
	struct db *other = store_open(5000), *late = NULL;
	char path[160];
	struct stat st;
	off_t cut;

	cr_assert_eq(db_write(other, store_add, key_x), ERR_OK);
	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	(void)snprintf(path, sizeof(path), "%s/state.db-wal", store_dir);
	cr_assert_eq(stat(path, &st), 0);
	cut = st.st_size - 1;
	cr_assert_eq(truncate(path, cut), 0);
	cr_expect_eq(db_write(other, store_add, key_b), ERR_DAMAGED);
	cr_expect_eq(db_write(store, store_add, key_b), ERR_DAMAGED);
	cr_expect_eq(db_check(store), ERR_DAMAGED);
	cr_expect_eq(db_open(&late, &o), ERR_IO);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_size, cut, "nothing is written to it");
	db_close(other);
}

/* What is left is sound, and does not tell that there was more. */
Test(lite_damage, does_not_forget_that_its_log_was_cut)
{
	char path[160], mark[160];
	struct stat st;

	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	(void)snprintf(path, sizeof(path), "%s/state.db-wal", store_dir);
	(void)snprintf(mark, sizeof(mark), "%s/state.db.mark", store_dir);
	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(db_write(store, store_add, key_x), ERR_OK);
	cr_assert_eq(truncate(path, st.st_size), 0);
	cr_assert_eq(db_write(store, store_add, key_b), ERR_DAMAGED);
	db_close(store);
	store = store_open(5000);
	cr_expect_eq(db_verify(store, true), ERR_DAMAGED);
	cr_expect_eq(db_write(store, store_add, key_b), ERR_DAMAGED);
	db_close(store);
	cr_assert_eq(unlink(mark), 0, "as who restores a backup");
	store = store_open(5000);
	cr_expect_eq(db_verify(store, true), ERR_OK);
	cr_expect_eq(db_write(store, store_add, key_b), ERR_OK);
	cr_expect_eq(store_get(store, "a"), 1);
}

static void
checkpoint(const char *mode)
{
	char path[160], sql[80];
	sqlite3 *other;

	(void)snprintf(path, sizeof(path), "%s/state.db", store_dir);
	(void)snprintf(sql, sizeof(sql), "PRAGMA wal_checkpoint(%s)", mode);
	cr_assert_eq(sqlite3_open(path, &other), SQLITE_OK);
	cr_assert_eq(sqlite3_exec(other, sql, NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(other);
}

/* As an operator does with sqlite3 while the server runs. */
Test(lite_damage, goes_on_when_the_log_was_cut_by_right)
{
	static const char *const modes[] = {"PASSIVE", "RESTART", "TRUNCATE"};
	struct db *other = store_open(5000);
	char key[8];
	size_t i, n = 0;

	for (i = 0; i < 9; i++) {
		(void)snprintf(key, sizeof(key), "k%zu", n++);
		cr_assert_eq(
		    db_write(i % 2 == 0 ? store : other, store_add, key),
		    ERR_OK);
		checkpoint(modes[i / 3]);
		(void)snprintf(key, sizeof(key), "k%zu", n++);
		cr_assert_eq(db_write(other, store_add, key), ERR_OK);
	}
	cr_expect_eq(db_check(store), ERR_OK);
	db_close(other);
}

Test(lite_damage, finds_no_damage_in_a_sound_store)
{
	cr_assert_eq(db_write(store, store_add, key_a), ERR_OK);
	cr_expect_eq(db_verify(store, false), ERR_OK);
	cr_expect_eq(db_verify(store, true), ERR_OK);
	cr_expect_eq(db_write(store, store_bump, key_a), ERR_OK);
}
