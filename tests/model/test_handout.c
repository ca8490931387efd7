/* Offers: of the best job, again to the same agent, back to their place; jobs that nobody took. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "offers.h"
#include "schema.h"

TestSuite(handout, .init = offers_open, .fini = offers_close);

Test(handout, offers_again_what_nobody_has_shown_a_sign_of)
{
	struct id first = given("q"), second = given("q");
	struct job a, b;

	cr_assert_eq(polls("q", "a", &a), ERR_OK);
	pass_until(5000);
	cr_assert_eq(polls("q", "a", &b), ERR_OK);
	cr_expect_str_eq(b.id.text, first.text);
	cr_expect_str_eq(b.body, a.body);
	cr_expect_eq(b.started_at, a.started_at);
	expect_event(first, "job.offered_again");
	/* Others get what is next. */
	expect_offer("q", "b", second);
	expect_nothing("q", "c");
}

Test(handout, takes_the_same_connection_for_a_proof_that_the_offer_arrived)
{
	struct id first = given("q"), second = given("q");
	struct job job;

	cr_assert_eq(poll_as("q", "a", NULL, "7", &job), ERR_OK);
	cr_expect_str_eq(job.id.text, first.text);
	cr_assert_eq(poll_as("q", "a", NULL, "7", &job), ERR_OK);
	cr_expect_str_eq(job.id.text, second.text);
	cr_expect_eq(poll_as("q", "a", NULL, "7", &job), ERR_NOTFOUND);
	/* An unknown connection proves nothing. */
	cr_assert_eq(poll_as("q", "a", NULL, "", &job), ERR_OK);
	cr_expect_str_eq(job.id.text, first.text);
	cr_assert_eq(poll_as("q", "a", NULL, NULL, &job), ERR_OK);
	cr_expect_str_eq(job.id.text, first.text);
}

Test(handout, goes_back_to_its_old_place_without_a_sign)
{
	struct id first = given("q"), second = given("q");

	expect_offer("q", "a", first);
	pass_until(900 * 1000);
	sweep();
	expect_state(first, "running");
	pass_until(900 * 1000 + 1);
	sweep();
	expect_state(first, "waiting");
	expect_event(first, "no sign of its agent");
	expect_offer("q", "b", first);
	expect_event(first, "\"attempt\":2");
	expect_offer("q", "a", second);
}

Test(handout, ends_what_nobody_took_in_time_also_when_nothing_else_is_due)
{
	struct id job = given_until("q", 60);

	pass_until(59 * 1000);
	sweep();
	expect_state(job, "waiting");
	pass_until(60 * 1000);
	sweep();
	expect_state(job, "cancelled");
}

Test(handout, goes_back_at_once_when_its_agent_leaves_the_queue_out)
{
	struct id first = given("q"), other = given("p");

	expect_offer("q", "a", first);
	expect_offer("p", "a", other);
	expect_state(first, "waiting");
	expect_offer("q", "b", first);
}

Test(handout, goes_back_also_where_nothing_else_is_there)
{
	struct id first = given("q");

	expect_offer("q", "a", first);
	expect_nothing("p", "a");
	expect_state(first, "waiting");
}

Test(handout, knows_an_agent_by_the_client_that_verified_it)
{
	struct id first = given("q");
	struct job job;

	cr_assert_eq(poll_as("q", "a", "host", "1", &job), ERR_OK);
	/* Nobody else gets it by the name alone, gives it back or marks it. */
	cr_expect_eq(polls("q", "a", &job), ERR_NOTFOUND);
	cr_expect_eq(poll_as("p", "a", "other", "2", &job), ERR_NOTFOUND);
	expect_state(first, "running");
	cr_assert_eq(poll_as("q", "a", "host", "3", &job), ERR_OK);
	cr_expect_str_eq(job.id.text, first.text);
}

static enum err
fourth_version_row(struct db_conn *c, void *arg)
{
	static const char sql[] =
	    "INSERT INTO job (id, queue, priority, state, seed, ready, body, "
	    "agent, created_at, started_at, result_file, client_id, secrets) "
	    "VALUES ('7be00000-0000-4000-8000-00000000000a', 'q', 0, 'test', "
	    "0, 1, '{}', 'a', 1, 2, 0, 'c', 1)";

	(void)arg;
	return db_exec(c, NULL, sql, "");
}

static void
given_store_of_the_fourth_version(const char *dir)
{
	const struct db_schema fourth = {4, model_schema.steps};
	struct db_options o = {
	    .schema = &fourth, .readers = 1, .wait_ms = 5000};
	char uri[128];

	(void)snprintf(uri, sizeof(uri), "sqlite:%s/state.db", dir);
	o.uri = uri;
	db_close(lab.svc.db);
	cr_assert_eq(db_open(&lab.svc.db, &o), ERR_OK);
	cr_assert_eq(db_write(lab.svc.db, fourth_version_row, NULL), ERR_OK);
	db_close(lab.svc.db);
	o.schema = &model_schema;
	cr_assert_eq(db_open(&lab.svc.db, &o), ERR_OK);
}

/* At that time there were no signs, and nobody noted whose token an agent had. */
Test(handout, neither_repeats_nor_tells_what_an_older_version_handed_out)
{
	struct claim claim = {.agent = "a"};
	struct job job;
	char dir[64];
	struct id id;
	enum err e;

	fixture_mkdir(dir);
	given_store_of_the_fourth_version(dir);
	(void)id_parse("7be0000000004000800000000000000a", 32, &id);
	claim.id = &id;
	cr_expect_eq(handout_claim(&lab.svc, lab.arena, &claim, &job, &e),
	    CLAIM_NEEDS_LOGIN);
	expect_nothing("q", "a");
	expect_event(id, "job.agent_returned");
	cr_assert_eq(reports(id, "a", "complete"), ERR_OK);
	expect_state(id, "complete");
	fixture_rmdir(dir);
}

Test(handout, ends_what_nobody_took_in_time_though_nothing_else_is_due)
{
	struct id id;

	cr_assert_eq(fixture_submit(&lab,
			 "{\"job_queue\":\"q\",\"queue_timeout\":60}", &id),
	    JOB_OK);
	pass_until(60 * 1000 - 1);
	sweep();
	expect_state(id, "waiting");
	pass_until(60 * 1000);
	sweep();
	expect_state(id, "cancelled");
	expect_event(id, "no agent took it within queue_timeout");
	expect_nothing("q", "a");
}

/* By hand: the triggers that keep queue_front do not see a row that REPLACE removes. */
Test(handout, mends_a_front_that_is_no_waiting_job)
{
	struct id first = given("a"), second = given("a"), other = given("b");

	fixture_sql(&lab, "DELETE FROM queue_front WHERE queue = 'a'");
	fixture_sql(&lab, "INSERT INTO queue_front (queue, priority, seq) "
			  "VALUES ('a', 0, 777), ('c', 0, 778)");
	expect_offer("a", "one", first);
	expect_offer("a", "two", second);
	expect_offer("b", "three", other);
	expect_nothing("c", "four");
	cr_expect_eq(
	    fixture_number(&lab, "SELECT count(*) FROM queue_front"), 0);
}

/* Of all that an agent asks for the wrong one goes first. */
Test(handout, lets_no_wrong_front_hide_other_queues)
{
	const char *queues[] = {"c", "b", "a"};
	const struct handout_ask ask = {queues, 3, "one", NULL, "1"};
	struct id id = given("a");
	struct job job;

	fixture_sql(&lab, "INSERT INTO queue_front (queue, priority, seq) "
			  "VALUES ('b', 9, 777), ('c', 9, 778)");
	cr_assert_eq(handout_take(&lab.svc, lab.arena, &ask, &job), ERR_OK);
	cr_expect_str_eq(job.id.text, id.text);
}

/* Nor is the job that it names handed out to whom it is not for. */
Test(handout, takes_a_job_only_as_it_was_found)
{
	static const char *const spoilt[] = {
	    "queue = 'b'", "secrets = 1", "ready = 0", "excludes = 'x'"};
	struct id id = given("a");
	char text[256];
	size_t i;

	fixture_sql(&lab,
	    "INSERT INTO job_exclude (job, agent) SELECT seq, 'one' FROM job");
	for (i = 0; i < sizeof(spoilt) / sizeof(*spoilt); i++) {
		fixture_sql(&lab,
		    "UPDATE job SET queue = 'a', secrets = 0, ready = 1, "
		    "excludes = ''");
		(void)snprintf(
		    text, sizeof(text), "UPDATE job SET %s", spoilt[i]);
		fixture_sql(&lab, text);
		fixture_sql(&lab, "DELETE FROM queue_front");
		fixture_sql(&lab,
		    "INSERT INTO queue_front (queue, priority, seq) "
		    "SELECT 'a', 0, seq FROM job");
		expect_nothing("a", "one");
		expect_state(id, "waiting");
	}
	expect_offer("a", "two", id);
}
