/* A broker that has lost messages gets those of waiting jobs again. */

#include <criterion/criterion.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "fake_broker.h"
#include "fixture.h"
#include "heal.h"
#include "log.h"
#include "outbox.h"
#include "trim.h"

static struct fixture f;
static struct fake_broker *fake;
static struct trim *trim;
static struct broker_tap *tap;

static void
setup(void)
{
	log_setup("unit", LOG_LVL_ERROR);
	fake = fake_broker_new();
}

static void
teardown(void)
{
	broker_tap_close(tap);
	trim_close(trim);
	fixture_close(&f);
	fake_broker_free(fake);
}

TestSuite(heal, .init = setup, .fini = teardown, .timeout = 120);

static void
given_server(const char *more)
{
	fixture_open_broker(&f, fake, PATIENT_MS, more);
	cr_assert_eq(broker_tap_open(&tap, f.svc.broker), ERR_OK);
}

static int64_t
unpublished(void)
{
	/* Behind the notes of those that were sent. */
	fixture_sql(&f, "UPDATE queue SET name = name");
	return outbox_waiting(&f.svc);
}

static struct id
given(const char *queue)
{
	struct id id = fixture_given(&f, queue);

	cr_assert_eq(unpublished(), 0);
	return id;
}

static void
heal_all(void)
{
	char after[NAME_LEN_MAX + 1] = "";
	enum err e;

	do
		e = heal_next(&f.svc, tap, after);
	while (e == ERR_OK);
	cr_assert_eq(e, ERR_NOTFOUND);
}

Test(heal, publishes_again_what_waits_on_a_queue_that_is_gone)
{
	struct id first, second, taken;
	struct job job;

	given_server("");
	taken = given("q");
	first = given("q");
	second = given("q");
	(void)given("kept");
	cr_assert_eq(fixture_take(&f, "q", "a", &job), ERR_OK);
	cr_assert_str_eq(job.id.text, taken.text);
	fake_broker_delete(fake, "q");
	heal_all();
	cr_expect_eq(unpublished(), 2);
	cr_expect_eq(outbox_sweep(&f.svc, f.arena), 2);
	cr_expect_eq(unpublished(), 0);
	cr_expect_eq(fake_broker_depth(fake, "q"), 2);
	cr_expect_str_eq(fake_broker_at(fake, "q", 0), first.text);
	cr_expect_str_eq(fake_broker_at(fake, "q", 1), second.text);
	cr_expect_eq(fake_broker_depth(fake, "kept"), 1);
}

Test(heal, publishes_again_where_messages_are_missing_and_nobody_consumes)
{
	given_server("");
	(void)given("q");
	(void)given("q");
	heal_all();
	cr_expect_eq(unpublished(), 0, "all are there");
	fake_broker_delete(fake, "q");
	fake_broker_put(fake, "q", "x", 1);
	fake_broker_consume(fake, "q", 1);
	heal_all();
	cr_expect_eq(unpublished(), 0, "a consumer may have it");
	fake_broker_consume(fake, "q", 0);
	heal_all();
	cr_expect_eq(unpublished(), 2);
}

Test(heal, leaves_jobs_that_are_not_published_yet_to_their_sender)
{
	given_server("");
	(void)given("q");
	fake_broker_delete(fake, "q");
	fixture_sql(&f, "UPDATE job SET publish_at = 9000000000000");
	heal_all();
	cr_expect_eq(outbox_sweep(&f.svc, f.arena), 1,
	    "one that is set too far ahead is sent by the outbox itself");
	cr_expect_eq(fake_broker_depth(fake, "q"), 1);
	fixture_sql(&f, "UPDATE job SET ready = 0");
	fake_broker_delete(fake, "q");
	heal_all();
	cr_expect_eq(unpublished(), 0);
}

Test(heal, leaves_queues_of_consumers_that_do_not_claim)
{
	given_server("AMQP_UNCLAIMED_QUEUES = ['q']\n");
	(void)given("q");
	fake_broker_delete(fake, "q");
	heal_all();
	cr_expect_eq(unpublished(), 0);
}

Test(heal, marks_each_of_many_once)
{
	given_server("");
	(void)given("q");
	fixture_sql(&f,
	    "INSERT INTO job (id, queue, priority, state, seed, ready, "
	    "body, created_at, result_file) "
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
	    "SELECT i + 1 FROM n WHERE i < 1200) "
	    "SELECT 'x' || i, 'q', i % 3, 'waiting', 0, 1, '{}', 1, 0 "
	    "FROM n");
	fake_broker_delete(fake, "q");
	heal_all();
	cr_expect_eq(unpublished(), 1201);
}

static _Atomic int64_t steps; /* of all statements, as SQLite counts them */

static int
count_steps(unsigned type, void *ctx, void *stmt, void *ns)
{
	(void)type;
	(void)ctx;
	(void)ns;
	(void)atomic_fetch_add(
	    &steps, sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1));
	return 0;
}

static int
watch_steps(sqlite3 *db, const char **why, const void *api)
{
	(void)why;
	(void)api;
	return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, count_steps, NULL);
}

static int64_t
steps_of_healing(void)
{
	int64_t before = atomic_load(&steps);

	heal_all();
	return atomic_load(&steps) - before;
}

Test(heal, looks_at_the_waiting_jobs_alone)
{
	int64_t few, many;

	cr_assert_eq(
	    sqlite3_auto_extension((void (*)(void))watch_steps), SQLITE_OK);
	given_server("");
	(void)given("q");
	(void)given("q");
	fake_broker_delete(fake, "q");
	few = steps_of_healing();
	cr_expect_eq(unpublished(), 2);
	cr_expect_gt(few, 0);
	fixture_sql(&f, "UPDATE job SET publish_at = NULL");
	fixture_sql(&f,
	    "INSERT INTO job (id, queue, priority, state, seed, ready, "
	    "body, created_at, ended_at, result_file) "
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
	    "SELECT i + 1 FROM n WHERE i < 2000) "
	    "SELECT 'x' || i, 'q', 0, 'complete', 0, 1, '{}', 1, 1, 0 "
	    "FROM n");
	fixture_sql(
	    &f, "UPDATE job SET seq = seq + 5000 WHERE state = 'waiting'");
	many = steps_of_healing();
	cr_expect_eq(unpublished(), 2);
	cr_expect_lt(many, 2 * few);
}

Test(heal, comes_after_each_connection_and_where_trimming_finds_none)
{
	given_server("");
	(void)given("q");
	fake_broker_delete(fake, "q");
	cr_assert_eq(trim_open(&trim, &f.svc), ERR_OK);
	while (trim_tick(trim))
		continue;
	cr_expect_eq(outbox_sweep(&f.svc, f.arena), 1);
	cr_assert_eq(unpublished(), 0);
	/* Lost while nobody was connected. */
	fake_broker_stop(fake);
	fake_broker_delete(fake, "q");
	fake_broker_start(fake);
	eventually((trim_tick(trim), unpublished() == 1));
	eventually(outbox_sweep(&f.svc, f.arena) == 1);
	while (trim_tick(trim))
		continue;
	/* Deleted under its eyes: seen when there is something to trim. */
	(void)given("q");
	fake_broker_delete(fake, "q");
	fixture_sql(&f, "UPDATE queue_trim SET at = 0, head = NULL");
	while (trim_tick(trim))
		continue;
	cr_expect_eq(unpublished(), 2);
}

Test(heal, gives_up_with_the_connection)
{
	char after[NAME_LEN_MAX + 1] = "";

	given_server("");
	(void)given("q");
	fake_broker_stop(fake);
	cr_expect_eq(heal_next(&f.svc, tap, after), ERR_BROKER);
	fake_broker_start(fake);
}

/* Once the jobs are counted one more is: it went back, and the outbox has sent it already. */
static int
send_one_more(unsigned type, void *ctx, void *stmt, void *ns)
{
	static atomic_bool done;

	(void)type;
	(void)ctx;
	(void)ns;
	if (strstr(sqlite3_sql(stmt), "max(seq)") != NULL &&
	    !atomic_exchange(&done, true))
		fixture_sql(
		    &f, "UPDATE job SET publish_at = NULL WHERE priority = 1");
	return 0;
}

static int
watch_count(sqlite3 *db, const char **why, const void *api)
{
	(void)why;
	(void)api;
	return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, send_one_more, NULL);
}

Test(heal, leaves_none_out_for_one_that_goes_back_meanwhile)
{
	struct id back;
	char sql[160];

	cr_assert_eq(
	    sqlite3_auto_extension((void (*)(void))watch_count), SQLITE_OK);
	given_server("");
	back = given("q");
	(void)given("q");
	(void)given("q");
	(void)snprintf(sql, sizeof(sql),
	    "UPDATE job SET priority = 1, publish_at = 9000000000000 "
	    "WHERE id = '%s'",
	    back.text);
	fixture_sql(&f, sql);
	fake_broker_delete(fake, "q");
	heal_all();
	cr_expect_eq(unpublished(), 3);
}
