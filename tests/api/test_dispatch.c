/* GET /v1/job: who gets which job. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "api.h"

/*
 * No caller without a token may set a priority, so the case writes it into the
 * store itself, under the lock that every writer takes.
 */
static void
set_priority(const char *id, int priority)
{
	const char *data = getenv("TF_DATA");
	sqlite3 *db;
	int fd;

	cr_assert(data != NULL, "TF_DATA must hold DATA_PATH");
	fd = open(fmt("%s/state.db.lock", data), O_RDWR | O_CLOEXEC);
	cr_assert(
	    fd != -1 && flock(fd, LOCK_EX) == 0, "%s/state.db.lock", data);
	cr_assert(sqlite3_open(fmt("%s/state.db", data), &db) == SQLITE_OK);
	cr_assert(sqlite3_exec(db,
		      fmt("PRAGMA wal_autocheckpoint=0;"
			  "UPDATE job SET priority=%d WHERE id='%s'",
			  priority, id),
		      NULL, NULL, NULL) == SQLITE_OK,
	    "%s", sqlite3_errmsg(db));
	cr_assert(sqlite3_changes(db) == 1);
	(void)sqlite3_db_config(
	    db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)NULL);
	(void)sqlite3_close(db);
	(void)close(fd);
}

Test(test_dispatch, hands_out_what_was_posted_byte_for_byte)
{
	const char *queue = unique("q"), *id;
	const char *inner = fmt("\"job_queue\":\"%s\",\"n\":1.10,\"big\":"
				"18446744073709551616,\"huge\":-1e400,"
				"\"a\":{\"b\" : [ 1.0 ]},\"t\":\"\303\244\"",
	    queue);
	const struct answer *a;

	id = given_job(fmt("{%s}", inner));
	a = take(unique("a"), queue);
	expect_status(a, 200);
	expect_header(a, "Content-Type", "application/json");
	expect_part(a, inner);
	expect_member(a, "job_id", id);
}

Test(test_dispatch, tells_when_an_ordinary_job_started)
{
	const char *queue = unique("q"), *id = given_ordinary_job(queue);
	const struct answer *a = take(unique("a"), queue);
	const char *started;

	expect_member(a, "job_id", id);
	expect_member(a, "exclude_agents", "[]");
	started = member(a, "started_at");
	cr_assert(started != NULL && strlen(started) == 20 &&
		      started[10] == 'T' && started[19] == 'Z',
	    "%s", a->body);
	expect_json(
	    get(fmt("/v1/result/%s", id)), 200, "{\"job_state\":\"running\"}");
}

Test(test_dispatch, wants_a_queue_and_then_an_agent)
{
	expect_message(get("/v1/job"), 400, "No queue(s) specified in request");
	expect_message(
	    get("/v1/job?agent=a"), 400, "No queue(s) specified in request");
	expect_message(get("/v1/job?queue=q"), 401, "Agent not identified");
	expect_message(
	    get("/v1/job?queue=q&agent="), 401, "Agent not identified");
	expect_message(
	    call("GET", "/v1/job?queue=q", "Cookie: agent_name=", NULL), 401,
	    "Agent not identified");
}

Test(test_dispatch, has_nothing_in_an_empty_queue)
{
	const struct answer *a = take(unique("a"), unique("q"));

	expect_status(a, 204);
	cr_assert(a->len == 0);
	expect_status(get("/v1/job?queue=&agent=a"), 204);
}

static const struct answer *
report(const char *id, const char *json)
{
	return post(fmt("/v1/result/%s", id), json);
}

Test(test_dispatch, hands_a_job_to_one_agent)
{
	const char *queue = unique("q"), *id = given_ordinary_job(queue);

	expect_member(take(unique("a"), queue), "job_id", id);
	expect_status(take(unique("b"), queue), 204);
}

Test(test_dispatch, gives_the_oldest_first_over_all_queues_asked_for)
{
	const char *q1 = unique("q"), *q2 = unique("q"), *other = unique("q");
	const char *query = fmt("/v1/job?queue=%s&queue=%s&agent=", q2, q1);
	const char *ids[3];
	size_t i;

	ids[0] = given_ordinary_job(q1);
	(void)given_ordinary_job(other);
	ids[1] = given_ordinary_job(q2);
	ids[2] = given_ordinary_job(q1);
	for (i = 0; i < 3; i++)
		expect_member(
		    get(fmt("%s%s", query, unique("a"))), "job_id", ids[i]);
	expect_status(get(fmt("%s%s", query, unique("a"))), 204);
}

Test(test_dispatch, gives_the_highest_priority_first_and_the_oldest_of_it)
{
	const char *q1 = unique("q"), *q2 = unique("q");
	const char *query = fmt("/v1/job?queue=%s&queue=%s&agent=", q1, q2);
	const char *ids[5];
	static const int order[] = {4, 1, 3, 0, 2};
	size_t i;

	for (i = 0; i < 5; i++)
		ids[i] = given_ordinary_job(i % 2 == 0 ? q1 : q2);
	set_priority(ids[1], 10);
	set_priority(ids[3], 10);
	set_priority(ids[4], 200);
	set_priority(ids[2], -3);
	for (i = 0; i < 5; i++)
		expect_member(get(fmt("%s%s", query, unique("a"))), "job_id",
		    ids[order[i]]);
}

Test(test_dispatch, passes_an_excluded_agent_over)
{
	const char *queue = unique("q"), *bad = unique("a"),
		   *good = unique("a");
	const char *first, *second;

	given_agent(good, queue);
	first = given_job(
	    fmt("{\"job_queue\":\"%s\",\"exclude_agents\":[\"x\",\"%s\"]}",
		queue, bad));
	second = given_ordinary_job(queue);
	expect_member(take(bad, queue), "job_id", second);
	expect_status(report(second, "{\"job_state\":\"complete\"}"), 200);
	expect_status(take(bad, queue), 204);
	expect_member(take(good, queue), "job_id", first);
}

Test(test_dispatch, knows_the_agent_by_its_cookie)
{
	const char *queue = unique("q"), *agent = unique("a"), *path;
	const char *id;

	path = fmt("/v1/job?queue=%s&wait=0", queue);
	given_agent(unique("a"), queue);
	(void)given_job(
	    fmt("{\"job_queue\":\"%s\",\"exclude_agents\":[\"%s\"]}", queue,
		agent));
	expect_status(
	    call("GET", path, fmt("Cookie: agent_name=%s", agent), NULL), 204);
	expect_status(
	    call("GET", path, fmt("Cookie: x=1; agent_name=\"%s\"; y=2", agent),
		NULL),
	    204);
	id = given_ordinary_job(queue);
	expect_member(
	    call("GET", path, fmt("Cookie: agent_name=%s", agent), NULL),
	    "job_id", id);
}

Test(test_dispatch, decodes_a_quoted_cookie)
{
	const char *queue = unique("q"), *stem = unique("a");
	const char *path = fmt("/v1/job?queue=%s&wait=0", queue);

	given_agent(unique("a"), queue);
	(void)given_job(fmt("{\"job_queue\":\"%s\",\"exclude_agents\":"
			    "[\"%s;\303\251\"]}",
	    queue, stem));
	expect_status(
	    call("GET", path,
		fmt("Cookie: agent_name=\"%s\\073\\303\\251\"", stem), NULL),
	    204);
	expect_status(call("GET", path,
			  fmt("Cookie: agent_name=\"%s\\073\"", stem), NULL),
	    200);
}

Test(test_dispatch, takes_the_agent_of_the_query_before_the_cookie)
{
	const char *queue = unique("q"), *bad = unique("a");
	const char *path = fmt("/v1/job?queue=%s&agent=other", queue);

	given_agent(unique("a"), queue);
	(void)given_job(fmt(
	    "{\"job_queue\":\"%s\",\"exclude_agents\":[\"%s\"]}", queue, bad));
	expect_status(call("GET", fmt("/v1/job?queue=%s&agent=%s", queue, bad),
			  "Cookie: agent_name=other", NULL),
	    204);
	expect_status(
	    call("GET", path, fmt("Cookie: agent_name=%s", bad), NULL), 200);
}

Test(test_dispatch, keeps_a_job_back_until_its_attachments_are_there)
{
	const char *queue = unique("q");

	(void)given_job(
	    fmt("{\"job_queue\":\"%s\",\"test_data\":{\"attachments\":"
		"[{\"agent\":\"a.txt\"}]}}",
		queue));
	expect_status(take(unique("a"), queue), 204);
}

Test(test_dispatch, takes_nothing_by_head)
{
	const char *queue = unique("q"), *id = given_ordinary_job(queue);
	const struct answer *a =
	    call("HEAD", fmt("/v1/job?queue=%s&agent=a", queue), NULL, NULL);

	expect_status(a, 405);
	cr_assert(header(a, "Allow") != NULL, "405 without Allow");
	expect_member(take(unique("a"), queue), "job_id", id);
}

#define TAKERS 8
#define JOBS 200

struct taker {
	pthread_t thread;
	const char *queue;
	const char *name;
	const struct answer *got[JOBS + 1];
	size_t n;
};

static void *
take_all(void *arg)
{
	struct taker *t = arg;
	const struct answer *a;

	/* One more than there are jobs: a server that never says 204 ends, too.
	 */
	while (t->n <= JOBS) {
		a = take(t->name, t->queue);
		if (a->status == 204)
			break;
		t->got[t->n++] = a;
		(void)report(member(a, "job_id"), "{\"job_state\":\"test\"}");
	}
	return NULL;
}

Test(
    test_dispatch, hands_each_job_to_exactly_one_of_many_takers, .timeout = 120)
{
	static struct taker takers[TAKERS];
	const char *queue = unique("q"), *ids[JOBS], *id;
	int taken[JOBS] = {0};
	size_t i, j, k;

	for (i = 0; i < JOBS; i++)
		ids[i] = given_ordinary_job(queue);
	for (i = 0; i < TAKERS; i++) {
		takers[i].queue = queue;
		takers[i].name = unique("a");
		cr_assert(pthread_create(&takers[i].thread, NULL, take_all,
			      &takers[i]) == 0);
	}
	for (i = 0; i < TAKERS; i++) {
		(void)pthread_join(takers[i].thread, NULL);
		for (j = 0; j < takers[i].n; j++) {
			expect_status(takers[i].got[j], 200);
			id = member(takers[i].got[j], "job_id");
			for (k = 0; k < JOBS; k++)
				taken[k] += strcmp(ids[k], id) == 0 ? 1 : 0;
		}
	}
	for (k = 0; k < JOBS; k++)
		cr_assert(taken[k] == 1, "job %zu: %d times", k, taken[k]);
}

struct canceller {
	pthread_t thread;
	const char *id;
	const struct answer *answer;
};

static void *
cancel_it(void *arg)
{
	struct canceller *c = arg;

	c->answer =
	    post(fmt("/v1/job/%s/action", c->id), "{\"action\":\"cancel\"}");
	return NULL;
}

/*
 * A take that comes after the cancel finds nothing; one that comes before it
 * leaves a running job, which is then cancelled: the state is cancelled either
 * way.
 */
Test(test_dispatch, never_begins_a_hand_out_after_a_cancel, .timeout = 120)
{
	const char *queue = unique("q");
	const struct answer *a;
	struct canceller c;
	int i;

	for (i = 0; i < 40; i++) {
		c.id = given_ordinary_job(queue);
		cr_assert(pthread_create(&c.thread, NULL, cancel_it, &c) == 0);
		a = take(unique("a"), queue);
		(void)pthread_join(c.thread, NULL);
		expect_text(c.answer, 200, "OK");
		if (a->status != 204)
			expect_member(a, "job_id", c.id);
		expect_json(get(fmt("/v1/result/%s", c.id)), 200,
		    "{\"job_state\":\"cancelled\"}");
		expect_status(take(unique("a"), queue), 204);
	}
}
