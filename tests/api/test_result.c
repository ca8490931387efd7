/* POST and GET /v1/result/<id>. */

#include <criterion/criterion.h>
#include <string.h>

#include "api.h"

static const char *
result_path(const char *id)
{
	return fmt("/v1/result/%s", id);
}

/* What was posted for a new id, which nobody knows a job of. */
static void
expect_kept(const char *json)
{
	const char *path = result_path(new_id());

	expect_status(get(path), 204);
	expect_text(post(path, json), 200, "OK");
	expect_bytes(get(path), 200, json);
}

Test(test_result, keeps_any_json_value_byte_for_byte)
{
	static const char *const values[] = {
	    "{ \"exit_code\": 0, \"output\":\"foo\" }",
	    "{\"n\":1.10,\"huge\":1e400,\"big\":18446744073709551616}",
	    "{\"z\":1,\"a\":{\"unknown\" : [ { } , [ ] ]},\"m\":-0}",
	    ("{\"text\":\"Gr\303\266\303\237e \342\230\203 "
	     "\360\237\230\200 \\u00e9 \\/ \\ud83d\\ude00\"}"),
	    "{\"a\":1,\"a\":2}",
	    "[1, 2.50,\tnull]",
	    "\"text\"",
	    "1.10",
	    "true",
	    "null",
	};
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		expect_kept(values[i]);
}

Test(test_result, replaces_the_former_one_whole)
{
	const char *path = result_path(new_id());

	expect_text(post(path, "{\"a\":1,\"b\":2}"), 200, "OK");
	expect_text(post(path, "{\"a\":3}"), 200, "OK");
	expect_bytes(get(path), 200, "{\"a\":3}");
}

Test(test_result, is_found_in_any_spelling_of_the_id)
{
	const char *id = new_id();

	expect_text(
	    post(fmt("/v1/result/%%7B%s%%7D", id), "{\"a\":1}"), 200, "OK");
	expect_bytes(get(result_path(id)), 200, "{\"a\":1}");
	expect_bytes(get(fmt("/v1/result/urn:uuid:%s/", id)), 200, "{\"a\":1}");
	expect_bytes(get(fmt("/v1/result/%.8s%.4s%.4s%.4s%.12s", id, id + 9,
			 id + 14, id + 19, id + 24)),
	    200, "{\"a\":1}");
}

Test(test_result, refuses_what_is_no_id)
{
	const char *id = new_id();
	const char *const bad[] = {"zz", "1", fmt("%s0", id),
	    fmt("0x%s", id + 2), fmt("%%20%s", id + 1), fmt("+%s", id + 1),
	    fmt("%.35s_", id), fmt("%.35s%%EF%%BC%%91", id),
	    "...................................."};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		expect_message(get(fmt("/v1/result/%s", bad[i])), 400,
		    "Invalid job_id specified");
		expect_message(post(fmt("/v1/result/%s", bad[i]), "[1]"), 400,
		    "Invalid job_id specified");
	}
}

Test(test_result, changes_nothing_by_an_empty_body)
{
	const char *id = new_id();

	expect_text(post(result_path(id), NULL), 200, "OK");
	expect_text(post(result_path(id), ""), 200, "OK");
	expect_text(call("POST", result_path(id), NULL, NULL), 200, "OK");
	expect_status(get(result_path(id)), 204);
	expect_text(post(result_path(id), "[1]"), 200, "OK");
	expect_text(post(result_path(id), NULL), 200, "OK");
	expect_bytes(get(result_path(id)), 200, "[1]");
}

Test(test_result, merges_what_an_agent_posts_for_an_ordinary_job)
{
	const char *path = result_path(given_ordinary_job(unique("q")));

	expect_json(get(path), 200, "{\"job_state\":\"waiting\"}");
	expect_text(post(path, "{\"job_state\":\"setup\"}"), 200, "OK");
	expect_text(post(path, "{\"device_info\":{\"ip\" : 1.10}}"), 200, "OK");
	expect_text(
	    post(path, "{\"status\":{\"setup\":0,\"test\":256}}"), 200, "OK");
	expect_json(get(path), 200,
	    "{\"job_state\":\"setup\",\"device_info\":{\"ip\":1.10},"
	    "\"setup_status\":0,\"test_status\":256}");
	expect_text(post(path, "{\"status\":{\"test\":1}}"), 200, "OK");
	expect_text(post(path, "{}"), 200, "OK");
	expect_json(get(path), 200,
	    "{\"job_state\":\"setup\",\"device_info\":{\"ip\":1.10},"
	    "\"test_status\":1}");
	expect_part(get(path), "1.10");
}

Test(test_result, changes_nothing_when_it_is_repeated)
{
	const char *path = result_path(given_ordinary_job(unique("q")));
	const char *body =
	    "{\"job_state\":\"complete\",\"status\":{\"test\":0}}";
	const char *once;

	expect_text(post(path, body), 200, "OK");
	once = get(path)->body;
	expect_text(post(path, body), 200, "OK");
	expect_bytes(get(path), 200, once);
}

Test(test_result, names_the_fault_of_an_agents_field)
{
	const char *path = result_path(given_ordinary_job(unique("q")));
	const char *phases = "Must be one of: setup, provision, "
			     "firmware_update, test, allocate, reserve, "
			     "cleanup.";

	expect_faults(post(path, "{\"status\":{\"foo\":1}}"),
	    fmt("{\"status\":{\"foo\":{\"key\":[\"%s\"]}}}", phases));
	expect_faults(post(path, "{\"status\":{\"test\":\"x\"}}"),
	    "{\"status\":{\"test\":{\"value\":[\"Not a valid integer.\"]}}}");
	expect_faults(post(path, "{\"status\":[]}"),
	    "{\"status\":[\"Not a valid mapping type.\"]}");
	expect_faults(post(path, "{\"device_info\":5,\"job_state\":6}"),
	    "{\"device_info\":[\"Not a valid mapping type.\"],"
	    "\"job_state\":[\"Not a valid string.\"]}");
	expect_faults(post(path, "{\"job_state\":null}"),
	    "{\"job_state\":[\"Field may not be null.\"]}");
	expect_json(get(path), 200, "{\"job_state\":\"waiting\"}");
}

Test(test_result, judges_the_body_before_the_id)
{
	expect_status(post("/v1/result/zz", "{"), 400);
	expect_member(post("/v1/result/zz", "{"), "message", "Bad Request");
	expect_message(post("/v1/result/zz", "{\"a\":1}"), 400,
	    "Invalid job_id specified");
	expect_message(
	    post("/v1/result/zz", NULL), 400, "Invalid job_id specified");
}

Test(test_result, ends_an_ordinary_job_that_gets_a_seed_result)
{
	const char *queue = unique("q"), *id = given_ordinary_job(queue);
	const char *body = "{ \"exit_code\": 1.10, \"output\":\"foo\" }";

	expect_text(post(result_path(id), body), 200, "OK");
	expect_bytes(get(result_path(id)), 200, body);
	expect_status(take(unique("a"), queue), 204);
	expect_text(
	    post(fmt("/v1/job/%s/action", id), "{\"action\":\"cancel\"}"), 400,
	    "The job is already completed or cancelled");
}

Test(test_result, never_sets_a_taken_job_back_to_waiting)
{
	const char *queue = unique("q"), *id = given_ordinary_job(queue);

	expect_status(take(unique("a"), queue), 200);
	expect_text(
	    post(result_path(id), "{\"job_state\":\"waiting\"}"), 200, "OK");
	expect_json(get(result_path(id)), 200, "{\"job_state\":\"running\"}");
	expect_status(take(unique("b"), queue), 204);
}

/* A result just under the limit: one long string. */
Test(test_result, keeps_a_result_of_nearly_16_mib, .timeout = 120)
{
	const size_t max = 16777215, frame = strlen("{\"output\":\"\"}");
	const char *path = result_path(new_id()), *body;

	body = fmt("{\"output\":\"%s\"}", repeat('x', max - frame));
	expect_text(post(path, body), 200, "OK");
	expect_bytes(get(path), 200, body);
	body = fmt("{\"output\":\"%s\"}", repeat('y', max - frame + 1));
	expect_message(post(path, body), 413, "Payload too large");
	expect_part(get(path), "xxx");
}
