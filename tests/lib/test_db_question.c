/* A question that found nothing is not asked again until somebody has committed something. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "db.h"
#include "db_nothing.h"
#include "fixture.h"
#include "log.h"

static const char *const steps[] = {
    "CREATE TABLE t (k TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT"};
static const struct db_schema schema = {1, steps};
static const char sql_add[] = "INSERT INTO t (k, n) VALUES ('k', 1) ON "
			      "CONFLICT (k) DO UPDATE SET n = n + 1";

static char dir[64], uri[128];
static struct db *db, *other;

static struct db *
open_store(void)
{
	struct db_options o = {uri, &schema, 2, 5000, false};
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
	db = open_store();
	other = open_store();
}

static void
teardown(void)
{
	db_close(other);
	db_close(db);
	fixture_rmdir(dir);
}

TestSuite(db_question, .init = setup, .fini = teardown);

static struct db_question
asked(const char *a, const char *b)
{
	struct db_question q;

	db_ask(db, &q);
	cr_assert(q.known);
	db_ask_of(db, &q, a);
	db_ask_of(db, &q, b);
	return q;
}

static bool
had_nothing(const char *a, const char *b)
{
	struct db_question q = asked(a, b);

	return db_had_nothing(db, &q);
}

static void
note(const char *a, const char *b)
{
	struct db_question q = asked(a, b);

	db_note_nothing(db, &q);
}

static enum err
change(struct db_conn *c, void *arg)
{
	(void)arg;
	return db_exec(c, NULL, sql_add, "");
}

Test(db_question, is_known_to_find_nothing_once_that_was_told_of_it)
{
	cr_expect(!had_nothing("a", "b"));
	note("a", "b");
	cr_expect(had_nothing("a", "b"));
}

Test(db_question, is_another_one_with_any_other_text)
{
	note("a", "b");
	cr_expect(!had_nothing("a", "c"));
	cr_expect(!had_nothing("b", "a"));
	cr_expect(!had_nothing("ab", ""));
	cr_expect(!had_nothing("a", NULL));
	cr_expect(!had_nothing("", "ab"));
	cr_expect(had_nothing("a", "b"));
}

Test(db_question, is_open_again_after_a_commit_of_anybody)
{
	note("a", "b");
	cr_assert_eq(db_write(db, change, NULL), ERR_OK);
	cr_expect(!had_nothing("a", "b"));
	note("a", "b");
	cr_expect(had_nothing("a", "b"));
	cr_assert_eq(db_write(other, change, NULL), ERR_OK);
	cr_expect(!had_nothing("a", "b"));
}

Test(db_question,
    is_open_again_after_each_of_so_many_commits_that_the_log_starts_over)
{
	int i;

	for (i = 0; i < 2500; i++) {
		note("a", "b");
		cr_assert_eq(
		    db_write(i % 2 == 0 ? db : other, change, NULL), ERR_OK);
		cr_assert(!had_nothing("a", "b"));
	}
}

/* What was read may be older than the commit. */
Test(db_question, that_was_asked_before_a_commit_tells_nothing_after_it)
{
	struct db_question before = asked("a", "b");

	cr_assert_eq(db_write(other, change, NULL), ERR_OK);
	db_note_nothing(db, &before);
	cr_expect(!had_nothing("a", "b"));
}

/* By FNV-1a they have the same hash from each 256th start. */
Test(db_question, is_not_answered_by_another_one_that_was_made_to_be_like_it)
{
	static const char a[] = "k93e436s2l9slb23l5",
			  b[] = "j1nb4m871vk0ml01s0";
	const struct db_stamp stamp = {{0}};
	struct db_nothing *n;
	uint64_t begin;
	int i;

	for (i = 0; i < 4096; i++) {
		n = db_nothing_new();
		cr_assert_not_null(n);
		begin = db_nothing_begin(n, &stamp);
		db_nothing_note(n, db_nothing_add(n, begin, a, strlen(a)));
		cr_assert(!db_nothing_known(
		    n, db_nothing_add(n, begin, b, strlen(b))));
		db_nothing_free(n);
	}
}
