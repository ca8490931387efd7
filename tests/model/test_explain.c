/* Why a job waits. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "clock.h"
#include "explain.h"
#include "fixture.h"
#include "work.h"

static struct fixture f;

static void
setup(void)
{
	work_count();
	fixture_open(
	    &f, "AGENT_LOST_TIMEOUT = 60\nAGENT_LOST_TIMEOUT_QUIET = 7200\n");
}

static void
teardown(void)
{
	fixture_close(&f);
}

TestSuite(explain, .init = setup, .fini = teardown);

static struct id
given(const char *body)
{
	struct id id;

	cr_assert_eq(fixture_submit(&f, body, &id), JOB_OK);
	return id;
}

/* It tells of itself what is in json. */
static void
given_word(const char *name, const char *json)
{
	struct agent_report report;
	struct js_fault where;
	struct faults faults;
	struct js_doc doc;

	cr_assert_eq(
	    js_scan(&doc, f.arena, json, strlen(json), &where), ERR_OK);
	faults_init(&faults, f.arena);
	cr_assert_eq(agent_report_read(&doc, &faults, &report), ERR_OK);
	cr_assert_eq(agent_put(&f.svc, name, &report), ERR_OK);
}

/* It says that it serves these queues, a list in JSON. */
static void
given_agent(const char *name, const char *queues)
{
	char json[128];

	(void)snprintf(json, sizeof(json), "{\"queues\":%s}", queues);
	given_word(name, json);
}

/* It says that it is at the job. */
static void
given_at(const char *name, const char *state, struct id id)
{
	char json[128];

	(void)snprintf(json, sizeof(json),
	    "{\"state\":\"%s\",\"job_id\":\"%s\"}", state, id.text);
	given_word(name, json);
}

static bool
explains(struct id id, const char *code)
{
	const char *json;
	size_t len;

	cr_assert_eq(explain_job(&f.svc, f.arena, &id, &json, &len), ERR_OK);
	return strstr(json, code) != NULL;
}

Test(explain, calls_all_busy_only_when_all_are_that_may_take_it)
{
	struct job job;
	struct id id;

	given_agent("a", "[\"q\",\"other\"]");
	given_agent("b", "[\"q\",\"other\"]");
	(void)given("{\"job_queue\":\"other\"}");
	cr_assert_eq(fixture_take(&f, "other", "a", &job), ERR_OK);
	id = given("{\"job_queue\":\"q\",\"exclude_agents\":[\"a\"]}");
	cr_expect_not(explains(id, "\"all_busy\""));
	cr_expect(explains(id, "\"soon\""));
	(void)given("{\"job_queue\":\"other\"}");
	cr_assert_eq(fixture_take(&f, "other", "b", &job), ERR_OK);
	cr_expect(explains(id, "\"all_busy\""));
}

/* A word of its own, with a NUL in it, is none of the states in which it is off. */
Test(explain, calls_away_whom_the_hand_out_passes_over)
{
	struct id id = given("{\"job_queue\":\"q\"}");
	bool off;

	given_agent("a", "[\"q\"]");
	fixture_sql(&f, "UPDATE agent SET state = 'restart'");
	cr_assert_eq(agent_is_off(&f.svc, "a", &off), ERR_OK);
	cr_expect(off);
	cr_expect(explains(id, "\"all_away\""));
	fixture_sql(&f, "UPDATE agent SET state = 'offline' || char(0)");
	cr_assert_eq(agent_is_off(&f.svc, "a", &off), ERR_OK);
	cr_expect_not(off);
	cr_expect_not(explains(id, "\"all_away\""));
	cr_expect(explains(id, "\"soon\""));
}

/* The agents are heard of no more, and not in the map of times either. */
static void
heard_90_s_ago(void)
{
	seen_close(f.svc.seen);
	f.svc.seen = NULL;
	fixture_sql(&f, "UPDATE agent SET updated_at = "
			"(strftime('%s', 'now') - 90) * 1000");
}

Test(explain, calls_silent_who_would_be_lost)
{
	struct job job;
	struct id id;

	given_agent("a", "[\"q\",\"other\"]");
	id = given("{\"job_queue\":\"q\"}");
	cr_expect(explains(id, "\"silent\":false"));
	heard_90_s_ago();
	cr_expect(explains(id, "\"silent\":true"));
	cr_expect(explains(id, "\"all_silent\""));
	/* With a job in hand its phase tells. */
	(void)given("{\"job_queue\":\"other\"}");
	cr_assert_eq(fixture_take(&f, "other", "a", &job), ERR_OK);
	heard_90_s_ago();
	fixture_sql(&f, "UPDATE job SET state = 'provision' WHERE agent = 'a'");
	cr_expect(explains(id, "\"silent\":false"));
	fixture_sql(&f, "UPDATE job SET state = 'test' WHERE agent = 'a'");
	cr_expect(explains(id, "\"silent\":true"));
}

/* Twenty thousand more like one that is there, but for their place. */
static void
given_many(void)
{
	fixture_sql(&f,
	    "WITH RECURSIVE t (v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM t "
	    "WHERE v < 20000) INSERT INTO job (id, queue, priority, state, "
	    "seed, ready, body, created_at, result_file) "
	    "SELECT 'j' || v, queue, 0, state, 0, 1, body, 0, 0 "
	    "FROM (SELECT * FROM job LIMIT 1), t");
}

Test(explain, counts_no_job_that_is_behind)
{
	struct id id = given("{\"job_queue\":\"q\"}");
	int64_t one, many;

	given_agent("a", "[\"q\",\"other\"]");
	(void)work_done();
	cr_expect(explains(id, "\"ahead\":0"));
	one = work_done();
	given_many();
	(void)work_done();
	cr_expect(explains(id, "\"ahead\":0"));
	many = work_done();
	cr_expect_gt(one, 100, "nothing was counted");
	cr_expect_lt(many, one + one / 10, "%lld steps, %lld for one job",
	    (long long)many, (long long)one);
}

/* Of those that exclude somebody, or wait for attachments, and stand behind. */
Test(explain, counts_none_of_those_apart_that_are_behind)
{
	struct id id = given("{\"job_queue\":\"q\"}");
	int64_t one, many;

	given_agent("a", "[\"q\",\"other\"]");
	given_agent("b", "[\"q\",\"other\"]");
	(void)given("{\"job_queue\":\"q\",\"exclude_agents\":[\"b\"]}");
	(void)work_done();
	cr_expect(explains(id, "\"ahead\":0"));
	one = work_done();
	given_many();
	fixture_sql(&f,
	    "UPDATE job SET excludes = (SELECT max(excludes) FROM job), "
	    "ready = seq % 2 WHERE seq > 2");
	(void)work_done();
	cr_expect(explains(id, "\"ahead\":0"));
	many = work_done();
	cr_expect_gt(one, 100, "nothing was counted");
	cr_expect_lt(many, 2 * one, "%lld steps, %lld for one job",
	    (long long)many, (long long)one);
}

Test(explain, counts_only_what_an_agent_may_have_that_may_have_the_job)
{
	struct id id;

	given_agent("a", "[\"q\",\"both\",\"only\"]");
	given_agent("b", "[\"q\",\"both\"]");
	given_agent("c", "[\"q\",\"its\",\"only\",\"both\"]");
	(void)given("{\"job_queue\":\"its\"}");
	(void)given("{\"job_queue\":\"only\",\"exclude_agents\":[\"a\"]}");
	(void)given(
	    "{\"job_queue\":\"both\",\"exclude_agents\":[\"a\",\"b\"]}");
	id = given("{\"job_queue\":\"q\",\"exclude_agents\":[\"c\"]}");
	cr_expect(explains(id, "\"ahead\":0,"));
	(void)given("{\"job_queue\":\"both\",\"exclude_agents\":[\"a\"]}");
	id = given("{\"job_queue\":\"q\",\"exclude_agents\":[\"c\"]}");
	/* That one, and the one of its own queue. */
	cr_expect(explains(id, "\"ahead\":2,\"ahead_token\":0,"));
	cr_expect(explains(id,
	    "2 jobs are before it on the queues of the agents that may take "
	    "it.\""));
}

Test(explain, counts_all_of_its_queue_where_no_agent_is_known)
{
	struct id id;

	(void)given("{\"job_queue\":\"q\"}");
	given_agent("a", "[\"q\",\"other\"]");
	given_agent("b", "[\"q\"]");
	(void)given("{\"job_queue\":\"q\",\"exclude_agents\":[\"a\"]}");
	(void)given("{\"job_queue\":\"other\"}");
	id = given("{\"job_queue\":\"q\"}");
	cr_expect(explains(id, "\"ahead\":3,"));
	fixture_sql(&f, "DELETE FROM agent");
	cr_expect(explains(id, "\"ahead\":2,"));
}

Test(explain, tells_how_many_are_for_agents_with_a_token)
{
	struct id id;

	given_agent("a", "[\"q\",\"lab\"]");
	(void)given("{\"job_queue\":\"lab\"}");
	(void)given("{\"job_queue\":\"q\"}");
	(void)given("{\"job_queue\":\"q\"}");
	fixture_sql(&f, "UPDATE job SET secrets = 1 WHERE seq = 2");
	fixture_sql(&f, "UPDATE queue SET restricted = 1 WHERE name = 'lab'");
	id = given("{\"job_queue\":\"q\"}");
	cr_expect(explains(id, "\"ahead\":3,\"ahead_token\":2,"));
	cr_expect(
	    explains(id, "2 of them only for an agent that shows a token."));
}

static void
given_secret(const char *path, const char *expires_at)
{
	char text[256];

	(void)snprintf(text, sizeof(text),
	    "INSERT INTO secret (client, path, value, ephemeral, expires_at, "
	    "updated_at) VALUES ('c', '%s', 'x', 1, %s, 0)",
	    path, expires_at);
	fixture_sql(&f, text);
}

/* They were there when the job was submitted. */
Test(explain, names_secrets_that_are_gone)
{
	struct id id = given("{\"job_queue\":\"q\"}");
	struct job job;

	given_agent("a", "[\"q\"]");
	given_secret("lab/a", "NULL");
	given_secret("lab/b", "NULL");
	given_secret("lab/c", "NULL");
	fixture_sql(&f, "UPDATE job SET secrets = 1, client_id = 'c', body = "
			"'{\"job_queue\":\"q\",\"test_data\":{\"secrets\":"
			"{\"A\":\"lab/a\",\"B\":\"lab/b\",\"C\":\"lab/c\","
			"\"D\":\"lab/a\"}}}'");
	cr_expect(explains(id, "\"secrets\""));
	cr_expect_not(explains(id, "\"secrets_missing\""));
	fixture_sql(&f, "DELETE FROM secret WHERE path = 'lab/a'");
	fixture_sql(
	    &f, "UPDATE secret SET expires_at = 1 WHERE path = 'lab/c'");
	cr_expect(explains(id,
	    "{\"code\":\"secrets_missing\",\"text\":\"c has no such secrets "
	    "any "
	    "more, as they were removed or have expired: an agent gets the job "
	    "with empty values for lab/a, lab/c. "));
	fixture_sql(&f, "UPDATE job SET client_id = ''");
	cr_expect(explains(id, "\"text\":\"The client that submitted it was "
			       "removed"));
	cr_expect(explains(id, "empty values for lab/a, lab/b, lab/c. "));
	/* Of one in hand it is not told what it was handed out with. */
	fixture_sql(&f, "UPDATE job SET secrets = 0");
	cr_assert_eq(fixture_take(&f, "q", "a", &job), ERR_OK);
	fixture_sql(&f, "UPDATE job SET secrets = 1");
	cr_expect_not(explains(id, "\"secrets_missing\""));
}

/* Whoever only asks for work tells no queues, and may serve this one all the same. */
Test(explain, names_who_has_a_job_of_a_queue_that_no_agent_names)
{
	const char *none = "No agent has said that it serves the queue. An ";
	struct job job;
	struct id id;

	(void)given("{\"job_queue\":\"q\"}");
	cr_assert_eq(fixture_take(&f, "q", "me", &job), ERR_OK);
	(void)given("{\"job_queue\":\"other\"}");
	cr_assert_eq(fixture_take(&f, "other", "else", &job), ERR_OK);
	(void)given("{\"job_queue\":\"q\"}");
	id = given("{\"job_queue\":\"q\"}");
	cr_expect(explains(id, "\"no_agent\""));
	cr_expect(explains(id,
	    "serves the queue, but me has a job of it in hand. An agent says "
	    "its queues by POST /v1/agents/data/<name>.\""));
	cr_assert_eq(fixture_take(&f, "q", "you", &job), ERR_OK);
	cr_expect(
	    explains(id, ", but me and one more have jobs of it in hand. An "));
	fixture_sql(&f, "INSERT INTO job_exclude (job, agent) "
			"SELECT max(seq), 'me' FROM job");
	cr_expect(explains(id, ", but you has a job of it in hand. An "));
	fixture_sql(&f, "UPDATE job SET ended_at = 1, state = 'complete' "
			"WHERE agent IS NOT NULL");
	cr_expect(explains(id, none));
}

Test(explain, looks_at_few_jobs_in_hand)
{
	struct id id;

	(void)given("{\"job_queue\":\"other\"}");
	given_many();
	fixture_sql(&f, "UPDATE job SET agent = 'a' || seq, state = 'test'");
	id = given("{\"job_queue\":\"q\"}");
	(void)work_done();
	cr_expect(explains(id, "\"no_agent\""));
	cr_expect_lt(work_done(), 20 * 1000 + 2000);
}

Test(explain, says_of_whom_it_tells_when_some_are_excluded)
{
	struct id id;

	given_agent("a", "[\"q\"]");
	given_agent("b", "[\"q\"]");
	fixture_sql(&f, "UPDATE agent SET state = 'offline' WHERE name = 'a'");
	id = given("{\"job_queue\":\"q\",\"exclude_agents\":[\"b\"]}");
	cr_expect(explains(id, "\"all_away\""));
	cr_expect(explains(
	    id, "Each agent on the queue that it does not exclude is offline"));
	heard_90_s_ago();
	cr_expect(explains(id, "\"all_silent\""));
	cr_expect(explains(
	    id, "Each agent on the queue that it does not exclude has said"));
	id = given("{\"job_queue\":\"q\"}");
	cr_expect(explains(id, "Each agent on the queue has said"));
}

Test(explain, tells_of_those_away_beside_the_busy)
{
	struct job job;
	struct id id;

	given_agent("a", "[\"q\",\"other\"]");
	given_agent("b", "[\"q\"]");
	(void)given("{\"job_queue\":\"other\"}");
	cr_assert_eq(fixture_take(&f, "other", "a", &job), ERR_OK);
	fixture_sql(&f, "UPDATE agent SET state = 'offline' WHERE name = 'b'");
	id = given("{\"job_queue\":\"q\"}");
	cr_expect(explains(id,
	    "another job in hand, but for 1 that is offline, in maintenance "
	    "or restarting, or silent.\""));
	fixture_sql(&f, "DELETE FROM agent WHERE name = 'b'");
	cr_expect(explains(id, "another job in hand.\""));
}

Test(explain, tells_what_to_do)
{
	struct id id = given("{\"job_queue\":\"q\"}");

	given_agent("a", "[\"q\"]");
	fixture_sql(&f, "UPDATE job SET ready = 0, secrets = 1");
	fixture_sql(&f, "UPDATE queue SET restricted = 1");
	cr_expect(
	    explains(id, "Send them by POST /v1/job/<job_id>/attachments.\""));
	cr_expect(explains(id, "get its jobs. Give its agents one.\""));
	cr_expect(explains(id, "get it. Give the agents of its queue one.\""));
	fixture_sql(&f, "UPDATE agent SET state = 'offline'");
	cr_expect(explains(id, "See agents for their states and comments.\""));
	heard_90_s_ago();
	cr_expect(explains(id, "See whether they run and reach the server.\""));
	fixture_sql(&f, "INSERT INTO job_exclude (job, agent) VALUES (1, 'a')");
	cr_expect(explains(id, "Submit it with fewer exclude_agents.\""));
}

Test(explain, tells_when_it_ended)
{
	struct id id = given("{\"job_queue\":\"q\"}");

	fixture_sql(&f, "UPDATE job SET ended_at = 1800000000000, "
			"state = 'cancelled', reason = 'cancelled'");
	cr_expect(
	    explains(id, "\"It ended at 2027-01-15T08:00:00Z: cancelled.\""));
	fixture_sql(&f, "UPDATE job SET state = 'complete', reason = NULL");
	cr_expect(explains(
	    id, "\"It ended at 2027-01-15T08:00:00Z as its agent said.\""));
}

#define HANDED INT64_C(1800000000000)

Test(explain, names_the_agent_that_has_it_and_since_when)
{
	const char *const queues[] = {"q"};
	const struct handout_ask ask = {queues, 1, "a\"", NULL, NULL};
	struct id id = given("{\"job_queue\":\"q\"}");
	const char *hand = "Its agent a\\\", which has had it since "
			   "2027-01-15T08:00:00Z, ";
	struct job job;

	cr_expect_not(explains(id, "\"since\""));
	clock_set_for_test(HANDED);
	cr_assert_eq(handout_take(&f.svc, f.arena, &ask, &job), ERR_OK);
	/* Offered again, it has it no later. */
	clock_set_for_test(HANDED + 9000);
	cr_assert_eq(handout_take(&f.svc, f.arena, &ask, &job), ERR_OK);
	cr_expect(explains(id, "{\"agent\":\"a\\\"\",\"agents\":[]"));
	cr_expect(explains(id, "\"since\":\"2027-01-15T08:00:00Z\"}"));
	cr_expect(explains(id, "\"offered\"") && explains(id, hand));
	cr_assert_eq(handout_note_sign(&f.svc, &id), ERR_OK);
	cr_expect(explains(id, "\"running\"") && explains(id, hand));
	fixture_sql(&f, "UPDATE job SET lost_at = 1");
	cr_expect(explains(id, "\"agent_lost\"") && explains(id, hand));
	fixture_sql(&f, "UPDATE job SET returned_at = 1");
	cr_expect(explains(id, "\"agent_returned\"") && explains(id, hand));
	fixture_sql(&f, "UPDATE job SET ended_at = 1, state = 'complete'");
	cr_expect(explains(id, "\"ended\""));
	cr_expect_not(explains(id, "\"since\""));
	clock_set_for_test(0);
}

/* The agent took a job of the queue "other", said that it is at it, and the job was cancelled. */
static struct id
given_cancelled(const char *agent)
{
	struct id id = given("{\"job_queue\":\"other\"}");
	struct job job;

	given_agent(agent, "[\"q\",\"other\"]");
	cr_assert_eq(fixture_take(&f, "other", agent, &job), ERR_OK);
	given_at(agent, "test", id);
	cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
	return id;
}

Test(explain, calls_busy_who_says_that_it_is_at_a_job_that_was_cancelled)
{
	struct id gone, id = given("{\"job_queue\":\"q\"}");
	char with[128];

	clock_set_for_test(HANDED);
	gone = given_cancelled("a");
	(void)snprintf(with, sizeof(with),
	    "\"busy_with\":\"%s\",\"busy_since\":"
	    "\"2027-01-15T08:00:00Z\",\"busy_ended\":true}",
	    gone.text);
	cr_expect(explains(id, with));
	cr_expect(explains(id,
	    "{\"code\":\"all_busy\",\"text\":\"Each agent that may take it "
	    "says that it is still at a job that has ended.\"}"));
	cr_expect_not(explains(id, "\"soon\""));
	cr_expect(explains(gone,
	    "{\"code\":\"agent_still_runs\",\"text\":\"Its agent a says that "
	    "it is at it, in test, and may still be running it. It was heard "
	    "of last at 2027-01-15T08:00:00Z.\"}]"));
	given_word("a", "{\"state\":\"waiting\"}");
	cr_expect(explains(id, "\"soon\""));
	cr_expect_not(explains(id, "\"busy_with\""));
	cr_expect_not(explains(gone, "\"agent_still_runs\""));
	given_word("a", "{\"state\":\"allocated\"}");
	cr_expect(explains(id, "\"busy_ended\":true"));
	given_word("a", "{\"job_id\":\"\"}");
	cr_expect(explains(id, "\"soon\""));
	cr_expect_not(explains(gone, "\"agent_still_runs\""));
	clock_set_for_test(0);
}

Test(explain, calls_free_who_asked_for_work_since_the_job_was_cancelled)
{
	struct id gone, id;
	struct job job;
	char path[96];

	(void)snprintf(path, sizeof(path), "%s/seen", f.dir);
	cr_assert_eq(seen_open(&f.svc.seen, path, 100), ERR_OK);
	clock_set_for_test(HANDED);
	gone = given_cancelled("a");
	id = given("{\"job_queue\":\"q\",\"exclude_agents\":[\"b\"]}");
	cr_expect(explains(id, "\"busy_ended\":true"));
	/* Signs of another kind, as that it sends a log, tell nothing of that. */
	clock_set_for_test(HANDED + 1000);
	seen_touch(f.svc.seen, SEEN_AGENT, "a", HANDED + 1000);
	cr_expect(explains(id, "\"busy_ended\":true"));
	cr_expect(explains(gone, "at 2027-01-15T08:00:01Z."));
	cr_assert_eq(fixture_take(&f, "none", "a", &job), ERR_NOTFOUND);
	cr_expect(explains(id, "\"soon\""));
	cr_expect_not(explains(id, "\"busy_with\""));
	cr_expect_not(explains(gone, "\"agent_still_runs\""));
	clock_set_for_test(0);
}

/* That is its own word, and later than the phase that it told. */
Test(explain, calls_nobody_busy_with_a_job_that_it_ended_or_came_back_from)
{
	struct id id = given("{\"job_queue\":\"q\"}"), gone;

	gone = given_cancelled("a");
	cr_expect(explains(id, "\"busy_ended\":true"));
	fixture_sql(&f, "UPDATE job SET returned_at = 1 WHERE agent = 'a'");
	cr_expect(explains(id, "\"soon\""));
	cr_expect_not(explains(gone, "\"agent_still_runs\""));
	fixture_sql(&f, "UPDATE job SET returned_at = NULL, reason = NULL, "
			"state = 'complete' WHERE agent = 'a'");
	cr_expect(explains(id, "\"soon\""));
	cr_expect_not(explains(gone, "\"agent_still_runs\""));
}

/* Of whose job it says so; the job itself names its own agent alone. */
Test(explain, tells_no_time_of_a_job_that_was_not_handed_to_the_agent)
{
	struct id id = given("{\"job_queue\":\"q\"}"), gone;

	gone = given_cancelled("a");
	given_at("a", "waiting", gone);
	given_agent("b", "[\"q\"]");
	given_at("b", "setup", gone);
	cr_expect(explains(id, "\"soon\""));
	cr_expect(explains(id, "\"busy_ended\":true"));
	cr_expect_not(explains(id, "\"busy_since\""));
	cr_expect_not(explains(gone, "\"agent_still_runs\""));
}

Test(explain, tells_of_jobs_in_hand_beside_those_that_have_ended)
{
	struct id id = given("{\"job_queue\":\"q\"}"), gone;
	struct job job;

	gone = given_cancelled("a");
	given_agent("b", "[\"q\",\"more\"]");
	(void)given("{\"job_queue\":\"more\"}");
	cr_assert_eq(fixture_take(&f, "more", "b", &job), ERR_OK);
	/* What it has in hand goes before what it says. */
	given_at("b", "test", gone);
	cr_expect(explains(id,
	    "Each agent that may take it has another job in hand, or says "
	    "that it is still at one that has ended.\""));
	fixture_sql(&f, "UPDATE agent SET job_id = '' WHERE name = 'a'");
	cr_expect(explains(id, "\"soon\""));
	cr_expect_not(explains(id, "\"busy_ended\""));
}

/* The phase that it tells is that of the job, as long as it had one. */
Test(explain, allows_the_silence_of_the_phase_that_the_agent_tells)
{
	struct id id = given("{\"job_queue\":\"q\"}"), gone;

	gone = given_cancelled("a");
	given_at("a", "provision", gone);
	heard_90_s_ago();
	cr_expect(explains(id, "\"silent\":false"));
	cr_expect(explains(id, "\"all_busy\""));
	fixture_sql(&f, "UPDATE agent SET state = 'test'");
	cr_expect(explains(id, "\"silent\":true"));
	cr_expect(explains(id, "\"all_silent\""));
}

/* A consumer that does not claim tells of its state all the same. */
Test(explain, names_nobody_whom_the_job_was_not_handed_to)
{
	struct id id = given("{\"job_queue\":\"q\"}");

	fixture_sql(&f, "UPDATE job SET state = 'test'");
	cr_expect(explains(id, "\"running\""));
	cr_expect(explains(id, "It was not handed out"));
	cr_expect_not(explains(id, "\"since\""));
}

Test(explain, counts_up_to_a_limit)
{
	struct id id;

	(void)given("{\"job_queue\":\"q\"}");
	given_many();
	id = given("{\"job_queue\":\"q\"}");
	(void)work_done();
	cr_expect(explains(id, "\"ahead\":10000,"));
	cr_expect(explains(id, "10000 or more jobs"));
	cr_expect_lt(work_done(), 2 * 20 * EXPLAIN_AHEAD_MAX);
}
