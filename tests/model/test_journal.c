/* The journal: what happened, in order, and by whom. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "cause.h"
#include "client.h"
#include "clock.h"
#include "fixture.h"
#include "journal.h"
#include "restricted.h"

#define NOW INT64_C(1800000000000)

static struct fixture f;

static void
setup(void)
{
	fixture_open(&f, "EVENT_MAX_AGE = 60\n");
	clock_set_for_test(NOW);
}

static void
teardown(void)
{
	cause_set(NULL);
	clock_set_for_test(0);
	fixture_close(&f);
}

TestSuite(journal, .init = setup, .fini = teardown);

static enum err
add(struct db_conn *c, void *arg)
{
	const struct journal_item items[] = {
	    {"t", "a\"b", 0, 0}, {"n", NULL, -5, 0}};

	return journal_add(c, "agent.state", arg, items, 2);
}

static void
given(const char *subject)
{
	cr_assert_eq(
	    db_write(f.svc.db, add, (void *)(uintptr_t)subject), ERR_OK);
}

static const char *
told(struct journal_query q)
{
	const char *json;
	size_t len;

	if (q.limit == 0)
		q.limit = 100;
	cr_assert_eq(journal_read(&f.svc, f.arena, &q, &json, &len), ERR_OK);
	return json;
}

Test(journal, tells_what_happened_in_order)
{
	const struct cause by = {
	    .request_id = "r", .client = "c", .agent = "g"};

	cause_set(&by);
	given("s1");
	cause_set(NULL);
	given("s2");
	cr_expect_str_eq(told((struct journal_query){.who = true}),
	    "{\"events\":[{\"agent\":\"g\",\"at\":\"2027-01-15T08:00:00Z\","
	    "\"client\":\"c\",\"data\":{\"t\":\"a\\\"b\",\"n\":-5},"
	    "\"kind\":\"agent.state\",\"n\":1,\"request_id\":\"r\",\"subject\":"
	    "\"s1\"},"
	    "{\"at\":\"2027-01-15T08:00:00Z\","
	    "\"data\":{\"t\":\"a\\\"b\",\"n\":-5},\"kind\":\"agent.state\","
	    "\"n\":2,"
	    "\"subject\":\"s2\"}],\"last\":2}\n");
	cr_expect_null(strstr(told((struct journal_query){0}), "client"));
	cr_expect_null(strstr(told((struct journal_query){0}), "request_id"));
}

#define ID "7be00000-0000-4000-8000-00000000000a"
#define DENSE                                                                  \
	"7BE000000000400080000000"                                             \
	"0000000A"

static enum err
add_job(struct db_conn *c, void *arg)
{
	return journal_add(c, "job.ready", arg, NULL, 0);
}

static void
given_of_job(const char *id)
{
	cr_assert_eq(
	    db_write(f.svc.db, add_job, (void *)(uintptr_t)id), ERR_OK);
}

static unsigned
events_of(const char *subject, int64_t after, int64_t limit)
{
	const char *at = told((struct journal_query){
	    .subject = subject, .after = after, .limit = limit});
	unsigned n = 0;

	while ((at = strstr(at, "\"kind\"")) != NULL) {
		at++;
		n++;
	}
	return n;
}

Test(journal, knows_a_job_by_each_spelling_of_its_id)
{
	given_of_job(ID);
	given("other");
	given_of_job(ID);
	cr_expect_eq(events_of(ID, 0, 0), 2);
	cr_expect_eq(
	    events_of("7BE00000-0000-4000-8000-00000000000A", 0, 0), 2);
	cr_expect_eq(events_of("urn:uuid:{" DENSE "}", 0, 0), 2);
	cr_expect_eq(events_of(DENSE, 1, 0), 1);
	cr_expect_eq(events_of(DENSE, 0, 1), 1);
	cr_expect_eq(events_of(DENSE "b", 0, 0), 0);
}

Test(journal, takes_no_name_for_another_that_is_the_same_id)
{
	given(ID);
	given(DENSE);
	cr_expect_eq(events_of(ID, 0, 0), 1);
	cr_expect_eq(events_of(DENSE, 0, 0), 1);
	/* Both in the order of their numbers, where a job has the id too. */
	given_of_job(ID);
	given(DENSE);
	cr_expect_eq(events_of(DENSE, 0, 0), 3);
	cr_expect_not_null(
	    strstr(told((struct journal_query){.subject = DENSE, .after = 2}),
		"{\"events\":[{\"at\":\"2027-01-15T08:00:00Z\","
		"\"kind\":\"job.ready\",\"n\":3,"));
}

Test(journal, goes_on_from_where_a_reader_was)
{
	int i;

	for (i = 0; i < 5; i++)
		given(i % 2 == 0 ? "even" : "odd");
	cr_expect_not_null(
	    strstr(told((struct journal_query){.after = 1, .limit = 2}),
		"\"last\":3"));
	cr_expect_str_eq(told((struct journal_query){.after = 5}),
	    "{\"events\":[],\"last\":5}\n");
	cr_expect_not_null(strstr(
	    told((struct journal_query){.subject = "odd"}), "\"last\":4"));
}

static unsigned
events_of_kinds(const char *subject, const char *kinds, int64_t after)
{
	const char *at = told((struct journal_query){
	    .subject = subject, .kinds = journal_kinds(kinds), .after = after});
	unsigned n = 0;

	while ((at = strstr(at, "\"kind\"")) != NULL) {
		at++;
		n++;
	}
	return n;
}

Test(journal, tells_of_some_kinds_alone)
{
	const char *json;

	given_of_job(ID);
	given("a");
	given_of_job(ID);
	given("a");
	cr_expect_eq(events_of_kinds(NULL, "job.ready", 0), 2);
	cr_expect_eq(events_of_kinds(NULL, "job.", 1), 1);
	cr_expect_eq(events_of_kinds(NULL, "agent.", 0), 2);
	cr_expect_eq(events_of_kinds(NULL, "agent.created", 0), 0);
	cr_expect_eq(events_of_kinds("a", "agent.", 0), 2);
	cr_expect_eq(events_of_kinds("a", "job.", 0), 0);
	cr_expect_eq(events_of_kinds(DENSE, "job.", 0), 2);
	/* It goes on behind what was looked at, or where the limit was met. */
	json = told((struct journal_query){.kinds = journal_kinds("job.")});
	cr_expect_not_null(strstr(json, "\"last\":4"), "%s", json);
	json = told(
	    (struct journal_query){.kinds = journal_kinds("job."), .limit = 1});
	cr_expect_not_null(strstr(json, "\"last\":1"), "%s", json);
	json = told((struct journal_query){
	    .kinds = journal_kinds("job."), .after = 600});
	cr_expect_str_eq(json, "{\"events\":[],\"last\":4}\n");
}

Test(journal, knows_kinds_by_their_names_and_what_they_begin_with)
{
	static const char *const strange[] = {"", ".", "job", "job.x",
	    "job.read", "Job.ready", "job.ready.", "x."};
	size_t i;

	for (i = 0; i < sizeof(strange) / sizeof(*strange); i++)
		cr_expect_eq(journal_kinds(strange[i]), 0, "%s", strange[i]);
	cr_expect_neq(journal_kinds("job.ready"), 0);
	cr_expect_eq(journal_kinds("job.") & journal_kinds("agent."), 0);
	cr_expect_eq(journal_kinds("job.") & journal_kinds("job.ready"),
	    journal_kinds("job.ready"));
}

/* However rare they are in a long journal, and of whatever the reader may not see. */
Test(journal, looks_at_so_many_events_for_some_kinds_and_no_more)
{
	static const char rows[] =
	    "WITH RECURSIVE t (v) AS (SELECT 1 UNION ALL SELECT v + 1 FROM t "
	    "WHERE v < 25000) INSERT INTO journal (at, kind, subject) "
	    "SELECT 0, CASE WHEN v % 2 = 0 THEN 'client.updated' ELSE "
	    "'agent.state' END, CASE WHEN v = 24000 THEN 'b' ELSE 'a' END FROM "
	    "t";
	int64_t at[] = {10000, 20000, 25000, 25000};
	char want[64];
	size_t i;

	fixture_sql(&f, rows);
	for (i = 0; i < 4; i++) {
		(void)snprintf(want, sizeof(want),
		    "{\"events\":[],\"last\":%lld}\n", (long long)at[i]);
		cr_expect_str_eq(
		    told((struct journal_query){.kinds = journal_kinds("job."),
			.after = i == 0 ? 0 : at[i - 1]}),
		    want);
		cr_expect_str_eq(told((struct journal_query){
				     .kinds = journal_kinds("client."),
				     .after = i == 0 ? 0 : at[i - 1]}),
		    want);
	}
	cr_expect_eq(events_of_kinds("b", "client.", 0), 0);
	cr_expect_not_null(strstr(
	    told((struct journal_query){
		.kinds = journal_kinds("client."), .who = true, .limit = 3}),
	    "\"last\":6"));
	cr_expect_not_null(strstr(told((struct journal_query){.subject = "a",
				      .kinds = journal_kinds("job.")}),
	    "\"last\":10000"));
}

/* A backup was restored, and the numbers begin again where it ended. */
Test(journal, brings_a_reader_back_who_is_further_than_it)
{
	given("a");
	given("b");
	cr_expect_str_eq(told((struct journal_query){.after = 600}),
	    "{\"events\":[],\"last\":2}\n");
	cr_expect_str_eq(told((struct journal_query){.after = 2}),
	    "{\"events\":[],\"last\":2}\n");
}

Test(journal, forgets_what_is_old_but_never_its_last_number)
{
	int64_t n;

	given("a");
	given("b");
	clock_set_for_test(NOW + 60000);
	cr_assert_eq(journal_sweep(&f.svc, &n), ERR_OK);
	cr_expect_eq(n, 0);
	clock_set_for_test(NOW + 60001);
	cr_assert_eq(journal_sweep(&f.svc, &n), ERR_OK);
	cr_expect_eq(n, 1);
	given("c");
	cr_expect_not_null(
	    strstr(told((struct journal_query){0}), "\"last\":3"));
}

struct swept {
	enum err e;
	int64_t n;
};

/* On the writer's thread, where another change cannot begin. */
static enum err
sweep_within(struct db_conn *c, void *arg)
{
	struct swept *w = arg;

	(void)c;
	w->e = journal_sweep(&f.svc, &w->n);
	return ERR_OK;
}

Test(journal, leaves_the_writer_alone_while_nothing_is_old)
{
	struct swept w;

	fixture_close(&f);
	fixture_open(&f, "EVENT_MAX_AGE = 60\nSTORE_WAIT_MS = 100\n");
	given("a");
	given("b");
	clock_set_for_test(NOW + 60000);
	cr_assert_eq(db_write(f.svc.db, sweep_within, &w), ERR_OK);
	cr_expect_eq(w.e, ERR_OK);
	/* The newest stays, and is no reason to write. */
	clock_set_for_test(NOW + 60001);
	cr_assert_eq(journal_sweep(&f.svc, &w.n), ERR_OK);
	cr_expect_eq(w.n, 1);
	cr_assert_eq(db_write(f.svc.db, sweep_within, &w), ERR_OK);
	cr_expect_eq(w.e, ERR_OK);
}

Test(journal, has_the_states_of_agents_when_they_change)
{
	struct agent_report r = {.n_log = 0};
	struct journal_query q = {.subject = "g"};
	const char *json;

	r.texts[AGENT_STATE].p = "waiting";
	r.texts[AGENT_STATE].len = 7;
	cr_assert_eq(agent_put(&f.svc, "g", &r), ERR_OK);
	cr_assert_eq(agent_put(&f.svc, "g", &r), ERR_OK);
	r.texts[AGENT_COMMENT].p = "x";
	r.texts[AGENT_COMMENT].len = 1;
	cr_assert_eq(agent_put(&f.svc, "g", &r), ERR_OK);
	json = told(q);
	cr_expect_not_null(strstr(json, "agent.created"));
	cr_expect_null(strstr(json, "agent.state"));
	r.texts[AGENT_STATE].p = "offline";
	cr_assert_eq(agent_put(&f.svc, "g", &r), ERR_OK);
	cr_expect_not_null(strstr(told(q), "agent.state"));
}

Test(journal, has_what_clients_and_queues_are_given)
{
	struct client_change ch = {.secret = "0123456789abcdef",
	    .max_priority = "{\"*\":1}",
	    .role = ROLE_MANAGER};
	const char *role, *json;
	enum err failure;

	cr_assert_eq(client_put(&f.svc, "c", &ch, ROLE_ADMIN, &role, &failure),
	    CLIENT_CREATED);
	cr_assert_eq(
	    restricted_add(&f.svc, "q", "c", true, &failure), RESTRICTED_OK);
	cr_assert_eq(restricted_lift(&f.svc, "q", &failure), RESTRICTED_OK);
	cr_assert_eq(client_remove(&f.svc, "c"), ERR_OK);
	json = told((struct journal_query){.who = true});
	cr_expect_not_null(
	    strstr(json,
		"{\"role\":\"manager\",\"max_priority\":\"{\\\"*\\\":1}\","
		"\"secret\":\"new\"},\"kind\":\"client.created\""),
	    "%s", json);
	cr_expect_not_null(
	    strstr(json, "{\"client\":\"c\"},\"kind\":\"queue.restricted\""));
	cr_expect_not_null(strstr(json, "queue.released"));
	cr_expect_not_null(strstr(json, "client.removed"));
	cr_expect_null(strstr(json, "0123456789abcdef"));
	/* Who does not manage clients is not told of them. */
	json = told((struct journal_query){0});
	cr_expect_null(strstr(json, "client.created"), "%s", json);
	cr_expect_not_null(strstr(json, "queue.restricted"));
	cr_expect_null(
	    strstr(told((struct journal_query){.subject = "c"}), "kind"));
}

Test(journal, cuts_what_is_too_long_between_two_characters)
{
	static char state[2 * 4096 + 2];
	struct agent_report r = {.n_log = 0};
	struct journal_query q = {.subject = "g"};
	size_t i;

	state[0] = 'x';
	for (i = 1; i + 2 < sizeof(state); i += 2)
		memcpy(state + i, "\xc3\xa9", 2);
	r.texts[AGENT_STATE].p = state;
	r.texts[AGENT_STATE].len = sizeof(state) - 1;
	cr_assert_eq(agent_put(&f.svc, "g", &r), ERR_OK);
	cr_expect_null(strstr(told(q), state));
	state[4095] = '\0';
	cr_expect_not_null(strstr(told(q), state));
}
