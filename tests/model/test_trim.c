/* Messages of jobs that do not wait any more, taken off the queues of a broker. */

#include <criterion/criterion.h>
#include <string.h>

#include "clock.h"
#include "fake_broker.h"
#include "fixture.h"
#include "log.h"
#include "outbox.h"
#include "result.h"
#include "trim.h"

#define MINUTE INT64_C(60000)

static struct fixture f;
static struct fake_broker *fake;
static struct trim *trim;
static int64_t now = 1800000000000;

static void
setup(void)
{
	log_setup("unit", LOG_LVL_ERROR);
	fake = fake_broker_new();
	clock_set_for_test(now);
}

static void
teardown(void)
{
	trim_close(trim);
	fixture_close(&f);
	fake_broker_free(fake);
}

TestSuite(trim, .init = setup, .fini = teardown, .timeout = 120);

static void
given_server(const char *more)
{
	fixture_open_broker(&f, fake, PATIENT_MS, more);
	cr_assert_eq(trim_open(&trim, &f.svc), ERR_OK);
}

static void
later(int64_t ms)
{
	now += ms;
	clock_set_for_test(now);
}

static struct id
given(const char *queue)
{
	return fixture_given(&f, queue);
}

/* Until there is nothing more to do, and all of it is in the store. */
static void
trims(void)
{
	while (trim_tick(trim))
		continue;
	fixture_sql(&f, "UPDATE queue SET name = name");
}

static void
cancel(struct id id)
{
	cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
}

static void
expect_queue(const char *queue, unsigned n, const struct id *first)
{
	/* Acknowledgements have no answer. */
	eventually(fake_broker_depth(fake, queue) == n);
	if (first != NULL)
		cr_expect_str_eq(fake_broker_at(fake, queue, 0), first->text);
}

Test(trim, removes_the_message_of_a_job_that_was_taken)
{
	struct id first, second;
	struct job job;

	given_server("");
	first = given("q");
	second = given("q");
	trims();
	expect_queue("q", 2, &first);
	cr_assert_eq(fixture_take(&f, "q", "a", &job), ERR_OK);
	trims();
	expect_queue("q", 1, &second);
	cr_assert_eq(fixture_take(&f, "q", "a", &job), ERR_OK);
	trims();
	expect_queue("q", 0, NULL);
	cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM queue_trim"), 0);
}

static void
post_result(struct id id)
{
	const char *json = "{\"output\":\"x\"}";
	struct js_fault fault;
	struct js_doc doc;

	cr_assert_eq(
	    js_scan(&doc, f.arena, json, strlen(json), &fault), ERR_OK);
	cr_assert_eq(
	    result_seed_put(&f.svc, &id, &doc, json, strlen(json), true),
	    ERR_OK);
}

static void
claim(struct id id)
{
	const struct claim c = {&id, "a", NULL};
	struct job job;
	enum err e;

	cr_assert_eq(handout_claim(&f.svc, f.arena, &c, &job, &e), CLAIM_OK);
}

static void
overdue(struct id id)
{
	int64_t n;

	(void)id;
	fixture_sql(
	    &f, "UPDATE job SET deadline_at = 1 WHERE state = 'waiting'");
	cr_assert_eq(handout_sweep(&f.svc, &n), ERR_OK);
	cr_assert_gt(n, 0);
}

Test(trim, follows_every_way_out_of_waiting)
{
	static void (*const ways[])(struct id) = {
	    cancel, post_result, claim, overdue};
	size_t i;

	given_server("");
	for (i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		struct id id = given("q");

		trims();
		expect_queue("q", 1, &id);
		ways[i](id);
		trims();
		expect_queue("q", 0, NULL);
	}
}

Test(trim, leaves_each_waiting_job_its_message)
{
	struct id first, second, third;

	given_server("");
	first = given("q");
	second = given("q");
	third = given("q");
	cancel(second);
	trims();
	/* It stands behind one that waits. */
	expect_queue("q", 3, &first);
	cancel(first);
	trims();
	expect_queue("q", 1, &third);
}

Test(trim, does_not_ask_the_broker_while_the_head_waits)
{
	struct id first, second;
	unsigned taken;

	given_server("");
	first = given("q");
	second = given("q");
	trims();
	taken = fake_broker_count(fake, FAKE_TAKEN);
	cancel(second);
	trims();
	trims();
	cr_expect_eq(fake_broker_count(fake, FAKE_TAKEN), taken);
	cancel(first);
	trims();
	expect_queue("q", 0, NULL);
}

Test(trim, leaves_what_is_not_ours_and_looks_behind_it)
{
	struct id stale, waiting, stranger;

	given_server("");
	id_make(&stranger);
	fake_broker_put(fake, "q", NULL, 1);
	fake_broker_put(fake, "q", "no uuid", 1);
	fake_broker_put(fake, "q", stranger.text, 1);
	stale = given("q");
	waiting = given("q");
	cancel(stale);
	trims();
	expect_queue("q", 4, NULL);
	cr_expect_str_eq(fake_broker_at(fake, "q", 0), "");
	cr_expect_str_eq(fake_broker_at(fake, "q", 1), "no uuid");
	cr_expect_str_eq(fake_broker_at(fake, "q", 2), stranger.text);
	cr_expect_str_eq(fake_broker_at(fake, "q", 3), waiting.text);
}

Test(trim, gives_up_behind_many_of_others_and_looks_again_in_a_minute)
{
	struct id stale;

	given_server("");
	fake_broker_put(fake, "q", "x", 64);
	stale = given("q");
	cancel(stale);
	trims();
	expect_queue("q", 65, NULL);
	fake_broker_delete(fake, "q");
	fake_broker_put(fake, "q", stale.text, 1);
	trims();
	cr_expect_eq(fake_broker_depth(fake, "q"), 1);
	later(MINUTE);
	trims();
	expect_queue("q", 0, NULL);
}

Test(trim, is_not_hastened_by_jobs_that_leave_while_others_are_in_the_way)
{
	struct id id;
	unsigned taken;
	int i;

	given_server("");
	fake_broker_put(fake, "q", "x", 64);
	cancel(given("q"));
	trims();
	taken = fake_broker_count(fake, FAKE_TAKEN);
	for (i = 0; i < 3; i++) {
		cancel(given("q"));
		trims();
	}
	cr_expect_eq(fake_broker_count(fake, FAKE_TAKEN), taken);
	later(MINUTE);
	/* Nor by one that leaves during the look. */
	fixture_sql(&f,
	    "CREATE TRIGGER leaves AFTER UPDATE ON queue_trim "
	    "WHEN NEW.at > 0 AND NEW.head IS NULL BEGIN "
	    "UPDATE queue_trim SET at = 0 WHERE queue = NEW.queue; END");
	trims();
	fixture_sql(&f, "DROP TRIGGER leaves");
	cr_expect_gt(fake_broker_count(fake, FAKE_TAKEN), taken);
	taken = fake_broker_count(fake, FAKE_TAKEN);
	trims();
	cr_expect_eq(fake_broker_count(fake, FAKE_TAKEN), taken);
	id = given("q");
	fake_broker_delete(fake, "q");
	fake_broker_put(fake, "q", id.text, 1);
	cancel(id);
	later(MINUTE);
	trims();
	expect_queue("q", 0, NULL);
}

Test(trim, knows_its_own_after_the_job_is_gone)
{
	struct id id;

	given_server("");
	id = given("q");
	fake_broker_put(fake, "other", id.text, 1);
	given("other");
	cancel(id);
	fixture_sql(&f, "DELETE FROM job WHERE state = 'cancelled'");
	trims();
	expect_queue("q", 0, NULL);
	/* Nor is it of use on another queue. */
	expect_queue("other", 1, NULL);
}

Test(trim, removes_a_message_that_comes_late)
{
	struct id id;

	given_server("");
	id = given("q");
	fixture_sql(&f, "UPDATE job SET publish_at = 1");
	cancel(id);
	trims();
	expect_queue("q", 0, NULL);
	/* Sent once more meanwhile; then the outbox finds it ended. */
	fake_broker_put(fake, "q", id.text, 1);
	cr_assert_eq(outbox_sweep(&f.svc, f.arena), 0);
	fixture_sql(&f, "UPDATE queue SET name = name");
	trims();
	expect_queue("q", 0, NULL);
}

Test(trim, of_many_messages_takes_some_at_a_time)
{
	struct id id;

	given_server("");
	id = given("q");
	fake_broker_put(fake, "q", id.text, 600);
	cancel(id);
	trims();
	expect_queue("q", 0, NULL);
}

Test(trim, leaves_queues_of_consumers_that_do_not_claim)
{
	struct id id;

	given_server("AMQP_UNCLAIMED_QUEUES = 'old, older'\n");
	id = given("old");
	cancel(id);
	id = given("new");
	cancel(id);
	trims();
	expect_queue("new", 0, NULL);
	expect_queue("old", 1, NULL);
	cr_expect_eq(fake_broker_count(fake, FAKE_TAKEN), 1);
	cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM queue_trim"), 0);
}

Test(trim, goes_on_after_the_connection_was_cut)
{
	struct id id;

	given_server("");
	id = given("q");
	trims();
	cancel(id);
	fake_broker_order(fake, "q", FAKE_CUT_TAKE, 1);
	trims();
	cr_expect_eq(fake_broker_depth(fake, "q"), 1);
	eventually((trims(), fake_broker_depth(fake, "q") == 0));
}

Test(trim, leaves_alone_what_it_may_not_read_for_a_minute)
{
	struct id id;

	given_server("");
	id = given("q");
	fake_broker_order(fake, "q", FAKE_REFUSE_TAKE, 1);
	cancel(id);
	id = given("other");
	cancel(id);
	trims();
	expect_queue("other", 0, NULL);
	cr_expect_eq(fake_broker_depth(fake, "q"), 1);
	later(MINUTE);
	trims();
	expect_queue("q", 0, NULL);
}

/* A process that died with the lease is followed by the next. */
Test(trim, goes_on_where_another_has_died)
{
	struct id id;

	given_server("");
	id = given("q");
	trims();
	cancel(id);
	fixture_sql(
	    &f, "UPDATE queue_trim SET at = 1800000060000, head = NULL");
	trims();
	cr_expect_eq(fake_broker_depth(fake, "q"), 1);
	later(MINUTE);
	trims();
	expect_queue("q", 0, NULL);
}

/* What happens between the lease and its end is not forgotten with it. */
Test(trim, keeps_a_mark_that_is_made_while_it_looks)
{
	struct id first, second;

	given_server("");
	first = given("q");
	second = given("q");
	trims();
	cancel(first);
	fixture_sql(
	    &f, "UPDATE queue_trim SET at = 1800000060000, head = NULL");
	cancel(second);
	cr_expect_eq(fixture_number(&f, "SELECT at FROM queue_trim"), 0);
	trims();
	expect_queue("q", 0, NULL);
}

/* So much time passes for those who measure it. */
static void
wait_for(int64_t ms)
{
	clock_skip_for_test(ms);
	later(ms);
}

/* What stands on the queue, as the broker tells: others may have got more. */
static void
put_anew(const char *queue, const struct id *first, const struct id *second,
    unsigned consumers)
{
	fake_broker_delete(fake, queue);
	fake_broker_put(fake, queue, "", 0);
	if (first != NULL)
		fake_broker_put(fake, queue, first->text, 1);
	if (second != NULL)
		fake_broker_put(fake, queue, second->text, 1);
	fake_broker_consume(fake, queue, consumers);
}

Test(trim, removes_what_a_consumer_held_before_the_first_once_it_has_gone)
{
	struct id held, waiting;
	unsigned taken;

	given_server("");
	held = given("q");
	waiting = given("q");
	put_anew("q", &waiting, NULL, 1);
	cancel(held);
	trims();
	taken = fake_broker_count(fake, FAKE_TAKEN);
	/* As long as it is there, no message is taken. */
	wait_for(MINUTE);
	trims();
	wait_for(MINUTE);
	trims();
	cr_expect_eq(fake_broker_count(fake, FAKE_TAKEN), taken);
	put_anew("q", &held, &waiting, 0);
	trims();
	expect_queue("q", 2, &held);
	wait_for(MINUTE);
	trims();
	expect_queue("q", 1, &waiting);
	/* And then the head rests. */
	taken = fake_broker_count(fake, FAKE_TAKEN);
	wait_for(10 * MINUTE);
	trims();
	cr_expect_eq(fake_broker_count(fake, FAKE_TAKEN), taken);
}

Test(trim, removes_what_consumers_held_of_queues_that_seemed_empty)
{
	struct id held[3];
	const char *queues[] = {"a", "b", "c"};
	size_t i;

	given_server("");
	for (i = 0; i < 3; i++) {
		held[i] = given(queues[i]);
		put_anew(queues[i], NULL, NULL, 1);
		cancel(held[i]);
	}
	trims();
	cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM queue_trim"), 0);
	put_anew("a", &held[0], NULL, 0);
	put_anew("b", &held[1], NULL, 1);
	put_anew("c", &held[2], NULL, 0);
	wait_for(MINUTE);
	trims();
	expect_queue("a", 0, NULL);
	expect_queue("b", 1, &held[1]);
	expect_queue("c", 0, NULL);
	fake_broker_consume(fake, "b", 0);
	wait_for(MINUTE);
	trims();
	expect_queue("b", 0, NULL);
}

/* While the first is held here, another process finds the second to be the first. */
Test(trim, looks_again_where_another_may_have_missed_what_it_held)
{
	struct id first;

	given_server("");
	first = given("q");
	(void)given("q");
	trims();
	fixture_sql(&f, "UPDATE queue_trim SET at = 0, head = NULL");
	fixture_sql(&f,
	    "CREATE TRIGGER other AFTER UPDATE ON queue_trim "
	    "WHEN NEW.at > 0 BEGIN "
	    "UPDATE queue_trim SET at = NULL, "
	    "head = (SELECT id FROM job ORDER BY seq DESC LIMIT 1); END");
	trims();
	fixture_sql(&f, "DROP TRIGGER other");
	cr_expect_eq(fixture_number(&f, "SELECT at FROM queue_trim"), 0);
	trims();
	cr_expect_eq(
	    fixture_number(&f, "SELECT head = (SELECT id FROM job ORDER BY seq "
			       "LIMIT 1) FROM queue_trim"),
	    1);
	cancel(first);
	trims();
	expect_queue("q", 1, NULL);
}
