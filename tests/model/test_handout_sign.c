/* Signs of agents: the start of a job, the return of its agent, and posts of who does not have it
 * or comes after its end. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "cause.h"
#include "offers.h"
#include "result.h"

TestSuite(handout_sign, .init = offers_open, .fini = offers_close);

Test(handout_sign, starts_a_job_at_the_first_sign_and_never_hands_it_out_again)
{
	struct id first = given("q"), second = given("q");

	expect_offer("q", "a", first);
	cr_assert_eq(reports(first, "a", "setup"), ERR_OK);
	expect_event(first, "job.started");
	pass(1000 * DAY);
	sweep();
	expect_state(first, "setup");
	expect_offer("q", "b", second);
	expect_nothing("q", "c");
}

Test(handout_sign, counts_each_way_to_name_a_job_as_a_sign)
{
	struct agent_report report = {.n_log = 0};
	struct id first = given("q"), second = given("q");

	expect_offer("q", "a", first);
	report.texts[AGENT_JOB_ID].p = first.text;
	report.texts[AGENT_JOB_ID].len = strlen(first.text);
	posts_as("a");
	cr_assert_eq(agent_put(&lab.svc, "a", &report), ERR_OK);
	cause_set(NULL);
	expect_event(first, "job.started");
	expect_offer("q", "b", second);
	posts_as("b");
	cr_assert_eq(handout_note_sign(&lab.svc, &second), ERR_OK);
	expect_event(second, "job.started");
}

static void
says_it_works_on(const char *agent, const char *job_id)
{
	struct agent_report report = {.n_log = 0};

	report.texts[AGENT_JOB_ID].p = job_id;
	report.texts[AGENT_JOB_ID].len = strlen(job_id);
	posts_as(agent);
	cr_assert_eq(agent_put(&lab.svc, agent, &report), ERR_OK);
	cause_set(NULL);
}

/* The job tells its id as it was submitted. */
Test(handout_sign, knows_a_job_that_its_agent_names_in_another_spelling)
{
	struct id id;

	cr_assert_eq(fixture_submit(&lab,
			 "{\"job_queue\":\"q\",\"job_id\":"
			 "\"7BE0000000004000800000000000000A\"}",
			 &id),
	    JOB_OK);
	expect_offer("q", "a", id);
	says_it_works_on("a", "7BE0000000004000800000000000000A");
	expect_event(id, "job.started");
}

Test(handout_sign, hears_an_agent_that_says_the_same_as_before)
{
	struct id id = given("q");
	char path[80];

	(void)snprintf(path, sizeof(path), "%s/seen", lab.dir);
	cr_assert_eq(seen_open(&lab.svc.seen, path, 10), ERR_OK);
	expect_offer("q", "a", id);
	says_it_works_on("a", id.text);
	expect_nothing("q", "a");
	expect_event(id, "job.agent_returned");
	says_it_works_on("a", id.text);
	expect_event(id, "job.continued");
}

Test(handout_sign, lets_a_former_agent_change_nothing)
{
	struct id id = given("q");

	expect_offer("q", "a", id);
	pass_until(901 * 1000);
	sweep();
	/* Neither while it waits nor when another has it. */
	cr_expect_eq(reports(id, "a", "complete"), ERR_NOTFOUND);
	expect_state(id, "waiting");
	expect_offer("q", "b", id);
	cr_expect_eq(reports(id, "a", "complete"), ERR_NOTFOUND);
	expect_state(id, "running");
	cr_expect_eq(reports(id, "b", "test"), ERR_OK);
	expect_state(id, "test");
	/* Without a name it counts for the present one. */
	cr_expect_eq(reports(id, NULL, "complete"), ERR_OK);
	expect_state(id, "complete");
}

Test(handout_sign, keeps_a_former_agents_posts_under_one_id)
{
	struct id id = given("q"), x, y, z;

	posts_as("a");
	cr_assert_eq(handout_apart(&lab.svc, &id, &x), ERR_OK);
	cr_assert_eq(handout_apart(&lab.svc, &id, &y), ERR_OK);
	posts_as("b");
	cr_assert_eq(handout_apart(&lab.svc, &id, &z), ERR_OK);
	cr_expect_str_eq(x.text, y.text);
	cr_expect_str_neq(x.text, z.text);
	expect_event(id, x.text);
	cr_expect_eq(events_of(id, "job.apart"), 2);
}

Test(handout_sign, marks_a_job_whose_agent_returns_and_ends_it_after_the_grace)
{
	struct id id = given("q");

	expect_offer("q", "a", id);
	cr_assert_eq(reports(id, "a", "test"), ERR_OK);
	expect_nothing("q", "a");
	expect_event(id, "job.agent_returned");
	pass_until(600 * 1000 - 1);
	sweep();
	expect_state(id, "test");
	pass_until(600 * 1000);
	sweep();
	expect_state(id, "cancelled");
	expect_event(id, "agent returned without result");
	/* A late word of its end is still accepted, once; its phases are not. */
	cr_assert_eq(reports(id, "a", "cleanup"), ERR_OK);
	expect_state(id, "cancelled");
	cr_assert_eq(reports(id, "a", "complete"), ERR_OK);
	expect_state(id, "complete");
	cr_assert_eq(reports(id, "a", "cancelled"), ERR_OK);
	expect_state(id, "complete");
}

/* More than are looked at with one poll. */
Test(handout_sign, marks_all_jobs_of_an_agent_that_returns_however_many)
{
	const struct handout_ask ask = {
	    (const char *const[]){"q"}, 1, "a", NULL, NULL};
	struct id ids[130];
	struct claim claim = {.agent = "a"};
	struct job job;
	enum err e;
	size_t i;

	for (i = 0; i < 130; i++) {
		ids[i] = given("q");
		claim.id = &ids[i];
		cr_assert_eq(
		    handout_claim(&lab.svc, lab.arena, &claim, &job, &e),
		    CLAIM_OK);
	}
	for (i = 0; i < 3; i++)
		cr_expect_eq(handout_take(&lab.svc, lab.arena, &ask, &job),
		    ERR_NOTFOUND);
	for (i = 0; i < 130; i++)
		cr_expect_eq(events_of(ids[i], "job.agent_returned"), 1);
}

/* As curl posts one: no report, but any value. */
static void
posts_result(struct id id, const char *json)
{
	struct js_fault where;
	struct js_doc doc;

	cr_assert_eq(
	    js_scan(&doc, lab.arena, json, strlen(json), &where), ERR_OK);
	cr_assert_eq(
	    result_seed_put(&lab.svc, &id, &doc, json, strlen(json), true),
	    ERR_OK);
}

Test(handout_sign, takes_a_late_result_for_the_end_once)
{
	struct id id = given("q");

	expect_offer("q", "a", id);
	cr_assert_eq(reports(id, "a", "test"), ERR_OK);
	expect_nothing("q", "a");
	pass_until(600 * 1000);
	sweep();
	expect_state(id, "cancelled");
	cr_expect_eq(events_of(id, "job.ended"), 1);
	posts_result(id, "{\"exit_code\":0}");
	expect_state(id, "complete");
	cr_expect_eq(events_of(id, "job.ended"), 2);
	posts_result(id, "{\"job_state\":\"cancelled\",\"x\":1}");
	expect_state(id, "complete");
	expect_event(id, "job.ignored");
	cr_expect_eq(job_cancel(&lab.svc, &id), ERR_CONFLICT);
}

Test(handout_sign, goes_on_when_the_agent_that_returned_goes_on)
{
	struct id id = given("q");

	expect_offer("q", "a", id);
	cr_assert_eq(reports(id, "a", "test"), ERR_OK);
	expect_nothing("q", "a");
	cr_assert_eq(reports(id, "a", "cleanup"), ERR_OK);
	expect_event(id, "job.continued");
	pass_until(700 * 1000);
	sweep();
	expect_state(id, "cleanup");
}

Test(handout_sign, cancels_for_good)
{
	struct cause cause = {.client = "ci", .request_id = "r1"};
	struct id id = given("q");

	expect_offer("q", "a", id);
	cause_set(&cause);
	cr_assert_eq(job_cancel(&lab.svc, &id), ERR_OK);
	cause_set(NULL);
	expect_event(id, "\"client\":\"ci\",\"kind\":\"job.cancelled\"");
	cr_assert_eq(reports(id, "a", "waiting"), ERR_OK);
	cr_assert_eq(reports(id, "a", "test"), ERR_OK);
	cr_assert_eq(reports(id, "a", "complete"), ERR_OK);
	expect_state(id, "cancelled");
	expect_event(id, "\"data\":{\"state\":\"complete\"},"
			 "\"kind\":\"job.ignored\"");
	cr_expect_eq(job_cancel(&lab.svc, &id), ERR_CONFLICT);
	expect_nothing("q", "a");
}

Test(handout_sign, cancels_for_good_what_the_server_had_ended)
{
	struct id id = given("q");

	expect_offer("q", "a", id);
	cr_assert_eq(reports(id, "a", "test"), ERR_OK);
	expect_nothing("q", "a");
	pass_until(600 * 1000);
	sweep();
	cr_assert_eq(job_cancel(&lab.svc, &id), ERR_OK);
	cr_assert_eq(reports(id, "a", "complete"), ERR_OK);
	expect_state(id, "cancelled");
}
