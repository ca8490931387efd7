/* Jobs: kept, ordered, taken once, cancelled for good. */

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "clock.h"
#include "fixture.h"
#include "result.h"
#include "schema.h"

static struct fixture f;

static void
setup(void)
{
	fixture_open(&f, "MAX_QUEUES = 3\n");
}

static void
teardown(void)
{
	fixture_close(&f);
}

TestSuite(job, .init = setup, .fini = teardown);

/* A job of this priority, as one with the permission for it submits. */
static struct id
given_priority(const char *queue, int64_t priority)
{
	static const char permissions[] = "{\"max_priority\":{\"*\":1000}}";
	const struct auth_caller caller = {
	    .token = true,
	    .client_id = "c",
	    .permissions = permissions,
	    .permissions_len = sizeof(permissions) - 1,
	};
	struct job_refusal more;
	struct job_new job = {
	    .queue = queue, .priority = priority, .body = "{}", .body_len = 2};

	id_make(&job.id);
	cr_assert_eq(
	    job_submit(&f.svc, f.arena, &job, &caller, "", &more), JOB_OK);
	return job.id;
}

static struct id
given(const char *body)
{
	struct id id;

	cr_assert_eq(fixture_submit(&f, body, &id), JOB_OK);
	return id;
}

static void
expect_taken(const char *queue, const char *agent, struct id id)
{
	struct job job;

	cr_assert_eq(fixture_take(&f, queue, agent, &job), ERR_OK);
	cr_expect_str_eq(job.id.text, id.text);
}

static void
expect_nothing(const char *queue, const char *agent)
{
	struct job job;

	cr_expect_eq(fixture_take(&f, queue, agent, &job), ERR_NOTFOUND);
}

Test(job, waits_until_it_is_taken_and_is_taken_once)
{
	struct id id = given("{\"job_queue\":\"q\",\"x\":1.10}");

	cr_expect_str_eq(fixture_job(&f, &id).state, JOB_WAITING);
	expect_taken("q", "a", id);
	cr_expect_str_eq(fixture_job(&f, &id).state, JOB_RUNNING);
	expect_nothing("q", "a");
	expect_nothing("other", "a");
}

Test(job, goes_by_priority_and_then_by_age)
{
	struct id low = given_priority("q", 0);
	struct id first = given_priority("q", 5);
	struct id second = given_priority("q", 5);
	struct id negative = given_priority("q", -1);

	expect_taken("q", "a", first);
	expect_taken("q", "a", second);
	expect_taken("q", "a", low);
	expect_taken("q", "a", negative);
}

Test(job, goes_by_priority_over_all_queues_asked_for)
{
	const char *queues[] = {"q1", "q2"};
	const struct handout_ask ask = {queues, 2, "a", NULL, "c"};
	struct id old = given_priority("q1", 1);
	struct id high = given_priority("q2", 2);
	struct id same = given_priority("q2", 1);
	struct id order[3] = {high, old, same};
	struct job job;
	int i;

	for (i = 0; i < 3; i++) {
		cr_assert_eq(handout_take(&f.svc, f.arena, &ask, &job), ERR_OK);
		cr_expect_str_eq(job.id.text, order[i].text);
	}
}

Test(job, passes_over_an_agent_it_excludes)
{
	struct agent_report report = {.n_queues = 1};
	const char *names[] = {"q"};
	struct id id;

	report.queue_names = names;
	report.queues = (struct js_span){"[\"q\"]", 5};
	cr_expect_eq(
	    fixture_submit(
		&f, "{\"job_queue\":\"q\",\"exclude_agents\":[\"a\"]}", &id),
	    JOB_NO_AGENT, "nobody else serves the queue");
	cr_assert_eq(agent_put(&f.svc, "a", &report), ERR_OK);
	cr_assert_eq(agent_put(&f.svc, "b", &report), ERR_OK);
	id = given("{\"job_queue\":\"q\",\"exclude_agents\":[\"a\",\"a\"]}");
	expect_nothing("q", "a");
	expect_taken("q", "b", id);
}

Test(job, that_was_cancelled_is_not_handed_out_nor_revived)
{
	struct result_report r = {.state = "waiting", .state_len = 7};
	struct id id = given("{\"job_queue\":\"q\"}");

	cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
	cr_expect_eq(job_cancel(&f.svc, &id), ERR_CONFLICT);
	expect_nothing("q", "a");
	cr_assert_eq(result_report_put(&f.svc, &id, &r), ERR_OK);
	r.state = "complete";
	r.state_len = 8;
	cr_assert_eq(result_report_put(&f.svc, &id, &r), ERR_OK);
	cr_expect_str_eq(fixture_job(&f, &id).state, JOB_CANCELLED);
	expect_nothing("q", "a");
}

Test(job, that_nobody_knows_cannot_be_cancelled)
{
	struct id id;

	id_make(&id);
	cr_expect_eq(job_cancel(&f.svc, &id), ERR_CONFLICT);
}

Test(job, that_runs_never_goes_back_to_waiting_by_a_report)
{
	struct result_report r = {.state = "waiting", .state_len = 7};
	struct id id = given("{\"job_queue\":\"q\"}");

	expect_taken("q", "a", id);
	cr_assert_eq(result_report_put(&f.svc, &id, &r), ERR_OK);
	cr_expect_str_eq(fixture_job(&f, &id).state, JOB_RUNNING);
	expect_nothing("q", "a");
}

#define ID "\"job_id\":\"7be00000-0000-4000-8000-000000000001\""

Test(job, posted_again_under_its_id_is_the_same_job)
{
	struct id id = given("{\"job_queue\":\"q\"," ID "}");

	cr_expect_eq(
	    fixture_submit(&f, "{\"job_queue\":\"q\"," ID "}", &id), JOB_OK);
	expect_taken("q", "a", id);
	cr_expect_eq(
	    fixture_submit(&f, "{\"job_queue\":\"q\"," ID "}", &id), JOB_OK);
	expect_nothing("q", "a");
}

Test(job, of_other_content_waits_until_its_id_is_free)
{
	struct id id = given("{\"job_queue\":\"q\"," ID "}");
	const char *other = "{\"job_queue\":\"q\",\"x\":1," ID "}";

	cr_expect_eq(fixture_submit(&f, other, &id), JOB_ID_TAKEN);
	expect_taken("q", "a", id);
	cr_expect_eq(fixture_submit(&f, other, &id), JOB_ID_TAKEN);
	cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
	cr_expect_eq(fixture_submit(&f, other, &id), JOB_OK);
	cr_expect_str_eq(fixture_job(&f, &id).state, JOB_WAITING);
	expect_taken("q", "a", id);
}

Test(job, with_attachments_waits_for_them)
{
	struct id id = given("{\"job_queue\":\"q\",\"test_data\":"
			     "{\"attachments\":[]}}");

	cr_expect_str_eq(fixture_job(&f, &id).attachments, "waiting");
	expect_nothing("q", "a");
}

Test(job, on_one_queue_too_many_is_refused)
{
	struct id id;

	(void)given("{\"job_queue\":\"1\"}");
	(void)given("{\"job_queue\":\"2\"}");
	(void)given("{\"job_queue\":\"3\"}");
	cr_expect_eq(fixture_submit(&f, "{\"job_queue\":\"4\"}", &id),
	    JOB_TOO_MANY_QUEUES);
	(void)given("{\"job_queue\":\"3\"}");
}

Test(job, needs_a_login_for_priority_and_long_reservations)
{
	struct id id;

	cr_expect_eq(
	    fixture_submit(&f, "{\"job_queue\":\"q\",\"job_priority\":1}", &id),
	    JOB_NEEDS_LOGIN_PRIORITY);
	cr_expect_eq(fixture_submit(&f,
			 "{\"job_queue\":\"q\",\"reserve_data\":"
			 "{\"timeout\":\"6h1s\"}}",
			 &id),
	    JOB_NEEDS_LOGIN_RESERVE);
	(void)given("{\"job_queue\":\"q\",\"reserve_data\":"
		    "{\"timeout\":\"6h\"}}");
}

#define TAKERS 8
#define JOBS 40

struct taker {
	struct arena *arena;
	int taken;
	char ids[JOBS][ID_LEN + 1];
};

static void *
take_all(void *arg)
{
	struct taker *t = arg;
	const char *queue = "q";
	const struct handout_ask ask = {&queue, 1, "a", NULL, "c"};
	struct job job;

	while (handout_take(&f.svc, t->arena, &ask, &job) == ERR_OK)
		(void)strcpy(t->ids[t->taken++], job.id.text);
	return NULL;
}

Test(job, is_taken_once_by_many_at_the_same_time)
{
	struct taker takers[TAKERS] = {{.taken = 0}};
	pthread_t threads[TAKERS];
	char all[JOBS][ID_LEN + 1];
	int i, k, n = 0, m;

	for (i = 0; i < JOBS; i++)
		(void)given("{\"job_queue\":\"q\"}");
	for (i = 0; i < TAKERS; i++) {
		takers[i].arena = arena_new();
		cr_assert_eq(
		    pthread_create(&threads[i], NULL, take_all, &takers[i]), 0);
	}
	for (i = 0; i < TAKERS; i++) {
		(void)pthread_join(threads[i], NULL);
		for (k = 0; k < takers[i].taken; k++) {
			for (m = 0; m < n; m++)
				cr_expect_str_neq(all[m], takers[i].ids[k]);
			(void)strcpy(all[n++], takers[i].ids[k]);
		}
		arena_free(takers[i].arena);
	}
	cr_expect_eq(n, JOBS);
}

Test(job, survives_the_process)
{
	struct id id = given("{\"job_queue\":\"q\"}");
	struct job job;
	struct db_options o;
	char uri[128];

	db_close(f.svc.db);
	(void)snprintf(uri, sizeof(uri), "sqlite:%s/state.db", f.dir);
	o = (struct db_options){uri, &model_schema, 2, 1000, false};
	cr_assert_eq(db_open(&f.svc.db, &o), ERR_OK);
	cr_assert_eq(fixture_take(&f, "q", "a", &job), ERR_OK);
	cr_expect_str_eq(job.id.text, id.text);
}
