/* The hand-out in two stages: offered, started at the first sign, given back or marked. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent.h"
#include "cause.h"
#include "clock.h"
#include "fixture.h"
#include "journal.h"
#include "result.h"
#include "schema.h"

#define NOW INT64_C(1800000000000)
#define DAY INT64_C(86400000)

static struct fixture f;
static struct cause cause;
static int64_t wall;

static void
setup(void)
{
	int64_t by;

	fixture_open(&f, "OFFER_TIMEOUT = 900\nRETURN_GRACE = 600\n");
	clock_set_for_test(wall = NOW);
	cr_assert_eq(handout_clock(&f.svc, &by), ERR_OK);
}

/* Time goes on, by all clocks. */
static void
pass(int64_t ms)
{
	clock_set_for_test(wall += ms);
	clock_skip_for_test(ms);
}

/* ... until so long after the begin. */
static void
pass_until(int64_t ms)
{
	pass(NOW + ms - wall);
}

static void
teardown(void)
{
	cause_set(NULL);
	clock_set_for_test(0);
	clock_boot_for_test(NULL);
	fixture_close(&f);
}

TestSuite(handout, .init = setup, .fini = teardown);

static struct id
given(const char *queue)
{
	return fixture_given(&f, queue);
}

static enum err
poll_as(const char *queue, const char *agent, const char *client,
    const char *connection, struct job *out)
{
	const struct handout_ask ask = {&queue, 1, agent, client, connection};

	return handout_take(&f.svc, f.arena, &ask, out);
}

/* On a new connection each time, so that it is not known whether an answer arrived. */
static enum err
polls(const char *queue, const char *agent, struct job *out)
{
	static int n;
	char connection[16];

	(void)snprintf(connection, sizeof(connection), "%d", ++n);
	return poll_as(queue, agent, NULL, connection, out);
}

static void
expect_offer(const char *queue, const char *agent, struct id want)
{
	struct job job;

	cr_assert_eq(polls(queue, agent, &job), ERR_OK);
	cr_expect_str_eq(job.id.text, want.text);
}

static void
expect_nothing(const char *queue, const char *agent)
{
	struct job job;

	cr_expect_eq(polls(queue, agent, &job), ERR_NOTFOUND);
}

static void
expect_state(struct id id, const char *state)
{
	cr_expect_str_eq(fixture_job(&f, &id).state, state);
}

/* From now on the agent of that name posts; NULL: somebody without a name. */
static void
posts_as(const char *agent)
{
	cause = (struct cause){.agent = agent};
	cause_set(&cause);
}

static enum err
reports(struct id id, const char *agent, const char *state)
{
	const struct result_report r = {
	    .state = state, .state_len = strlen(state)};
	enum err e;

	posts_as(agent);
	e = result_report_put(&f.svc, &id, &r);
	cause_set(NULL);
	return e;
}

static void
sweep(void)
{
	int64_t n;

	cr_assert_eq(handout_sweep(&f.svc, &n), ERR_OK);
}

static unsigned
events_of(struct id id, const char *kind)
{
	const struct journal_query q = {.subject = id.text, .limit = 100};
	const char *json, *at;
	unsigned n = 0;
	size_t len;

	cr_assert_eq(journal_read(&f.svc, f.arena, &q, &json, &len), ERR_OK);
	for (at = json; (at = strstr(at, kind)) != NULL; at++)
		n++;
	return n;
}

static void
expect_event(struct id id, const char *text)
{
	const struct journal_query q = {
	    .subject = id.text, .limit = 100, .who = true};
	const char *json;
	size_t len;

	cr_assert_eq(journal_read(&f.svc, f.arena, &q, &json, &len), ERR_OK);
	cr_expect_not_null(strstr(json, text), "%s is not in %s", text, json);
}

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

Test(handout, starts_a_job_at_the_first_sign_and_never_hands_it_out_again)
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

Test(handout, counts_each_way_to_name_a_job_as_a_sign)
{
	struct agent_report report = {.n_log = 0};
	struct id first = given("q"), second = given("q");

	expect_offer("q", "a", first);
	report.texts[AGENT_JOB_ID].p = first.text;
	report.texts[AGENT_JOB_ID].len = strlen(first.text);
	posts_as("a");
	cr_assert_eq(agent_put(&f.svc, "a", &report), ERR_OK);
	cause_set(NULL);
	expect_event(first, "job.started");
	expect_offer("q", "b", second);
	posts_as("b");
	cr_assert_eq(handout_note_sign(&f.svc, &second), ERR_OK);
	expect_event(second, "job.started");
}

static void
says_it_works_on(const char *agent, const char *job_id)
{
	struct agent_report report = {.n_log = 0};

	report.texts[AGENT_JOB_ID].p = job_id;
	report.texts[AGENT_JOB_ID].len = strlen(job_id);
	posts_as(agent);
	cr_assert_eq(agent_put(&f.svc, agent, &report), ERR_OK);
	cause_set(NULL);
}

/* The job tells its id as it was submitted. */
Test(handout, knows_a_job_that_its_agent_names_in_another_spelling)
{
	struct id id;

	cr_assert_eq(fixture_submit(&f,
			 "{\"job_queue\":\"q\",\"job_id\":"
			 "\"7BE0000000004000800000000000000A\"}",
			 &id),
	    JOB_OK);
	expect_offer("q", "a", id);
	says_it_works_on("a", "7BE0000000004000800000000000000A");
	expect_event(id, "job.started");
}

Test(handout, hears_an_agent_that_says_the_same_as_before)
{
	struct id id = given("q");
	char path[80];

	(void)snprintf(path, sizeof(path), "%s/seen", f.dir);
	cr_assert_eq(seen_open(&f.svc.seen, path, 10), ERR_OK);
	expect_offer("q", "a", id);
	says_it_works_on("a", id.text);
	expect_nothing("q", "a");
	expect_event(id, "job.agent_returned");
	says_it_works_on("a", id.text);
	expect_event(id, "job.continued");
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

/* The wall clock is set, while no time passes and nobody looks. */
static void
set_clock_unseen(int64_t by)
{
	clock_set_for_test(wall += by);
}

static void
expect_settled(int64_t by)
{
	int64_t seen;

	cr_assert_eq(handout_clock(&f.svc, &seen), ERR_OK);
	/* The clock that is not set goes on during a test. */
	cr_expect(seen <= by && seen > by - CLOCK_STEP_MS);
}

static void
set_clock(int64_t by)
{
	set_clock_unseen(by);
	expect_settled(by);
	sweep();
}

static struct id
given_until(const char *queue, int timeout_s)
{
	struct id id;
	char body[80];

	(void)snprintf(body, sizeof(body),
	    "{\"job_queue\":\"%s\",\"queue_timeout\":%d}", queue, timeout_s);
	cr_assert_eq(fixture_submit(&f, body, &id), JOB_OK);
	return id;
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

Test(handout, lets_no_clock_that_is_set_end_or_give_back_a_job)
{
	struct id offered = given("q"), marked, waits = given_until("w", 60);
	static const int64_t steps[] = {DAY, -DAY, -DAY, DAY};
	size_t i;

	expect_offer("q", "a", offered);
	marked = given("m");
	expect_offer("m", "b", marked);
	cr_assert_eq(reports(marked, "b", "test"), ERR_OK);
	expect_nothing("m", "b");
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		set_clock(steps[i]);
		expect_state(offered, "running");
		expect_nothing("q", "other");
		expect_state(marked, "test");
		expect_state(waits, "waiting");
	}
}

Test(handout, freezes_nothing_when_the_clock_is_set_back)
{
	struct id offered, marked, waits;

	pass(DAY);
	offered = given("q");
	expect_offer("q", "a", offered);
	marked = given("m");
	expect_offer("m", "b", marked);
	cr_assert_eq(reports(marked, "b", "test"), ERR_OK);
	expect_nothing("m", "b");
	waits = given_until("w", 60);
	set_clock(-DAY);
	expect_state(waits, "waiting");
	pass(901 * 1000);
	sweep();
	expect_state(offered, "waiting");
	expect_state(marked, "cancelled");
	expect_state(waits, "cancelled");
}

/* What it moves forward it moves back: the job ends when its time is over, not a day later. */
Test(handout, ends_what_nobody_took_in_time_after_the_clock_was_wrong)
{
	struct id waits = given_until("w", 60);

	set_clock(DAY);
	pass(5000);
	set_clock(-DAY);
	expect_state(waits, "waiting");
	pass(61 * 1000);
	sweep();
	expect_state(waits, "cancelled");
}

/* From that a retry has its own. */
Test(handout, keeps_the_length_of_a_queue_timeout_when_the_clock_is_set)
{
	static const int64_t steps[] = {DAY, -DAY};
	size_t i;

	(void)given_until("w", 60);
	for (i = 0; i < 2; i++) {
		set_clock(steps[i]);
		cr_expect_eq(fixture_number(&f,
				 "SELECT deadline_at - created_at FROM job"),
		    60 * 1000);
	}
}

Test(handout, keeps_a_queue_timeout_when_the_clock_is_set_during_an_offer)
{
	struct id id = given_until("w", 1000);

	expect_offer("w", "a", id);
	set_clock(DAY);
	expect_nothing("other", "a");
	sweep();
	expect_state(id, "waiting");
	pass(1000 * 1000);
	sweep();
	expect_state(id, "cancelled");
}

/* Where something would be due by the clock the sweep is the first to look. */
Test(handout, lets_an_offer_last_its_time_also_when_the_clock_is_set_unseen)
{
	static const int64_t steps[] = {DAY, -DAY, 400000, -20000};
	struct id id;
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		id = given("q");
		expect_offer("q", "a", id);
		pass(600 * 1000);
		set_clock_unseen(steps[i]);
		sweep();
		expect_state(id, "running");
		expect_settled(steps[i] > 0 ? 0 : steps[i]);
		pass(280 * 1000);
		sweep();
		expect_state(id, "running");
		expect_nothing("q", "b");
		/* Not much longer either, unless it could be of after a small step back. */
		pass(steps[i] == -20000 ? 50 * 1000 : 30 * 1000);
		sweep();
		expect_state(id, "waiting");
		cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
	}
}

Test(handout, makes_the_times_fit_once_however_many_see_the_clock_set)
{
	struct id waits = given_until("w", 60);
	struct id offered = given("q");

	expect_offer("q", "a", offered);
	set_clock_unseen(DAY);
	expect_settled(DAY);
	expect_settled(0);
	expect_settled(0);
	sweep();
	expect_state(waits, "waiting");
	pass(61 * 1000);
	sweep();
	expect_state(waits, "cancelled");
	expect_state(offered, "running");
	pass(840 * 1000);
	sweep();
	expect_state(offered, "waiting");
}

Test(handout, leaves_alone_what_came_since_the_clock_was_set)
{
	struct id before = given_until("w", 60), since, offered = given("q");

	set_clock_unseen(DAY);
	since = given_until("w", 60);
	expect_offer("q", "a", offered);
	expect_settled(DAY);
	pass(61 * 1000);
	sweep();
	expect_state(before, "cancelled");
	expect_state(since, "cancelled");
	expect_state(offered, "running");
	pass(840 * 1000);
	sweep();
	expect_state(offered, "waiting");
}

/* How long the host was off, and whether its clock is right, nobody knows. */
Test(handout, begins_an_offer_and_a_return_anew_when_the_host_was_started_anew)
{
	struct id offered = given("q"), marked;

	expect_offer("q", "a", offered);
	marked = given("m");
	expect_offer("m", "b", marked);
	cr_assert_eq(reports(marked, "b", "test"), ERR_OK);
	expect_nothing("m", "b");
	pass(500 * 1000);
	clock_boot_for_test("another");
	set_clock_unseen(DAY);
	sweep();
	expect_settled(0);
	pass(599 * 1000);
	sweep();
	expect_state(offered, "running");
	expect_state(marked, "test");
	pass(2 * 1000);
	sweep();
	expect_state(marked, "cancelled");
	pass(300 * 1000);
	sweep();
	expect_state(offered, "waiting");
}

/* As in a container that hides it: what may have been a start is one, and what may have been a
 * clock that was set ends nothing sooner. */
Test(handout, begins_an_offer_anew_where_the_host_does_not_tell_its_starts)
{
	static const char *const before[] = {"", "one", ""};
	static const char *const after[] = {"", "", "two"};
	static const int64_t steps[] = {5 * DAY, -5 * DAY};
	struct id offered, waits;
	size_t i;

	for (i = 0; i < 6; i++) {
		clock_boot_for_test(before[i % 3]);
		set_clock_unseen(DAY);
		expect_settled(0);
		offered = given("q");
		expect_offer("q", "a", offered);
		waits = given_until("w", 2000);
		pass(500 * 1000);
		/* Off for 20 minutes, and up only since then. */
		clock_boot_for_test(after[i % 3]);
		set_clock_unseen(steps[i / 3] + 1200 * 1000);
		expect_settled(0);
		sweep();
		pass(890 * 1000);
		sweep();
		expect_state(offered, "running");
		pass(20 * 1000);
		sweep();
		expect_state(offered, "waiting");
		pass(1000 * 1000);
		sweep();
		expect_state(waits, "cancelled");
		cr_assert_eq(job_cancel(&f.svc, &offered), ERR_OK);
	}
}

Test(handout,
    ends_no_job_for_a_clock_set_where_the_host_does_not_tell_its_starts)
{
	static const int64_t steps[] = {DAY, -DAY, DAY / 2, -DAY / 2};
	struct id waits;
	size_t i;

	clock_boot_for_test("");
	set_clock_unseen(DAY);
	expect_settled(0);
	waits = given_until("w", 60);
	for (i = 0; i < 4; i++) {
		set_clock_unseen(steps[i]);
		expect_settled(0);
		sweep();
		expect_state(waits, "waiting");
	}
	pass(61 * 1000);
	sweep();
	expect_state(waits, "cancelled");
}

/* Some of the processes may be where it is hidden. */
Test(handout,
    does_not_begin_an_offer_anew_for_those_who_are_not_told_of_the_start)
{
	struct id id = given("q");
	int i;

	expect_offer("q", "a", id);
	for (i = 0; i < 91; i++) {
		clock_boot_for_test(i % 2 == 0 ? "" : NULL);
		pass(10 * 1000);
		expect_settled(0);
		sweep();
	}
	expect_state(id, "waiting");
}

Test(handout, writes_nothing_while_the_clock_is_not_set)
{
	struct stat before, after;
	char path[128];
	int i;

	(void)snprintf(path, sizeof(path), "%s/state.db-wal", f.dir);
	(void)given("q");
	cr_assert_eq(stat(path, &before), 0);
	for (i = 0; i < 3; i++) {
		pass(3600 * 1000);
		expect_settled(0);
		sweep();
	}
	cr_assert_eq(stat(path, &after), 0);
	cr_expect_eq(after.st_size, before.st_size);
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

Test(handout, lets_a_former_agent_change_nothing)
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

Test(handout, keeps_a_former_agents_posts_under_one_id)
{
	struct id id = given("q"), x, y, z;

	posts_as("a");
	cr_assert_eq(handout_apart(&f.svc, &id, &x), ERR_OK);
	cr_assert_eq(handout_apart(&f.svc, &id, &y), ERR_OK);
	posts_as("b");
	cr_assert_eq(handout_apart(&f.svc, &id, &z), ERR_OK);
	cr_expect_str_eq(x.text, y.text);
	cr_expect_str_neq(x.text, z.text);
	expect_event(id, x.text);
	cr_expect_eq(events_of(id, "job.apart"), 2);
}

Test(handout, marks_a_job_whose_agent_returns_and_ends_it_after_the_grace)
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
Test(handout, marks_all_jobs_of_an_agent_that_returns_however_many)
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
		    handout_claim(&f.svc, f.arena, &claim, &job, &e), CLAIM_OK);
	}
	for (i = 0; i < 3; i++)
		cr_expect_eq(
		    handout_take(&f.svc, f.arena, &ask, &job), ERR_NOTFOUND);
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
	    js_scan(&doc, f.arena, json, strlen(json), &where), ERR_OK);
	cr_assert_eq(
	    result_seed_put(&f.svc, &id, &doc, json, strlen(json), true),
	    ERR_OK);
}

Test(handout, takes_a_late_result_for_the_end_once)
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
	cr_expect_eq(job_cancel(&f.svc, &id), ERR_CONFLICT);
}

Test(handout, goes_on_when_the_agent_that_returned_goes_on)
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
	db_close(f.svc.db);
	cr_assert_eq(db_open(&f.svc.db, &o), ERR_OK);
	cr_assert_eq(db_write(f.svc.db, fourth_version_row, NULL), ERR_OK);
	db_close(f.svc.db);
	o.schema = &model_schema;
	cr_assert_eq(db_open(&f.svc.db, &o), ERR_OK);
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
	cr_expect_eq(handout_claim(&f.svc, f.arena, &claim, &job, &e),
	    CLAIM_NEEDS_LOGIN);
	expect_nothing("q", "a");
	expect_event(id, "job.agent_returned");
	cr_assert_eq(reports(id, "a", "complete"), ERR_OK);
	expect_state(id, "complete");
	fixture_rmdir(dir);
}

Test(handout, cancels_for_good)
{
	struct id id = given("q");

	expect_offer("q", "a", id);
	cause = (struct cause){.client = "ci", .request_id = "r1"};
	cause_set(&cause);
	cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
	cause_set(NULL);
	expect_event(id, "\"client\":\"ci\",\"kind\":\"job.cancelled\"");
	cr_assert_eq(reports(id, "a", "waiting"), ERR_OK);
	cr_assert_eq(reports(id, "a", "test"), ERR_OK);
	cr_assert_eq(reports(id, "a", "complete"), ERR_OK);
	expect_state(id, "cancelled");
	expect_event(id, "\"data\":{\"state\":\"complete\"},"
			 "\"kind\":\"job.ignored\"");
	cr_expect_eq(job_cancel(&f.svc, &id), ERR_CONFLICT);
	expect_nothing("q", "a");
}

Test(handout, cancels_for_good_what_the_server_had_ended)
{
	struct id id = given("q");

	expect_offer("q", "a", id);
	cr_assert_eq(reports(id, "a", "test"), ERR_OK);
	expect_nothing("q", "a");
	pass_until(600 * 1000);
	sweep();
	cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
	cr_assert_eq(reports(id, "a", "complete"), ERR_OK);
	expect_state(id, "cancelled");
}

Test(handout, ends_what_nobody_took_in_time_though_nothing_else_is_due)
{
	struct id id;

	cr_assert_eq(fixture_submit(
			 &f, "{\"job_queue\":\"q\",\"queue_timeout\":60}", &id),
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

	fixture_sql(&f, "DELETE FROM queue_front WHERE queue = 'a'");
	fixture_sql(&f, "INSERT INTO queue_front (queue, priority, seq) "
			"VALUES ('a', 0, 777), ('c', 0, 778)");
	expect_offer("a", "one", first);
	expect_offer("a", "two", second);
	expect_offer("b", "three", other);
	expect_nothing("c", "four");
	cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM queue_front"), 0);
}

/* Of all that an agent asks for the wrong one goes first. */
Test(handout, lets_no_wrong_front_hide_other_queues)
{
	const char *queues[] = {"c", "b", "a"};
	const struct handout_ask ask = {queues, 3, "one", NULL, "1"};
	struct id id = given("a");
	struct job job;

	fixture_sql(&f, "INSERT INTO queue_front (queue, priority, seq) "
			"VALUES ('b', 9, 777), ('c', 9, 778)");
	cr_assert_eq(handout_take(&f.svc, f.arena, &ask, &job), ERR_OK);
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

	fixture_sql(&f,
	    "INSERT INTO job_exclude (job, agent) SELECT seq, 'one' FROM job");
	for (i = 0; i < sizeof(spoilt) / sizeof(*spoilt); i++) {
		fixture_sql(&f,
		    "UPDATE job SET queue = 'a', secrets = 0, ready = 1, "
		    "excludes = ''");
		(void)snprintf(
		    text, sizeof(text), "UPDATE job SET %s", spoilt[i]);
		fixture_sql(&f, text);
		fixture_sql(&f, "DELETE FROM queue_front");
		fixture_sql(&f,
		    "INSERT INTO queue_front (queue, priority, seq) "
		    "SELECT 'a', 0, seq FROM job");
		expect_nothing("a", "one");
		expect_state(id, "waiting");
	}
	expect_offer("a", "two", id);
}
