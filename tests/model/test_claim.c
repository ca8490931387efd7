/* Claims: who has the job of a message, and who is told that others have it. */

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "cause.h"
#include "clock.h"
#include "explain.h"
#include "fixture.h"
#include "job_list.h"
#include "journal.h"
#include "result.h"

#define NOW INT64_C(1800000000000)

static struct fixture f;
static struct cause cause;

static void
setup(void)
{
	fixture_open(&f, "OFFER_TIMEOUT = 900\nRETURN_GRACE = 600\n");
	clock_set_for_test(NOW);
}

static void
teardown(void)
{
	cause_set(NULL);
	clock_set_for_test(0);
	fixture_close(&f);
}

TestSuite(claim, .init = setup, .fini = teardown);

static struct id
given(const char *more)
{
	struct id id;
	char body[128];

	(void)snprintf(body, sizeof(body), "{\"job_queue\":\"q\"%s}", more);
	cr_assert_eq(fixture_submit(&f, body, &id), JOB_OK);
	return id;
}

static enum claim_verdict
claims_as(struct id id, const char *agent, const char *client, struct job *out)
{
	const struct claim claim = {&id, agent, client};
	enum claim_verdict v;
	enum err e;

	v = handout_claim(&f.svc, f.arena, &claim, out, &e);
	cr_assert_eq(e, ERR_OK);
	return v;
}

static enum claim_verdict
claims(struct id id, const char *agent)
{
	struct job job;

	return claims_as(id, agent, NULL, &job);
}

static enum err
polls(const char *agent, struct job *out)
{
	const char *queue = "q";
	const struct handout_ask ask = {&queue, 1, agent, NULL, NULL};

	return handout_take(&f.svc, f.arena, &ask, out);
}

static void
reports(struct id id, const char *agent, const char *state)
{
	const struct result_report r = {
	    .state = state, .state_len = strlen(state)};

	cause = (struct cause){.agent = agent};
	cause_set(&cause);
	cr_assert_eq(result_report_put(&f.svc, &id, &r), ERR_OK);
	cause_set(NULL);
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

Test(claim, takes_and_starts_a_waiting_job)
{
	struct id id = given(",\"n\":1.10");
	struct job job;

	cr_expect_eq(claims_as(id, "a", NULL, &job), CLAIM_OK);
	cr_expect_str_eq(job.id.text, id.text);
	cr_expect_not_null(strstr(job.body, "\"n\":1.10"));
	cr_expect_eq(job.started_at, NOW);
	cr_expect_str_eq(fixture_job(&f, &id).state, JOB_RUNNING);
	cr_expect_eq(events_of(id, "\"data\":{\"agent\":\"a\",\"attempt\":1},"
				   "\"kind\":\"job.claimed\""),
	    1);
	/* It has waited, as one that is offered. */
	cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM queue_wait"), 1);
}

Test(claim, is_repeated_by_its_agent_until_the_job_ends)
{
	struct id id = given("");
	struct job first, again;

	cr_assert_eq(claims_as(id, "a", NULL, &first), CLAIM_OK);
	clock_set_for_test(NOW + 5000);
	cr_expect_eq(claims_as(id, "a", NULL, &again), CLAIM_OK);
	cr_expect_str_eq(again.body, first.body);
	cr_expect_eq(again.started_at, NOW);
	cr_expect_eq(events_of(id, "job.claimed"), 1);
	cr_expect_eq(events_of(id, "job.started"), 0);
	reports(id, "a", "setup");
	cr_expect_eq(claims(id, "a"), CLAIM_OK);
	cr_expect_str_eq(fixture_job(&f, &id).state, "setup");
	reports(id, "a", "complete");
	cr_expect_eq(claims(id, "a"), CLAIM_ENDED);
}

Test(claim, of_a_job_that_another_has_is_refused)
{
	struct id claimed = given(""), offered;
	struct job job;

	cr_assert_eq(claims(claimed, "a"), CLAIM_OK);
	cr_expect_eq(claims(claimed, "b"), CLAIM_TAKEN);
	/* The same name with another client is another. */
	cr_expect_eq(claims_as(claimed, "a", "lab", &job), CLAIM_TAKEN);
	offered = given("");
	cr_assert_eq(polls("h", &job), ERR_OK);
	cr_assert_str_eq(job.id.text, offered.text);
	cr_expect_eq(claims(offered, "b"), CLAIM_TAKEN);
	cr_expect_eq(
	    fixture_number(&f, "SELECT count(*) FROM job WHERE agent = 'b'"),
	    0);
}

Test(claim, of_a_job_that_has_ended_or_never_was_is_refused)
{
	struct id cancelled = given(""), late = given(""), none;

	cr_assert_eq(job_cancel(&f.svc, &cancelled), ERR_OK);
	cr_expect_eq(claims(cancelled, "a"), CLAIM_ENDED);
	cr_expect_str_eq(fixture_job(&f, &cancelled).state, JOB_CANCELLED);
	fixture_sql(&f,
	    "UPDATE job SET state = 'cancelled', ended_at = 1, late = 1, "
	    "agent = 'a', attempt = 1 WHERE state = 'waiting'");
	cr_expect_eq(claims(late, "a"), CLAIM_ENDED);
	id_make(&none);
	cr_expect_eq(claims(none, "a"), CLAIM_NO_JOB);
}

static void
expect_explained(struct id id, const char *what)
{
	const char *json;
	size_t len;

	cr_assert_eq(explain_job(&f.svc, f.arena, &id, &json, &len), ERR_OK);
	cr_expect_not_null(strstr(json, what), "%s", json);
}

/* A state is any string.  One that goes on behind a NUL is no other. */
Test(claim, of_a_job_whose_state_only_begins_like_waiting_is_refused)
{
	static const char state[] = "waiting\0x";
	const struct result_report r = {
	    .state = state, .state_len = sizeof(state) - 1};
	struct job_list list = {.queue = "q"};
	const char *waiting = JOB_WAITING;
	struct id id = given("");
	struct buf b;

	cr_assert_eq(claims(id, "a"), CLAIM_OK);
	cr_assert_eq(result_report_put(&f.svc, &id, &r), ERR_OK);
	cr_expect_eq(claims(id, "b"), CLAIM_TAKEN);
	cr_expect_eq(claims(id, "a"), CLAIM_OK);
	cr_expect_eq(events_of(id, "job.claimed"), 1);
	expect_explained(id, "\"job_state\":\"waiting\\u0000x\"");
	expect_explained(id, "\"code\":\"running\"");
	list.states = &waiting;
	list.n_states = 1;
	buf_init(&b, f.arena, 256);
	cr_assert_eq(job_list_page(&f.svc, &list, &b), ERR_OK);
	cr_expect_eq(list.n, 0);
}

Test(claim, is_never_offered_again)
{
	struct id id = given("");
	struct job job;
	int64_t n;

	cr_assert_eq(claims(id, "a"), CLAIM_OK);
	clock_set_for_test(NOW + INT64_C(86400) * 1000);
	cr_assert_eq(handout_sweep(&f.svc, &n), ERR_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(polls("b", &job), ERR_NOTFOUND);
	cr_expect_str_eq(fixture_job(&f, &id).state, JOB_RUNNING);
}

Test(claim, is_the_sign_of_a_job_that_was_offered_over_http)
{
	struct id id = given("");
	struct job job;

	cr_assert_eq(polls("a", &job), ERR_OK);
	cr_expect_eq(claims(id, "a"), CLAIM_OK);
	cr_expect_eq(events_of(id, "job.started"), 1);
	cr_expect_eq(polls("a", &job), ERR_NOTFOUND);
	/* The poll says that it has none, the claim that it has. */
	cr_expect_eq(events_of(id, "job.agent_returned"), 1);
	cr_expect_eq(claims(id, "a"), CLAIM_OK);
	cr_expect_eq(events_of(id, "job.continued"), 1);
	cr_expect_eq(fixture_number(
			 &f, "SELECT count(*) FROM job WHERE returned_at > 0"),
	    0);
}

Test(claim, leaves_what_the_agent_has_in_hand_else)
{
	struct id offered = given(""), first, second;
	struct job job;

	cr_assert_eq(polls("a", &job), ERR_OK);
	first = given("");
	second = given("");
	cr_expect_eq(claims(first, "a"), CLAIM_OK);
	cr_expect_eq(claims(second, "a"), CLAIM_OK);
	cr_expect_eq(
	    fixture_number(&f, "SELECT count(*) FROM job WHERE agent = 'a' "
			       "AND state = 'running' AND returned_at IS NULL"),
	    3);
	cr_assert_eq(polls("a", &job), ERR_OK);
	cr_expect_str_eq(job.id.text, offered.text);
}

Test(claim, is_refused_to_whom_the_job_would_not_be_offered)
{
	struct id excluding = given(""), unready, secret, restricted;
	struct job job;

	fixture_sql(&f, "INSERT INTO job_exclude (job, agent) "
			"SELECT seq, 'bad' FROM job");
	cr_expect_eq(claims(excluding, "bad"), CLAIM_EXCLUDED);
	cr_expect_str_eq(fixture_job(&f, &excluding).state, JOB_WAITING);
	cr_expect_eq(claims(excluding, "good"), CLAIM_OK);
	unready = given("");
	fixture_sql(&f, "UPDATE job SET ready = 0 WHERE state = 'waiting'");
	cr_expect_eq(claims(unready, "a"), CLAIM_NOT_READY);
	cr_assert_eq(job_cancel(&f.svc, &unready), ERR_OK);
	secret = given("");
	fixture_sql(&f, "UPDATE job SET secrets = 1 WHERE state = 'waiting'");
	cr_expect_eq(claims(secret, "a"), CLAIM_NEEDS_LOGIN);
	cr_expect_eq(claims_as(secret, "a", "lab", &job), CLAIM_OK);
	restricted = given("");
	fixture_sql(&f, "UPDATE queue SET restricted = 1");
	cr_expect_eq(claims(restricted, "a"), CLAIM_NEEDS_LOGIN);
	cr_expect_eq(claims_as(restricted, "a", "lab", &job), CLAIM_OK);
}

/* A claim whose answer is lost is told the same again; the next sign spends. */
Test(claim, leaves_ephemeral_secrets_to_the_next_sign)
{
	struct id id =
	    given(",\"test_data\":{},\"x\":{\"secrets\":{\"A\":\"p\"}}");
	struct job job;

	fixture_sql(&f, "UPDATE job SET secrets = 1, client_id = 'c', body = "
			"'{\"test_data\":{\"secrets\":{\"A\":\"p\"}}}'");
	fixture_sql(&f, "INSERT INTO secret (client, path, value, ephemeral, "
			"updated_at) VALUES ('c', 'p', 'v', 1, 0)");
	cr_assert_eq(claims_as(id, "a", "lab", &job), CLAIM_OK);
	cr_expect_str_eq(job.client_id, "c");
	cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM secret"), 1);
	cr_assert_eq(claims_as(id, "a", "lab", &job), CLAIM_OK);
	cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM secret"), 1);
	cause = (struct cause){.agent = "a"};
	cause_set(&cause);
	cr_assert_eq(handout_note_sign(&f.svc, &id), ERR_OK);
	cr_expect_eq(fixture_number(&f, "SELECT count(*) FROM secret"), 0);
}

Test(claim, shows_a_seed_job_like_any_other_from_then_on)
{
	struct id id = given("");

	cr_assert(fixture_job(&f, &id).seed);
	cr_assert_eq(claims(id, "a"), CLAIM_OK);
	cr_expect_not(fixture_job(&f, &id).seed);
}

#define RIVALS 8

struct rival {
	pthread_t thread;
	struct id id;
	char name[16];
	bool has;
};

static void *
rival_claims(void *arg)
{
	struct rival *r = arg;
	const struct claim claim = {&r->id, r->name, NULL};
	struct arena *a = arena_new();
	struct job job;
	enum err e;

	r->has = handout_claim(&f.svc, a, &claim, &job, &e) == CLAIM_OK;
	arena_free(a);
	return NULL;
}

Test(claim, of_many_at_once_is_one_agents)
{
	struct rival rivals[RIVALS];
	struct id id = given("");
	unsigned i, n = 0;

	for (i = 0; i < RIVALS; i++) {
		rivals[i].id = id;
		(void)snprintf(
		    rivals[i].name, sizeof(rivals[i].name), "r%u", i);
		cr_assert_eq(pthread_create(&rivals[i].thread, NULL,
				 rival_claims, &rivals[i]),
		    0);
	}
	for (i = 0; i < RIVALS; i++) {
		(void)pthread_join(rivals[i].thread, NULL);
		n += rivals[i].has;
	}
	cr_expect_eq(n, 1);
	cr_expect_eq(events_of(id, "job.claimed"), 1);
}
