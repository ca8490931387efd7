/* Agents that fall silent: called lost after the time of their phase and never before, and
 * what becomes of their jobs. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>

#include "clock.h"
#include "watch.h"

#define STEP ((int64_t)LOST_LOOK_MS)

TestSuite(lost, .init = watch_open, .fini = watch_close);

/* --- who is lost, and when */

Test(lost, calls_an_agent_lost_after_the_time_of_its_phase)
{
	struct id id = started("{\"job_queue\":\"q\"}", "test");

	watch_for(59);
	cr_expect_eq(events_of(id, "job.lost"), 0);
	expect_told(id, "\"code\":\"running\"");
	watch_for(1);
	cr_expect_eq(events_of(id, "job.lost"), 1);
	expect_event(
	    id, "{\"agent\":\"a\",\"state\":\"test\",\"silent_s\":60}");
	expect_told(id, "\"code\":\"agent_lost\"");
	/* It is marked, once, and waits. */
	watch_for(600);
	cr_expect_eq(events_of(id, "job.lost"), 1);
	expect_state(id, "test");
}

Test(lost, gives_the_phases_in_which_agents_are_quiet_more_time)
{
	static const char *const quiet[] = {
	    NULL, "provision", "reserve", "some word of its own"};
	static const char *const agents[] = {"a", "b", "c", "d"};
	struct id ids[4];
	struct job job;
	size_t i;

	for (i = 0; i < 4; i++) {
		ids[i] = given_job("{\"job_queue\":\"q\"}");
		cr_assert_eq(fixture_take(&lab, "q", agents[i], &job), ERR_OK);
		if (quiet[i] != NULL)
			cr_assert_eq(
			    reports(ids[i], agents[i], quiet[i]), ERR_OK);
	}
	look();
	watch_for(299);
	for (i = 0; i < 4; i++)
		cr_expect_eq(events_of(ids[i], "job.lost"), 0, "%zu", i);
	watch_for(1);
	for (i = 0; i < 4; i++)
		cr_expect_eq(events_of(ids[i], "job.lost"), 1, "%zu", i);
}

Test(lost, never_calls_one_lost_that_asks_as_ordinary_agents_do)
{
	struct id id = started("{\"job_queue\":\"q\"}", "allocated");
	int i;

	for (i = 0; i < 20; i++) {
		watch_for(55);
		asks("a");
	}
	cr_expect_eq(events_of(id, "job.lost"), 0);
}

Test(lost, hears_a_job_of_which_somebody_without_a_name_posts)
{
	struct id id = started("{\"job_queue\":\"q\"}", "test");
	int i;

	for (i = 0; i < 5; i++) {
		watch_for(55);
		seen_touch(lab.svc.seen, SEEN_JOB, id.text, watch.wall);
	}
	cr_expect_eq(events_of(id, "job.lost"), 0);
	/* What others say is no word of it. */
	watch_for(STEP / 1000);
	seen_note(lab.svc.seen, SEEN_AGENT, "b", watch.wall);
	watch_for(60);
	cr_expect_eq(events_of(id, "job.lost"), 1);
}

Test(lost, does_not_judge_what_was_only_offered_or_has_ended_or_returned)
{
	const struct handout_ask ask = {
	    (const char *const[]){"q"}, 1, "a", NULL, NULL};
	struct id returned = started("{\"job_queue\":\"q\"}", "test"), ended,
		  offered = given_job("{\"job_queue\":\"q\"}");
	struct job job;

	/* The poll marks the first and is offered the second. */
	cr_assert_eq(handout_take(&lab.svc, lab.arena, &ask, &job), ERR_OK);
	cr_expect_str_eq(job.id.text, offered.text);
	ended = given_job("{\"job_queue\":\"q2\"}");
	cr_assert_eq(fixture_take(&lab, "q2", "c", &job), ERR_OK);
	cr_assert_eq(reports(ended, "c", "complete"), ERR_OK);
	watch_for(1000);
	cr_expect_eq(events_of(returned, "job.agent_returned"), 1);
	cr_expect_eq(events_of(returned, "job.lost"), 0);
	cr_expect_eq(events_of(offered, "job.lost"), 0);
	cr_expect_eq(events_of(ended, "job.lost"), 0);
}

Test(lost, takes_a_step_of_the_wall_clock_for_no_silence)
{
	struct id id = started("{\"job_queue\":\"q\"}", "test");

	asks("a");
	look();
	watch_for(30);
	clock_set_for_test(watch.wall += INT64_C(86400000));
	look();
	watch_for(29);
	cr_expect_eq(events_of(id, "job.lost"), 0);
	clock_set_for_test(watch.wall -= 2 * INT64_C(86400000));
	look();
	watch_for(59);
	cr_expect_eq(events_of(id, "job.lost"), 0);
	watch_for(1);
	cr_expect_eq(events_of(id, "job.lost"), 1);
}

Test(lost, takes_a_time_in_which_nobody_watched_for_no_silence)
{
	struct id id = started("{\"job_queue\":\"q\"}", "test");

	watch_for(30);
	/* The host was asleep, and so was the agent's word of it. */
	watch.mono += INT64_C(86400000);
	look();
	cr_expect_eq(events_of(id, "job.lost"), 0);
	watch_for(10);
	restart();
	watch_for(59);
	cr_expect_eq(events_of(id, "job.lost"), 0);
	watch_for(1);
	cr_expect_eq(events_of(id, "job.lost"), 1);
}

Test(lost, takes_a_map_that_was_lost_for_no_silence)
{
	struct id id = started("{\"job_queue\":\"q\"}", "test");
	char path[128];

	asks("a");
	watch_for(55);
	seen_close(lab.svc.seen);
	(void)snprintf(path, sizeof(path), "%s/seen", lab.dir);
	(void)remove(path);
	cr_assert_eq(seen_open(&lab.svc.seen, path, 100), ERR_OK);
	watch_for(55);
	/* And hears the agent by the new one, which has never heard its name. */
	asks("a");
	watch_for(55);
	cr_expect_eq(events_of(id, "job.lost"), 0);
	/* Without any, nobody is judged. */
	seen_close(lab.svc.seen);
	lab.svc.seen = NULL;
	watch_for(600);
	cr_expect_eq(events_of(id, "job.lost"), 0);
}

Test(lost, can_be_switched_off)
{
	struct id id;

	watch_again_with(
	    "AGENT_LOST_TIMEOUT = 0\nAGENT_LOST_TIMEOUT_QUIET = 60\n");
	id = started("{\"job_queue\":\"q\"}", "test");
	watch_for(600);
	cr_expect_eq(events_of(id, "job.lost"), 0);
	cr_assert_eq(reports(id, "a", "reserve"), ERR_OK);
	look();
	watch_for(60);
	cr_expect_eq(events_of(id, "job.lost"), 1);
}

Test(lost, costs_no_write_while_nothing_changes)
{
	struct id waits = started("{\"job_queue\":\"q\"}", "test");
	char path[128];
	struct stat before, after;

	(void)snprintf(path, sizeof(path), "%s/state.db-wal", lab.dir);
	cr_assert_eq(stat(path, &before), 0);
	watch_for(59);
	asks("a");
	watch_for(59);
	cr_assert_eq(stat(path, &after), 0);
	cr_expect_eq(after.st_size, before.st_size);
	watch_for(60);
	cr_expect_eq(events_of(waits, "job.lost"), 1);
	cr_assert_eq(stat(path, &before), 0);
	cr_expect_gt(before.st_size, after.st_size);
	/* Nor when it has been marked. */
	watch_for(600);
	cr_assert_eq(stat(path, &after), 0);
	cr_expect_eq(after.st_size, before.st_size);
}

/* --- wait */

Test(lost, takes_the_mark_away_when_the_agent_is_heard_of_again)
{
	struct id id = started("{\"job_queue\":\"q\"}", "test");

	watch_for(60);
	asks("a");
	watch_for(5);
	cr_expect_eq(events_of(id, "job.heard"), 1);
	expect_told(id, "\"code\":\"running\"");
	watch_for(60);
	cr_expect_eq(events_of(id, "job.lost"), 2);
	/* Also of what was said while the server was down. */
	watch.wall += 1000;
	asks("a");
	restart();
	cr_expect_eq(events_of(id, "job.heard"), 2);
	watch_for(50);
	cr_expect_eq(events_of(id, "job.heard"), 2);
	cr_assert_eq(reports(id, "a", "complete"), ERR_OK);
	expect_state(id, "complete");
}

Test(lost, lets_the_return_of_the_agent_go_before_the_mark)
{
	const struct handout_ask ask = {
	    (const char *const[]){"q"}, 1, "a", NULL, NULL};
	struct id id;
	struct job job;
	unsigned i;

	watch_again_with(
	    "AGENT_LOST_TIMEOUT = 60\nAGENT_LOST_POLICY = 'wait'\n");
	id = started("{\"job_queue\":\"q\"}", "test");
	watch_for(60);
	expect_told(id, "\"code\":\"agent_lost\"");
	asks("a");
	cr_expect_eq(
	    handout_take(&lab.svc, lab.arena, &ask, &job), ERR_NOTFOUND);
	expect_told(id, "\"code\":\"agent_returned\"");
	watch_for(5);
	cr_expect_eq(events_of(id, "job.heard"), 1);
	expect_told(id, "\"code\":\"agent_returned\"");
	/* It waits for the next one, and is heard of all the time. */
	for (i = 0; i < 20; i++) {
		asks("a");
		watch_for(5);
	}
	cr_expect_eq(events_of(id, "job.heard"), 1);
	cr_expect_eq(events_of(id, "job.lost"), 1);
	expect_told(id, "\"code\":\"agent_returned\"");
}

/* --- fail */

Test(lost, ends_a_job_that_says_fail_and_takes_a_late_outcome_once)
{
	struct id id = started(
	    "{\"job_queue\":\"q\",\"agent_lost_policy\":\"fail\"}", "test");

	watch_for(60);
	expect_state(id, "cancelled");
	expect_told(id, ": agent lost.\"");
	cr_expect_eq(events_of(id, "job.lost"), 1);
	cr_expect_eq(events_of(id, "job.ended"), 1);
	cr_assert_eq(reports(id, "a", "cleanup"), ERR_OK);
	expect_state(id, "cancelled");
	cr_assert_eq(reports(id, "a", "complete"), ERR_OK);
	expect_state(id, "complete");
	cr_assert_eq(reports(id, "a", "cancelled"), ERR_OK);
	expect_state(id, "complete");
}

Test(lost, ends_by_the_policy_of_the_server_unless_the_job_has_one)
{
	struct id own, other;

	watch_again_with(
	    "AGENT_LOST_TIMEOUT = 60\nAGENT_LOST_POLICY = 'fail'\n");
	own = started(
	    "{\"job_queue\":\"q\",\"agent_lost_policy\":\"wait\"}", "test");
	/* In open mode other values mean nothing. */
	other =
	    started("{\"job_queue\":\"q\",\"agent_lost_policy\":[7]}", "test");
	watch_for(60);
	expect_state(own, "test");
	expect_state(other, "cancelled");
}

Test(lost, applies_a_policy_that_was_changed_to_what_is_marked_already)
{
	struct id id = started("{\"job_queue\":\"q\"}", "test");
	struct conf *wait = lab.conf;
	struct conf_fault fault;
	static const char text[] =
	    "AGENT_LOST_TIMEOUT = 60\nAGENT_LOST_POLICY = 'fail'\n";

	watch_for(60);
	expect_state(id, "test");
	cr_assert_eq(
	    conf_parse(&lab.conf, "t", text, sizeof(text) - 1, &fault), ERR_OK);
	lab.svc.conf = lab.conf;
	restart();
	watch_for(59);
	expect_state(id, "test");
	watch_for(1);
	expect_state(id, "cancelled");
	cr_expect_eq(events_of(id, "job.lost"), 1);
	lab.svc.conf = wait;
	conf_free(lab.conf);
	lab.conf = wait;
}

Test(lost, goes_on_behind_a_job_with_which_it_fails)
{
	static const char body[] =
	    "{\"job_queue\":\"q\",\"agent_lost_policy\":\"retry\"}";
	struct id broken = started(body, "test"), good;
	struct job job;
	int64_t n;

	/* What is no JSON cannot be run once more. */
	fixture_sql(
	    &lab, "UPDATE job SET secrets = 1, client_id = 'c', body = '{'");
	good = given_job(body);
	cr_assert_eq(fixture_take(&lab, "q", "b", &job), ERR_OK);
	cr_assert_eq(reports(good, "b", "test"), ERR_OK);
	look();
	watch_for(55);
	watch.mono += STEP;
	clock_set_for_test(watch.wall += STEP);
	cr_expect_eq(
	    lost_look(watch.lost, &lab.svc, watch.mono, &n), ERR_NOMEM);
	cr_expect_eq(n, 1);
	expect_state(broken, "test");
	expect_state(good, "cancelled");
	expect_state(retry_of(good), "waiting");
}

/* A look that may fail with some. */
static void
look_in_vain(void)
{
	int64_t n;
	enum err e;

	clock_set_for_test(watch.wall += STEP);
	e = lost_look(watch.lost, &lab.svc, watch.mono += STEP, &n);
	cr_expect(e == ERR_OK || e == ERR_NOMEM);
}

/* So many jobs of queue q that agents of their own are at, in the order of their start. */
static void
many_started(const char *body, int n)
{
	char agent[16];
	struct job job;
	int i;

	for (i = 0; i < n; i++) {
		(void)given_job(body);
		(void)snprintf(agent, sizeof(agent), "m%d", i);
		cr_assert_eq(fixture_take(&lab, "q", agent, &job), ERR_OK);
		cr_assert_eq(reports(job.id, agent, "test"), ERR_OK);
	}
}

/* A look does something about a hundred. */
Test(lost, lets_many_with_which_it_fails_step_back_behind_the_others)
{
	static const char body[] =
	    "{\"job_queue\":\"q\",\"agent_lost_policy\":\"retry\"}";
	struct id good;
	int i;

	many_started(body, 120);
	fixture_sql(
	    &lab, "UPDATE job SET secrets = 1, client_id = 'c', body = '{'");
	good = started(body, "test");
	watch_for(55);
	for (i = 0; i < 2; i++)
		look_in_vain();
	expect_state(good, "cancelled");
	expect_state(retry_of(good), "waiting");
	/* And those have their turn once more. */
	fixture_sql(&lab,
	    "UPDATE job SET secrets = 0, body = '{\"job_queue\":\"q\"}' "
	    "WHERE body = '{'");
	for (i = 0; i < 3; i++)
		look_in_vain();
	cr_expect_eq(fixture_number(&lab,
			 "SELECT count(*) FROM job WHERE reason IS NULL "
			 "AND state = 'test'"),
	    0);
}

Test(lost, is_done_with_those_that_it_has_marked_and_that_wait)
{
	struct id last;
	int64_t n;

	many_started("{\"job_queue\":\"q\"}", 120);
	last = started("{\"job_queue\":\"q\"}", "test");
	watch_for(65);
	cr_expect_eq(events_of(last, "job.lost"), 1);
	cr_expect_eq(
	    fixture_number(
		&lab, "SELECT count(*) FROM journal WHERE kind = 'job.lost'"),
	    121);
	cr_assert_eq(
	    lost_look(watch.lost, &lab.svc, watch.mono += STEP, &n), ERR_OK);
	cr_expect_eq(n, 0);
}

Test(lost, hears_also_those_for_which_a_look_has_no_room)
{
	char agent[16];
	int i;

	many_started("{\"job_queue\":\"q\"}", 120);
	watch_for(70);
	for (i = 0; i < 120; i++) {
		(void)snprintf(agent, sizeof(agent), "m%d", i);
		asks(agent);
	}
	watch_for(15);
	cr_expect_eq(
	    fixture_number(
		&lab, "SELECT count(*) FROM journal WHERE kind = 'job.heard'"),
	    120);
}
