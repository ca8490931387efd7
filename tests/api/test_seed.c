/* The document the system began as, and what a seed job is (design of the open
 * mode: no token, no section called ..._data). */

#include <criterion/criterion.h>
#include <string.h>

#include "api.h"

static const char *
given_seed_job(const char *queue)
{
	return given_job(
	    fmt("{ \"job_queue\": \"%s\", \"option\":\"foo\" }", queue));
}

Test(test_seed, serves_the_three_requests_as_they_stand)
{
	const char *result = "/v1/result/00000000-0000-0000-0000-000000000000";
	const struct answer *a;

	a = post(
	    "/v1/job", "{ \"job_queue\": \"myqueue\", \"option\":\"foo\" }");
	expect_status(a, 200);
	cr_assert(member(a, "job_id") != NULL, "%s", a->body);
	expect_text(post(result, "{ \"exit_code\": 0, \"output\":\"foo\" }"),
	    200, "OK");
	expect_bytes(
	    get(result), 200, "{ \"exit_code\": 0, \"output\":\"foo\" }");
}

Test(test_seed, shows_nothing_of_a_seed_job_until_a_result_is_posted)
{
	const char *id = given_seed_job(unique("q"));
	const char *path = fmt("/v1/result/%s", id);
	const struct answer *a = get(path);

	expect_status(a, 204);
	cr_assert(a->len == 0);
	expect_text(post(path, "[1.10]"), 200, "OK");
	expect_bytes(get(path), 200, "[1.10]");
}

Test(test_seed, becomes_ordinary_at_the_first_hand_out)
{
	const char *queue = unique("q"), *id = given_seed_job(queue);
	const char *path = fmt("/v1/result/%s", id);

	expect_member(take(unique("a"), queue), "job_id", id);
	expect_json(get(path), 200, "{\"job_state\":\"running\"}");
	expect_text(post(path, "{\"status\":{\"test\":0}}"), 200, "OK");
	expect_json(
	    get(path), 200, "{\"job_state\":\"running\",\"test_status\":0}");
}

/* The bytes are whoever's that posted them; the job tells beside them. */
static void
expect_cancelled(const char *id, const char *result)
{
	const char *path = fmt("/v1/result/%s", id);
	const struct answer *a;

	expect_text(post(path, result), 200, "OK");
	a = get(path);
	expect_bytes(a, 200, result);
	expect_header(a, "Job-State", "cancelled");
	expect_header(a, "X-Content-Type-Options", "nosniff");
	expect_header(a, "Content-Type", "application/json");
	expect_member(
	    get(fmt("/v1/job/%s/explain", id)), "job_state", "cancelled");
}

Test(test_seed, leaves_a_cancelled_job_cancelled_whatever_comes_late)
{
	static char big[200001];
	const char *id = given_seed_job(unique("q")), *other;
	const char *path = fmt("/v1/result/%s", id);

	expect_text(
	    post(fmt("/v1/job/%s/action", id), "{\"action\":\"cancel\"}"), 200,
	    "OK");
	expect_cancelled(id, "{ \"exit_code\": 0, \"output\":\"foo\" }");
	expect_cancelled(id, "[{\"job_state\":\"complete\"}]");
	/* One that nginx sends. */
	memset(big, '1', sizeof(big) - 1);
	expect_cancelled(id, big);
	expect_header(call("GET", path, "Range: bytes=0-1", NULL), "Job-State",
	    "cancelled");
	/* No other result carries it. */
	other = fmt("/v1/result/%s", given_seed_job(unique("q")));
	expect_text(post(other, big), 200, "OK");
	cr_expect_null(header(get(other), "Job-State"));
	expect_text(post(other, "1"), 200, "OK");
	cr_expect_null(header(get(other), "Job-State"));
}

Test(test_seed, becomes_ordinary_when_it_is_cancelled)
{
	const char *queue = unique("q"), *id = given_seed_job(queue);

	expect_text(
	    post(fmt("/v1/job/%s/action", id), "{\"action\":\"cancel\"}"), 200,
	    "OK");
	expect_json(get(fmt("/v1/result/%s", id)), 200,
	    "{\"job_state\":\"cancelled\"}");
	expect_status(take(unique("a"), queue), 204);
}

Test(test_seed, is_not_handed_out_after_its_result)
{
	static const char *const results[] = {"{\"exit_code\":0}", "5",
	    "{\"job_state\":\"complete\"}",
	    "{\"job_state\":\"cancelled\",\"x\":1}",
	    /* A posted result ends the job, whatever it says. */
	    "{\"job_state\":\"waiting\"}",
	    "{\"job_state\":\"waiting\",\"x\":[]}"};
	const char *queue, *id, *path;
	size_t i;

	for (i = 0; i < sizeof(results) / sizeof(results[0]); i++) {
		queue = unique("q");
		id = given_seed_job(queue);
		path = fmt("/v1/result/%s", id);
		expect_text(post(path, results[i]), 200, "OK");
		expect_bytes(get(path), 200, results[i]);
		expect_status(take(unique("a"), queue), 204);
		expect_text(post(fmt("/v1/job/%s/action", id),
				"{\"action\":\"cancel\"}"),
		    400, "The job is already completed or cancelled");
	}
}

Test(test_seed, gives_a_result_back_as_posted_whatever_its_fields)
{
	/* Faults of today's fields are none in a seed result. */
	const char *body = "{ \"status\": \"ok\", \"job_state\" : 5 }";
	const char *path = fmt("/v1/result/%s", given_seed_job(unique("q")));

	expect_text(post(path, body), 200, "OK");
	expect_bytes(get(path), 200, body);
	expect_text(post(path, "{\"status\":{\"test\":0}}"), 200, "OK");
	expect_bytes(get(path), 200, "{\"status\":{\"test\":0}}");
}

Test(test_seed, is_no_seed_job_with_a_data_section)
{
	const char *id = given_job(
	    fmt("{\"job_queue\":\"%s\",\"my_data\":{\"a\":1}}", unique("q")));

	expect_json(
	    get(fmt("/v1/result/%s", id)), 200, "{\"job_state\":\"waiting\"}");
}

Test(test_seed, gives_way_to_a_job_that_comes_under_its_id)
{
	const char *id = new_id(), *path = fmt("/v1/result/%s", id);

	expect_text(post(path, "{\"old\":1}"), 200, "OK");
	(void)given_job(fmt("{\"job_queue\":\"%s\",\"job_id\":\"%s\","
			    "\"test_data\":{}}",
	    unique("q"), id));
	expect_json(get(path), 200, "{\"job_state\":\"waiting\"}");
}

Test(test_seed, shows_nothing_of_a_former_run)
{
	const char *id = new_id(), *path = fmt("/v1/result/%s", id);
	const char *body =
	    fmt("{\"job_queue\":\"%s\",\"job_id\":\"%s\",\"run\":", unique("q"),
		id);

	(void)given_job(fmt("%s1}", body));
	expect_text(post(path, "{\"old\":1}"), 200, "OK");
	(void)given_job(fmt("%s2}", body));
	expect_status(get(path), 204);
}
