/* A poll that found nothing costs no read until something was committed, and misses nothing. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "fixture.h"
#include "schema.h"

static struct fixture f;
static struct db *narrow;
static struct svc svc; /* the server, with one reading connection */

static void
setup(void)
{
	char uri[128];
	struct db_options o = {uri, &model_schema, 1, 5000, true};

	fixture_open(&f, "");
	(void)snprintf(uri, sizeof(uri), "sqlite:%s/state.db", f.dir);
	cr_assert_eq(db_open(&narrow, &o), ERR_OK);
	svc = f.svc;
	svc.db = narrow;
}

static void
teardown(void)
{
	db_close(narrow);
	fixture_close(&f);
}

/* One that reads while nobody may waits for ever. */
TestSuite(handout_idle, .init = setup, .fini = teardown, .timeout = 60);

static enum err
polls(const char *const *queues, size_t n, const char *agent,
    const char *client, const char *connection)
{
	const struct handout_ask ask = {
	    (const char **)(uintptr_t)queues, n, agent, client, connection};
	struct job job;

	return handout_take(&svc, f.arena, &ask, &job);
}

static enum err
asks(const char *queue, const char *agent)
{
	return polls(&queue, 1, agent, NULL, NULL);
}

Test(handout_idle, reads_nothing_again_while_nothing_is_committed)
{
	struct db_conn *reader;

	(void)fixture_given(&f, "other");
	cr_expect_eq(asks("q", "a"), ERR_NOTFOUND);
	cr_expect_eq(asks("q", "b"), ERR_NOTFOUND);
	reader = db_read(narrow);
	cr_expect_eq(asks("q", "a"), ERR_NOTFOUND);
	cr_expect_eq(asks("q", "b"), ERR_NOTFOUND);
	db_read_end(narrow, reader);
}

Test(handout_idle, finds_the_job_that_another_process_has_committed_since)
{
	int i;

	for (i = 0; i < 20; i++) {
		cr_expect_eq(asks("q", "a"), ERR_NOTFOUND);
		cr_expect_eq(asks("q", "a"), ERR_NOTFOUND);
		(void)fixture_given(&f, "q");
		cr_expect_eq(asks("q", "a"), ERR_OK);
		fixture_sql(&f, "DELETE FROM job");
	}
}

Test(handout_idle, tells_no_agent_and_no_list_of_queues_for_another)
{
	static const char *const both[] = {"none", "q"};

	(void)fixture_given(&f, "q");
	fixture_sql(&f, "UPDATE job SET excludes = 'x'");
	fixture_sql(&f,
	    "INSERT INTO job_exclude (job, agent) SELECT seq, 'a' FROM job");
	cr_expect_eq(polls(both, 2, "a", NULL, NULL), ERR_NOTFOUND);
	cr_expect_eq(polls(both, 1, "b", NULL, NULL), ERR_NOTFOUND);
	cr_expect_eq(polls(both, 2, "b", NULL, NULL), ERR_OK);
}

Test(handout_idle, tells_nobody_who_is_not_verified_for_one_who_is)
{
	static const char *const queues[] = {"c", "q"};

	(void)fixture_given(&f, "q");
	fixture_sql(&f, "UPDATE job SET secrets = 1");
	cr_expect_eq(polls(queues, 2, "a", NULL, NULL), ERR_NOTFOUND);
	cr_expect_eq(polls(queues, 2, "a", "d", NULL), ERR_OK);
	fixture_sql(&f, "UPDATE job SET state = 'waiting', agent = NULL");
	cr_expect_eq(polls(queues, 2, "a", NULL, NULL), ERR_NOTFOUND);
	cr_expect_eq(polls(queues + 1, 1, "a", "c", NULL), ERR_OK);
}

Test(handout_idle, offers_again_what_may_not_have_arrived)
{
	static const char *const q[] = {"q"};

	(void)fixture_given(&f, "q");
	cr_expect_eq(polls(q, 1, "a", NULL, "1"), ERR_OK);
	cr_expect_eq(polls(q, 1, "a", NULL, "1"), ERR_NOTFOUND);
	cr_expect_eq(polls(q, 1, "a", NULL, "2"), ERR_OK);
}
