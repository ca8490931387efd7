/* For whom there is a job, and who is told when there is one. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "archive.h"
#include "eligible.h"
#include "fixture.h"
#include "restricted.h"
#include "work.h"

static struct fixture f;
static struct wake_ear *ear;

static void
setup(void)
{
	work_count();
	fixture_open(&f, "");
	cr_assert_eq(wake_listen(&ear, f.svc.wake), ERR_OK);
}

static void
teardown(void)
{
	wake_deafen(ear);
	fixture_close(&f);
}

TestSuite(eligible, .init = setup, .fini = teardown);

static void
given_sql(const char *text)
{
	fixture_sql(&f, text);
}

static struct id
given_job(const char *body)
{
	struct id id;

	cr_assert_eq(fixture_submit(&f, body, &id), JOB_OK);
	return id;
}

/* Of the askers a, b and c, of whom c has a token, those chosen. */
static const char *
chosen(const char *queue, size_t most)
{
	struct eligible_asker askers[3] = {
	    {.agent = "a"}, {.agent = "b"}, {.agent = "c", .verified = true}};
	static char out[4];
	size_t i, n = 0;
	enum err e;

	e = eligible_choose(&f.svc, queue, askers, 3, most);
	cr_assert(e == ERR_OK || e == ERR_NOTFOUND);
	for (i = 0; i < 3; i++)
		if (askers[i].chosen)
			out[n++] = askers[i].agent[0];
	out[n] = '\0';
	return out;
}

static void
expect_word(enum wake_kind kind, const char *name)
{
	char heard[WAKE_NAME_MAX + 1];
	enum wake_kind k;

	cr_assert(wake_hear(ear, &k, heard), "nobody was told of %s", name);
	cr_expect_eq(k, kind);
	cr_expect_str_eq(heard, name);
}

static void
expect_silence(void)
{
	char heard[WAKE_NAME_MAX + 1];
	enum wake_kind k;

	cr_expect(!wake_hear(ear, &k, heard), "told of %s", heard);
}

Test(eligible, tells_the_queues_with_a_job)
{
	const char *queues[3] = {"q1", "q2", "q3"};
	bool waits[3] = {true, false, true};

	(void)given_job("{\"job_queue\":\"q2\"}");
	(void)given_job("{\"job_queue\":\"q3\",\"test_data\":{\"attachments\":"
			"[{\"agent\":\"x\"}]}}");
	cr_assert_eq(eligible_queues(&f.svc, queues, 3, waits), ERR_OK);
	cr_expect(!waits[0] && waits[1] && !waits[2]);
}

Test(eligible, chooses_for_each_job_who_asked_first)
{
	struct job job;

	cr_expect_str_eq(chosen("q", 3), "");
	(void)given_job("{\"job_queue\":\"q\"}");
	cr_expect_str_eq(chosen("q", 3), "a");
	(void)given_job("{\"job_queue\":\"q\"}");
	cr_expect_str_eq(chosen("q", 3), "ab");
	cr_expect_str_eq(chosen("q", 1), "a");
	(void)given_job("{\"job_queue\":\"q\"}");
	(void)given_job("{\"job_queue\":\"q\"}");
	cr_expect_str_eq(chosen("q", 3), "abc");
	while (fixture_take(&f, "q", "x", &job) == ERR_OK)
		;
	cr_expect_str_eq(chosen("q", 3), "");
}

Test(eligible, passes_over_the_excluded)
{
	given_sql("INSERT INTO agent (name, updated_at) VALUES ('z', 0)");
	given_sql("INSERT INTO agent_queue (queue, agent) VALUES ('q', 'z')");
	(void)given_job(
	    "{\"job_queue\":\"q\",\"exclude_agents\":[\"a\",\"b\",\"c\"]}");
	cr_expect_str_eq(chosen("q", 3), "");
	(void)given_job("{\"job_queue\":\"q\",\"exclude_agents\":[\"a\"]}");
	cr_expect_str_eq(chosen("q", 3), "b");
	(void)given_job("{\"job_queue\":\"q\"}");
	cr_expect_str_eq(chosen("q", 3), "ab");
}

Test(eligible, wants_a_token_for_secrets_and_restricted_queues)
{
	(void)given_job("{\"job_queue\":\"q\"}");
	given_sql("UPDATE job SET secrets = 1");
	cr_expect_str_eq(chosen("q", 3), "c");
	(void)given_job("{\"job_queue\":\"q\"}");
	cr_expect_str_eq(chosen("q", 3), "ac");
	given_sql("UPDATE queue SET restricted = 1 WHERE name = 'q'");
	cr_expect_str_eq(chosen("q", 3), "c");
}

/* Twenty thousand more jobs of the queue "long", like the one that is there and apart from it
 * in nothing but its id. */
static void
given_many(void)
{
	given_sql(
	    "WITH RECURSIVE t (v) AS (SELECT 1 UNION ALL "
	    "SELECT v + 1 FROM t WHERE v < 20000) "
	    "INSERT INTO job (id, queue, priority, state, seed, ready, "
	    "body, created_at, ended_at, result_file, secrets, excludes) "
	    "SELECT 'j' || v, queue, 0, state, 0, ready, body, 0, ended_at, 0, "
	    "secrets, excludes FROM job, t WHERE queue = 'long'");
	given_sql("INSERT INTO job_exclude (job, agent) "
		  "SELECT j.seq, x.agent FROM job j, job o, job_exclude x "
		  "WHERE j.id LIKE 'j%' AND o.queue = 'long' "
		  "AND x.job = o.seq ON CONFLICT DO NOTHING");
}

/* Steps of the store's machine for all that is asked of a queue for an agent that gets
 * nothing: a poll, and the looks for two that are held. */
static int64_t
work_of(const char *queue)
{
	struct eligible_asker askers[2] = {{.agent = "a"}, {.agent = "b"}};
	const struct handout_ask ask = {&queue, 1, "a", NULL, NULL};
	struct job job;
	bool waits;

	(void)work_done();
	cr_assert_eq(handout_take(&f.svc, f.arena, &ask, &job), ERR_NOTFOUND);
	cr_assert_eq(eligible_queues(&f.svc, &queue, 1, &waits), ERR_OK);
	(void)!eligible_choose(&f.svc, queue, askers, 2, 2);
	cr_assert(!askers[0].chosen && !askers[1].chosen);
	return work_done();
}

/* What the statement makes of the one job of the queue, all of many are; then a poll and a
 * look cost what one job costs. */
static void
expect_little_work(const char *change)
{
	int64_t one, many;

	(void)given_job("{\"job_queue\":\"long\"}");
	given_sql(change);
	one = work_of("long");
	given_many();
	many = work_of("long");
	cr_expect_gt(one, 20, "nothing was counted");
	cr_expect_lt(many, one + one / 10, "%lld steps, %lld for one job",
	    (long long)many, (long long)one);
}

Test(eligible, costs_no_more_for_the_jobs_that_have_ended)
{
	expect_little_work("UPDATE job SET state = 'complete', ended_at = 1");
}

Test(eligible, costs_no_more_for_many_jobs_of_a_restricted_queue)
{
	expect_little_work("UPDATE queue SET restricted = 1");
}

Test(eligible, costs_no_more_for_many_jobs_that_name_secrets)
{
	expect_little_work("UPDATE job SET secrets = 1");
}

Test(eligible, costs_no_more_for_many_jobs_that_wait_for_attachments)
{
	expect_little_work("UPDATE job SET ready = 0");
}

Test(eligible, costs_no_more_for_many_jobs_that_exclude_all_who_ask)
{
	expect_little_work("INSERT INTO job_exclude (job, agent) "
			   "SELECT seq, x FROM job, (SELECT 'a' AS x UNION "
			   "SELECT 'b')");
}

Test(eligible, finds_the_one_behind_many_that_exclude)
{
	static const char *const queue = "long";
	struct eligible_asker askers[2] = {{.agent = "a"}, {.agent = "b"}};
	const struct handout_ask ask = {&queue, 1, "a", NULL, NULL};
	struct job job;
	struct id id;
	int64_t work;

	(void)given_job("{\"job_queue\":\"long\"}");
	given_sql("INSERT INTO job_exclude (job, agent) "
		  "SELECT seq, 'a' FROM job");
	given_many();
	id = given_job("{\"job_queue\":\"long\"}");
	(void)work_done();
	cr_assert_eq(eligible_choose(&f.svc, "long", askers, 2, 2), ERR_OK);
	cr_expect(askers[0].chosen && askers[1].chosen);
	cr_assert_eq(handout_take(&f.svc, f.arena, &ask, &job), ERR_OK);
	work = work_done();
	cr_expect_str_eq(job.id.text, id.text);
	cr_expect_lt(work, 5000, "%lld steps", (long long)work);
}

Test(eligible, is_told_of_a_new_job_once)
{
	(void)given_job("{\"job_queue\":\"q\",\"job_id\":"
			"\"10000000-0000-4000-8000-000000000000\"}");
	expect_word(WAKE_QUEUE, "q");
	(void)given_job("{\"job_queue\":\"q\",\"job_id\":"
			"\"10000000-0000-4000-8000-000000000000\"}");
	expect_silence();
}

Test(eligible, is_told_when_attachments_have_come)
{
	struct blob_file *file;
	enum attachments before;
	struct id id = given_job("{\"job_queue\":\"q\",\"test_data\":"
				 "{\"attachments\":[{\"agent\":\"x\"}]}}");

	expect_silence();
	cr_assert_eq(
	    blob_begin(f.svc.blob, &id, BLOB_ATTACHMENTS, &file), ERR_OK);
	cr_assert_eq(
	    archive_put_attachments(&f.svc, &id, file, &before), ERR_OK);
	blob_end(file);
	cr_assert_eq(before, ATTACHMENTS_AWAITED);
	expect_word(WAKE_QUEUE, "q");
	cr_expect_str_eq(chosen("q", 3), "a");
}

Test(eligible, is_told_when_a_queue_is_free_for_all)
{
	enum err failure;

	(void)given_job("{\"job_queue\":\"q\"}");
	expect_word(WAKE_QUEUE, "q");
	given_sql("UPDATE queue SET restricted = 1 WHERE name = 'q'");
	cr_assert_eq(restricted_lift(&f.svc, "q", &failure), RESTRICTED_OK);
	expect_word(WAKE_QUEUE, "q");
	cr_assert_eq(restricted_lift(&f.svc, "q", &failure), RESTRICTED_NOT);
	expect_silence();
}

static void
put_state(const char *state)
{
	struct agent_report r = {.n_log = 0};

	r.texts[AGENT_STATE].p = state;
	r.texts[AGENT_STATE].len = strlen(state);
	cr_assert_eq(agent_put(&f.svc, "a1", &r), ERR_OK);
}

Test(eligible, is_told_when_an_agent_is_set_to_another_state)
{
	static const char *const states[] = {"offline", "waiting",
	    "maintenance", "provision", "restart", "test"};
	bool off = true;
	size_t i;

	cr_assert_eq(agent_is_off(&f.svc, "a1", &off), ERR_OK);
	cr_expect(!off);
	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		put_state(states[i]);
		expect_word(WAKE_AGENT, "a1");
		cr_assert_eq(agent_is_off(&f.svc, "a1", &off), ERR_OK);
		cr_expect_eq(off, i % 2 == 0, "%s", states[i]);
		put_state(states[i]);
		expect_silence();
	}
}
