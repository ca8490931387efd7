/* The order of hand-out, whoever asks. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "best.h"
#include "eligible.h"
#include "fixture.h"
#include "schema.h"

static struct fixture f;

static void
setup(void)
{
	fixture_open(&f, "");
	/* Somebody must be left to take what others may not. */
	fixture_sql(&f, "INSERT INTO agent (name, updated_at) VALUES ('z', 0)");
	fixture_sql(
	    &f, "INSERT INTO agent_queue (queue, agent) VALUES ('q', 'z')");
}

static void
teardown(void)
{
	fixture_close(&f);
}

TestSuite(best, .init = setup, .fini = teardown);

static enum job_verdict
submit(const char *exclude)
{
	char body[256];
	struct id id;

	(void)snprintf(body, sizeof(body),
	    "{\"job_queue\":\"q\",\"exclude_agents\":[%s]}", exclude);
	return fixture_submit(&f, body, &id);
}

/* A thousand jobs that differ in all by which one may be passed over, in an order that is
 * the same in each run. */
static void
given_a_mix(void)
{
	fixture_sql(&f,
	    "WITH RECURSIVE t (v, r) AS (SELECT 1, 12345 UNION ALL "
	    "SELECT v + 1, (r * 1103515245 + 12345) & 2147483647 FROM t "
	    "WHERE v < 1000) INSERT INTO job (id, queue, priority, state, "
	    "seed, ready, body, created_at, result_file, secrets) "
	    "SELECT 'j' || v, 'q' || ((r >> 8) % 2), (r >> 10) % 5 - 2, "
	    "'waiting', 0, (r >> 14) % 5 > 0, '{}', 0, 0, (r >> 17) % 4 = 0 "
	    "FROM t");
	fixture_sql(&f,
	    "INSERT INTO job_exclude (job, agent) SELECT seq, a.name FROM job, "
	    "(SELECT 'a' AS name, 3 AS n UNION SELECT 'b', 5 "
	    "UNION SELECT 'c', 7) a WHERE seq % a.n = 0");
	/* Most as they are submitted, the others as a former version inserts them. */
	fixture_sql(&f, "UPDATE job SET excludes = (SELECT group_concat(agent) "
			"FROM job_exclude WHERE job = seq) "
			"WHERE excludes <> '' AND seq % 10 > 0");
}

/* The number that a query of an agent and another number gives. */
static int64_t
number(const char *query, const char *agent, int64_t n)
{
	struct db_conn *c = db_read(f.svc.db);
	struct db_stmt *s;
	int64_t out;

	cr_assert_eq(db_query(c, &s, query, "ti", agent, n), ERR_OK);
	out = db_int(s, 0);
	db_end(s);
	db_read_end(f.svc.db, c);
	return out;
}

/* The best job of all queues by what is promised, plainly; 0: none. */
static int64_t
plainly_best(const char *agent, const char *client)
{
	return number(
	    "SELECT coalesce((SELECT seq FROM job WHERE state = 'waiting' "
	    "AND ready = 1 AND secrets <= $2 AND NOT EXISTS (SELECT 1 FROM "
	    "job_exclude WHERE job = seq AND agent = $1) "
	    "ORDER BY priority DESC, seq LIMIT 1), 0)",
	    agent, client != NULL);
}

Test(best, hands_out_the_best_that_the_agent_may_have_always)
{
	static const char *const queues[] = {"q0", "q1"};
	static const char *const agents[] = {"a", "b", "c", "d"};
	static const char *const clients[] = {NULL, NULL, "client"};
	struct handout_ask ask = {queues, 2, NULL, NULL, NULL};
	int64_t want;
	struct job job;
	size_t i, taken = 0, none = 0;
	enum err e;

	given_a_mix();
	for (i = 0; none < 12; i++) {
		ask.agent = agents[i % 4];
		ask.client = clients[i % 3];
		want = plainly_best(ask.agent, ask.client);
		e = handout_take(&f.svc, f.arena, &ask, &job);
		if (want == 0) {
			cr_assert_eq(e, ERR_NOTFOUND);
			none++;
			continue;
		}
		none = 0;
		taken++;
		cr_assert_eq(e, ERR_OK, "job %lld is there", (long long)want);
		cr_assert_eq(fixture_number(&f,
				 "SELECT seq FROM job WHERE state = 'running'"),
		    want);
		/* Done with, so that the next question is for the next one. */
		fixture_sql(&f,
		    "UPDATE job SET state = 'complete', ended_at = 1 "
		    "WHERE state = 'running'");
	}
	cr_expect_gt(taken, 700);
}

#define ASKERS 4

/* Of the waiting jobs of the queue q0 each in turn goes to the first of those who ask, as is
 * promised, plainly: whom there is a job for. */
static void
choose_plainly(struct eligible_asker *askers, size_t most)
{
	static const char *const nth =
	    "SELECT coalesce((SELECT secrets + EXISTS (SELECT 1 FROM "
	    "job_exclude WHERE agent = $1 AND job = seq) * 2 FROM job WHERE "
	    "state = 'waiting' AND ready = 1 AND queue = 'q0' "
	    "ORDER BY priority DESC, seq LIMIT 1 OFFSET $2), 9)";
	int64_t after, job;
	size_t i;

	for (after = 0; most > 0; after++) {
		for (i = 0; i < ASKERS; i++) {
			job = number(nth, askers[i].agent, after);
			if (job == 9)
				return;
			if (askers[i].chosen || job > askers[i].verified)
				continue;
			askers[i].chosen = true;
			most--;
			break;
		}
	}
}

Test(best, chooses_whom_a_walk_over_all_jobs_would)
{
	static const char *const agents[ASKERS] = {"a", "b", "c", "a"};
	struct eligible_asker want[ASKERS], have[ASKERS];
	unsigned round, verified;
	size_t i;
	enum err e;

	given_a_mix();
	for (round = 0; round < 160; round++) {
		verified = round % (1 << ASKERS);
		for (i = 0; i < ASKERS; i++)
			want[i] = have[i] = (struct eligible_asker){
			    .agent = agents[(i + round) % ASKERS],
			    .verified = (verified >> i & 1) != 0};
		choose_plainly(want, 1 + round % ASKERS);
		e = eligible_choose(
		    &f.svc, "q0", have, ASKERS, 1 + round % ASKERS);
		cr_assert(e == ERR_OK || e == ERR_NOTFOUND);
		for (i = 0; i < ASKERS; i++)
			cr_assert_eq(have[i].chosen, want[i].chosen,
			    "round %u, asker %zu", round, i);
		/* The first ones go, until hardly any is left. */
		fixture_sql(&f,
		    "UPDATE job SET state = 'complete', ended_at = 1 "
		    "WHERE seq IN (SELECT seq FROM job WHERE queue = 'q0' AND "
		    "state = 'waiting' AND ready = 1 "
		    "ORDER BY seq % 7 = 0, priority DESC, seq LIMIT 3)");
	}
}

/* Queues of which the job at the front is not the one that it should be. */
static int64_t
wrong_fronts(void)
{
	return fixture_number(&f,
	    "SELECT count(*) FROM (SELECT queue FROM job UNION "
	    "SELECT queue FROM queue_front) q WHERE "
	    "(SELECT priority || ':' || seq FROM queue_front f "
	    "WHERE f.queue = q.queue) IS NOT "
	    "(SELECT priority || ':' || seq FROM job j WHERE " BEST_PLAIN
	    " AND j.queue = q.queue ORDER BY priority DESC, seq LIMIT 1)");
}

/* Whatever is changed of a job, whose number comes behind it.  Jobs come back, and change in what none does. */
static const char *const changes[] = {
    "UPDATE job SET state = 'running' WHERE seq = ",
    "UPDATE job SET state = 'cancelled', ended_at = 1 WHERE seq = ",
    "UPDATE job SET state = 'waiting', ended_at = NULL WHERE seq = ",
    "UPDATE job SET ready = 1 - ready WHERE seq = ",
    "UPDATE job SET secrets = 1 - secrets WHERE seq = ",
    "UPDATE job SET excludes = 'x' WHERE seq = ",
    "UPDATE job SET excludes = '' WHERE seq = ",
    "UPDATE job SET priority = priority - 3 WHERE seq = ",
    "UPDATE job SET priority = priority + 2 WHERE seq = ",
    "UPDATE job SET queue = 'q0' WHERE seq = ",
    "DELETE FROM job WHERE seq = ",
    ("UPDATE job SET state = 'running' WHERE seq IN "
     "(SELECT seq FROM queue_front) AND 0 < "),
};

Test(best, knows_the_front_of_each_queue_after_each_change)
{
	const size_t n = sizeof(changes) / sizeof(*changes);
	uint32_t r = 12345;
	char text[256];
	unsigned i;

	given_a_mix();
	cr_assert_eq(wrong_fronts(), 0);
	for (i = 0; i < 1500; i++) {
		r = r * 1103515245 + 12345;
		(void)snprintf(text, sizeof(text), "%s%u",
		    changes[(r >> 8) % n], (unsigned)((r >> 16) % 60 + 1));
		fixture_sql(&f, text);
		cr_assert_eq(wrong_fronts(), 0, "%s", text);
	}
	cr_expect_gt(fixture_number(&f, "SELECT count(*) FROM queue_front"), 0);
}

Test(best, calls_the_same_agents_the_same_in_any_order)
{
	const char *one[] = {"b", "a", "b"}, *two[] = {"a", "b"};
	const char *run[] = {"ab"}, *none[] = {"x"};
	char word[4][BEST_WORD_SIZE];

	best_word(one, 3, word[0]);
	best_word(two, 2, word[1]);
	best_word(run, 1, word[2]);
	best_word(none, 0, word[3]);
	cr_expect_str_eq(word[0], word[1]);
	cr_expect_str_neq(word[1], word[2]);
	cr_expect_str_eq(word[3], "");
}

Test(best, refuses_more_lists_than_may_wait_in_a_queue)
{
	cr_assert_eq(submit("\"a\""), JOB_OK);
	fixture_sql(&f,
	    "WITH RECURSIVE t (v) AS (SELECT 2 UNION ALL SELECT v + 1 FROM t "
	    "WHERE v < 500) INSERT INTO job (id, queue, priority, state, "
	    "seed, ready, body, created_at, result_file, secrets, excludes) "
	    "SELECT 'j' || v, 'q', v, 'waiting', 0, v % 2, '{}', 0, 0, v % 3 = "
	    "0, "
	    "'w' || v FROM t");
	cr_expect_eq(submit("\"b\""), JOB_TOO_MANY_LISTS);
	cr_expect_eq(submit("\"a\",\"a\""), JOB_OK);
	cr_expect_eq(submit(""), JOB_OK);
	cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM job"), 502);
	fixture_sql(&f,
	    "UPDATE job SET state = 'complete', ended_at = 1 WHERE id = 'j7'");
	cr_expect_eq(submit("\"b\""), JOB_OK);
}

static enum err
eighth_version_rows(struct db_conn *c, void *arg)
{
	static const char *const rows[] = {
	    "INSERT INTO job (id, queue, priority, state, seed, ready, body, "
	    "created_at, result_file) "
	    "VALUES ('7be00000-0000-4000-8000-00000000000a', 'q', 0, "
	    "'waiting', 0, 1, '{}', 1, 0)",
	    "INSERT INTO job_exclude (job, agent) SELECT seq, 'a' FROM job",
	    "INSERT INTO job (id, queue, priority, state, seed, ready, body, "
	    "created_at, result_file) SELECT id || 1, queue, 0, 'running', 0, "
	    "1, '{}', 1, 0 FROM job UNION ALL SELECT id || 2, 'r', 0, "
	    "'waiting', 0, 1, '{}', 1, 0 FROM job UNION ALL SELECT id || 3, "
	    "'r', 1, 'waiting', 0, 1, '{}', 1, 0 FROM job",
	};
	enum err e = ERR_OK;
	size_t i;

	(void)arg;
	for (i = 0; e == ERR_OK && i < sizeof(rows) / sizeof(*rows); i++)
		e = db_exec(c, NULL, rows[i], "");
	return e;
}

Test(best, keeps_what_excludes_from_before_it_was_told_apart)
{
	const struct db_schema eighth = {8, model_schema.steps};
	struct db_options o = {
	    .schema = &eighth, .readers = 1, .wait_ms = 5000};
	char dir[64], uri[128];
	struct job job;

	fixture_mkdir(dir);
	(void)snprintf(uri, sizeof(uri), "sqlite:%s/state.db", dir);
	o.uri = uri;
	db_close(f.svc.db);
	cr_assert_eq(db_open(&f.svc.db, &o), ERR_OK);
	cr_assert_eq(db_write(f.svc.db, eighth_version_rows, NULL), ERR_OK);
	db_close(f.svc.db);
	o.schema = &model_schema;
	cr_assert_eq(db_open(&f.svc.db, &o), ERR_OK);
	cr_expect_eq(fixture_take(&f, "q", "a", &job), ERR_NOTFOUND);
	cr_expect_eq(fixture_take(&f, "q", "b", &job), ERR_OK);
	cr_expect_eq(wrong_fronts(), 0);
	cr_expect_eq(fixture_number(&f, "SELECT priority FROM queue_front"), 1);
	fixture_rmdir(dir);
}
