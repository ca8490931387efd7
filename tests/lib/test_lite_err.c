/* What fails in the store, as the log tells it. */

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "cause.h"
#include "clock.h"
#include "log.h"
#include "loglines.h"
#include "store.h"

TestSuite(lite_err, .init = store_setup, .fini = store_teardown);

static char text[65536];

static enum err
use_missing(struct db_conn *c, void *arg)
{
	(void)arg;
	return db_exec(c, NULL, "SELECT n FROM missing", "");
}

static void
fail(unsigned times)
{
	struct db_conn *c = db_read(store);

	while (times-- > 0)
		cr_expect_eq(use_missing(c, NULL), ERR_IO);
	db_read_end(store, c);
}

Test(lite_err, tells_once_a_minute_what_fails_in_a_loop)
{
	loglines_catch();
	fail(5);
	clock_skip_for_test(59000);
	fail(1);
	loglines_release(text, sizeof(text));
	cr_expect_eq(
	    loglines_count(text, "no such table: missing"), 1, "%s", text);
	loglines_catch();
	clock_skip_for_test(1000);
	fail(3);
	loglines_release(text, sizeof(text));
	cr_expect_eq(
	    loglines_count(text, "no such table: missing"), 1, "%s", text);
	cr_expect_not_null(strstr(text, "5 more times"), "%s", text);
}

Test(lite_err, tells_each_request_that_fails)
{
	loglines_catch();
	fail(1);
	log_request("first");
	fail(1);
	log_request("second");
	fail(1);
	log_request(NULL);
	fail(1);
	loglines_release(text, sizeof(text));
	cr_expect_eq(
	    loglines_count(text, "no such table: missing"), 3, "%s", text);
	cr_expect_eq(loglines_count(text, "req=first "), 1, "%s", text);
	cr_expect_eq(loglines_count(text, "req=second "), 1, "%s", text);
}

Test(lite_err, tells_the_request_whose_change_fails)
{
	const struct cause by = {.request_id = "mine"};

	loglines_catch();
	cause_set(&by);
	cr_expect_eq(db_write(store, use_missing, NULL), ERR_IO);
	cr_expect_eq(db_write(store, use_missing, NULL), ERR_IO);
	cause_set(NULL);
	loglines_release(text, sizeof(text));
	cr_expect_eq(loglines_count(text, "req=mine "), 2, "%s", text);
	cr_expect_eq(loglines_count(text, "\n"), 2, "%s", text);
}

static enum err
add_for(const char *request, char *key)
{
	const struct cause by = {.request_id = request};
	enum err e;

	cause_set(&by);
	e = db_write(store, store_add, key);
	cause_set(NULL);
	return e;
}

/* One commit is for several requests, and of none while it fails: no file can grow. */
Test(lite_err, tells_each_request_whose_commit_fails)
{
	struct rlimit before, none;

	(void)signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	loglines_catch();
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	cr_expect_eq(add_for("one", key_a), ERR_IO);
	cr_expect_eq(add_for("two", key_a), ERR_IO);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	cr_expect_eq(add_for("three", key_a), ERR_OK);
	loglines_release(text, sizeof(text));
	cr_expect_eq(loglines_count(text, "req=one "), 1, "%s", text);
	cr_expect_eq(loglines_count(text, "req=two "), 1, "%s", text);
	cr_expect_eq(loglines_count(text, "req=three "), 0, "%s", text);
	cr_expect_eq(loglines_count(text, "COMMIT"), 1, "%s", text);
}
