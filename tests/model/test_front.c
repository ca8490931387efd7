/* Fronts of queues that were spoilt by hand are found and set anew. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "best.h"
#include "fixture.h"
#include "front.h"

static struct fixture f;

static void
setup(void)
{
	fixture_open(&f, "");
}

static void
teardown(void)
{
	fixture_close(&f);
}

TestSuite(front, .init = setup, .fini = teardown);

/* One walk along all queues; how many looks it takes. */
static int
walk(void)
{
	char after[NAME_LEN_MAX + 1] = "";
	int looks = 1;
	enum err e;

	while ((e = front_look(&f.svc, after)) == ERR_OK)
		looks++;
	cr_assert_eq(e, ERR_NOTFOUND);
	return looks;
}

static void
given_many(int queues, int each)
{
	char text[512];

	(void)snprintf(text, sizeof(text),
	    "WITH RECURSIVE t (v) AS (SELECT 0 UNION ALL SELECT v + 1 FROM t "
	    "WHERE v + 1 < %d) INSERT INTO job (id, queue, priority, state, "
	    "seed, ready, body, created_at, result_file) "
	    "SELECT 'j' || v, 'q' || (v / %d), v %% 7, 'waiting', 0, 1, '{}', "
	    "0, 0 FROM t",
	    queues * each, each);
	fixture_sql(&f, text);
}

static int64_t
right_fronts(void)
{
	return fixture_number(&f,
	    "SELECT count(*) FROM queue_front AS f WHERE seq = "
	    "(SELECT seq FROM job WHERE " BEST_PLAIN " AND queue = f.queue "
	    "ORDER BY priority DESC, seq LIMIT 1) AND "
	    "priority = (SELECT priority FROM job WHERE seq = f.seq)");
}

Test(front, comes_back_when_its_row_was_removed)
{
	struct id id = fixture_given(&f, "a");
	struct job job;

	(void)fixture_given(&f, "b");
	fixture_sql(&f, "DELETE FROM queue_front WHERE queue = 'a'");
	cr_assert_eq(fixture_take(&f, "a", "one", &job), ERR_NOTFOUND);
	(void)walk();
	cr_assert_eq(fixture_take(&f, "a", "one", &job), ERR_OK);
	cr_expect_str_eq(job.id.text, id.text);
	cr_expect_eq(fixture_take(&f, "b", "two", &job), ERR_OK);
}

/* The job that it names waits, but not as the first; or has another priority. */
Test(front, is_set_anew_where_it_is_wrong)
{
	given_many(3, 20);
	fixture_sql(&f,
	    "UPDATE queue_front SET priority = 0, seq = (SELECT max(seq) FROM "
	    "job WHERE queue = 'q1') WHERE queue = 'q1'");
	fixture_sql(
	    &f, "UPDATE queue_front SET priority = 99 WHERE queue = 'q2'");
	cr_assert_eq(right_fronts(), 1);
	(void)walk();
	cr_expect_eq(right_fronts(), 3);
}

/* Of many spoilt ones each is mended in one walk, some queues at a time. */
Test(front, is_found_among_many_queues_some_at_a_time)
{
	given_many(2 * FRONT_QUEUES + 50, 3);
	fixture_sql(&f, "DELETE FROM queue_front WHERE queue LIKE '%5'");
	cr_expect_eq(walk(), 3);
	cr_expect_eq(right_fronts(), 2 * FRONT_QUEUES + 50);
}

/* Nothing is written, and jobs that nobody or not anybody may have need none. */
Test(front, that_is_right_costs_no_change)
{
	fixture_sql(&f,
	    "INSERT INTO job (id, queue, priority, state, seed, ready, body, "
	    "created_at, result_file, excludes, ended_at) VALUES "
	    "('a', 'a', 0, 'waiting', 0, 0, '{}', 0, 0, '', NULL), "
	    "('b', 'b', 0, 'waiting', 0, 1, '{}', 0, 0, 'x', NULL), "
	    "('c', 'c', 0, 'complete', 0, 1, '{}', 0, 0, '', 1)");
	given_many(5, 5);
	fixture_sql(&f, "CREATE TRIGGER no_change BEFORE DELETE ON queue_front "
			"BEGIN SELECT raise(ABORT, 'a change'); END");
	cr_expect_eq(walk(), 1);
	cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM queue_front"), 5);
}
