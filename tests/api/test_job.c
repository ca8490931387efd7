/* POST /v1/job, GET /v1/job/<id>, POST /v1/job/<id>/action. */

#include <criterion/criterion.h>
#include <ctype.h>
#include <string.h>

#include "api.h"

#define UNPARSED                                                               \
	"\"n\":1.10,\"big\":18446744073709551616,\"huge\":1e400,"              \
	"\"text\":\"Gr\303\266\303\237e \\u00e9 \\/\",\"z\":null,"             \
	"\"a\":{\"z\":[1.0, -0,2E+3],\"b\" : {} }"

Test(test_job, answers_with_a_random_id)
{
	const struct answer *a;
	const char *id;

	a = post("/v1/job", fmt("{\"job_queue\":\"%s\"}", unique("q")));
	expect_status(a, 200);
	expect_header(a, "Content-Type", "application/json");
	id = member(a, "job_id");
	cr_assert(
	    id != NULL && strlen(id) == 36 && id[14] == '4', "%s", a->body);
	expect_json(a, 200, fmt("{\"job_id\":\"%s\"}", id));
}

Test(test_job, keeps_what_it_does_not_know_byte_for_byte)
{
	const char *queue = unique("q"), *id;
	const struct answer *a;

	id = given_job(fmt("{\"job_queue\":\"%s\"," UNPARSED "}", queue));
	a = get(fmt("/v1/job/%s", id));
	expect_status(a, 200);
	expect_part(a, UNPARSED);
	expect_member(a, "job_id", id);
	expect_member(a, "job_queue", queue);
}

Test(test_job, keeps_unread_sections_of_an_ordinary_job_byte_for_byte)
{
	const char *id = given_job(fmt(
	    "{\"job_queue\":\"%s\",\"provision_data\":{\"u\" : 1.10,"
	    "\"distro\":\"x\"},\"option\":[1e400, 2],\"global_timeout\":-1.50}",
	    unique("q")));
	const struct answer *a = get(fmt("/v1/job/%s", id));

	expect_status(a, 200);
	expect_part(a, "{\"u\" : 1.10,\"distro\":\"x\"}");
	expect_part(a, "[1e400, 2]");
	expect_part(a, "-1.50");
}

Test(test_job, stores_what_the_server_reads_as_it_understands_it)
{
	const char *id =
	    given_job(fmt("{\"job_queue\":\"%s\",\"reserve_data\":{\"timeout\":"
			  "\"1h 30m\",\"ssh_keys\":[\"lp:me\"]}}",
		unique("q")));
	const struct answer *a = get(fmt("/v1/job/%s", id));

	expect_status(a, 200);
	expect_member(a, "exclude_agents", "[]");
	expect_part(a, "\"timeout\":5400");
	expect_part(a, "[\"lp:me\"]");
}

Test(test_job, takes_a_null_timeout_for_none)
{
	expect_status(
	    post("/v1/job", fmt("{\"job_queue\":\"%s\",\"reserve_data\":"
				"{\"timeout\":null}}",
				unique("q"))),
	    200);
}

Test(test_job, names_each_fault_of_a_field)
{
	static const struct {
		const char *field, *value, *text;
	} rows[] = {
	    {"job_queue", "\"\"", "Shorter than minimum length 1."},
	    {"job_queue", "7", "Not a valid string."},
	    {"job_queue", "null", "Field may not be null."},
	    {"job_id", "7", "Not a valid string."},
	    {"job_id", "null", "Field may not be null."},
	    {"tags", "\"a\"", "Not a valid list."},
	    {"tags", "null", "Field may not be null."},
	    {"job_priority", "\"x\"", "Not a valid integer."},
	    {"job_priority", "true", "Not a valid integer."},
	    {"job_priority", "[]", "Not a valid integer."},
	    {"job_priority", "null", "Field may not be null."},
	    {"job_priority", "1e400", "Number too large."},
	    {"exclude_agents", "{}", "Not a valid list."},
	    {"exclude_agents", "null", "Field may not be null."},
	};
	const char *other;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		other = strcmp(rows[i].field, "job_queue") == 0
			    ? ""
			    : ",\"job_queue\":\"q\"";
		expect_faults(
		    post("/v1/job", fmt("{\"%s\":%s%s}", rows[i].field,
					rows[i].value, other)),
		    fmt("{\"%s\":[\"%s\"]}", rows[i].field, rows[i].text));
	}
}

Test(test_job, wants_a_queue)
{
	expect_faults(post("/v1/job", "{}"),
	    "{\"job_queue\":[\"Missing data for required field.\"]}");
	expect_faults(post("/v1/job", NULL),
	    "{\"job_queue\":[\"Missing data for required field.\"]}");
}

Test(test_job, names_a_bad_element_of_a_list)
{
	expect_faults(post("/v1/job", "{\"job_queue\":\"q\",\"tags\":[\"a\",5],"
				      "\"exclude_agents\":[null]}"),
	    "{\"tags\":{\"1\":[\"Not a valid string.\"]},"
	    "\"exclude_agents\":{\"0\":[\"Field may not be null.\"]}}");
}

Test(test_job, reports_all_faults_together)
{
	expect_faults(
	    post("/v1/job", "{\"tags\":5,\"job_priority\":\"high\",\"_x\":1}"),
	    "{\"job_queue\":[\"Missing data for required field.\"],"
	    "\"tags\":[\"Not a valid list.\"],"
	    "\"job_priority\":[\"Not a valid integer.\"],"
	    "\"_x\":[\"Unknown field.\"]}");
}

Test(test_job, refuses_durations_it_cannot_read)
{
	static const struct {
		const char *value, *why;
	} rows[] = {
	    {"\"abc\"", "Invalid duration format: 'abc'"},
	    {"-5", "Duration cannot be negative"},
	    {"\"\"", "Duration cannot be empty"},
	    {"1.5", "Duration must be string or int, got <class 'float'>"},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_faults(
		    post("/v1/job", fmt("{\"job_queue\":\"q\",\"reserve_data\":"
					"{\"timeout\":%s}}",
					rows[i].value)),
		    fmt("{\"reserve_data\":{\"timeout\":"
			"[\"Invalid duration format: %s\"]}}",
			rows[i].why));
	expect_status(post("/v1/job", "{\"job_queue\":\"q\",\"reserve_data\":"
				      "{\"timeout\":true}}"),
	    422);
}

Test(test_job, refuses_names_that_the_server_manages)
{
	static const char *const names[] = {"client_id", "attachments_status",
	    "started_at", "created_at", "job_state", "result_data", "job_data",
	    "$where", "_id", "$", "_"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		expect_faults(
		    post("/v1/job",
			fmt("{\"job_queue\":\"q\",\"%s\":\"x\"}", names[i])),
		    fmt("{\"%s\":[\"Unknown field.\"]}", names[i]));
	/* An escape does not hide the name. */
	expect_faults(
	    post("/v1/job", "{\"job_queue\":\"q\",\"client\\u005fid\":\"x\"}"),
	    "{\"client_id\":[\"Unknown field.\"]}");
}

Test(test_job, keeps_privileges_from_callers_without_a_token)
{
	expect_message(
	    post("/v1/job", "{\"job_queue\":\"q\",\"job_priority\":5}"), 401,
	    "Authentication required for setting priority: 5");
	expect_message(post("/v1/job", "{\"job_queue\":\"q\",\"reserve_data\":"
				       "{\"timeout\":\"7h\"}}"),
	    401, "Authentication required for setting timeout: 25200");
	expect_message(post("/v1/job", "{\"job_queue\":\"q\",\"test_data\":"
				       "{\"secrets\":{\"A\":\"a/b\"}}}"),
	    422, "No secrets store");
}

Test(test_job, refuses_to_exclude_every_agent)
{
	const char *queue = unique("q"), *agent = unique("a");
	const char *none = "There are no agents on the specified queue that "
			   "are allowed to run this job";
	const char *body = fmt(
	    "{\"job_queue\":\"%s\",\"exclude_agents\":[\"%s\"]}", queue, agent);

	expect_message(post("/v1/job", body), 422, none);
	given_agent(agent, queue);
	expect_message(post("/v1/job", body), 422, none);
	given_agent(unique("a"), queue);
	expect_status(post("/v1/job", body), 200);
}

Test(test_job, tells_how_many_lists_of_excluded_agents_are_too_many)
{
	const char *queue = unique("q");
	unsigned i;

	given_agent(unique("a"), queue);
	for (i = 0; i < 500; i++)
		expect_status(
		    post("/v1/job", fmt("{\"job_queue\":\"%s\","
					"\"exclude_agents\":[\"x%u\"]}",
					queue, i)),
		    200);
	expect_faults(
	    post("/v1/job",
		fmt("{\"job_queue\":\"%s\",\"exclude_agents\":[\"y\"]}",
		    queue)),
	    "{\"exclude_agents\":[\"Too many lists: 500 different ones wait in "
	    "the queue. Use one of these, or wait until the jobs of one are "
	    "taken.\"]}");
	expect_status(
	    post("/v1/job",
		fmt("{\"job_queue\":\"%s\",\"exclude_agents\":[\"x7\"]}",
		    queue)),
	    200);
}

/* Upper case, without dashes. */
static const char *
bare(const char *id)
{
	char text[33];
	size_t n = 0;

	for (; *id != '\0' && n < sizeof(text) - 1; id++)
		if (*id != '-')
			text[n++] = (char)toupper((unsigned char)*id);
	text[n] = '\0';
	return fmt("%s", text);
}

static void
expect_found_under(const char *id, const char *given)
{
	expect_status(
	    post("/v1/job",
		fmt("{\"job_queue\":\"q\",\"job_id\":\"%s\"}", given)),
	    200);
	expect_status(get(fmt("/v1/job/%s", id)), 200);
	expect_status(get(fmt("/v1/job/%s", bare(id))), 200);
	expect_status(get(fmt("/v1/job/urn:uuid:%s", id)), 200);
	expect_status(get(fmt("/v1/job/%%7B%s%%7D", id)), 200);
}

Test(test_job, keeps_a_given_id_in_any_spelling)
{
	const char *id = new_id();

	expect_found_under(id, id);
	id = new_id();
	expect_found_under(id, bare(id));
	id = new_id();
	expect_found_under(id, fmt("{%s}", id));
	id = new_id();
	expect_found_under(id, fmt("urn:uuid:%s", id));
}

Test(test_job, refuses_a_bad_id_and_makes_one_for_an_empty)
{
	expect_message(
	    post("/v1/job", "{\"job_queue\":\"q\",\"job_id\":\"zz\"}"), 400,
	    "Invalid job_id specified");
	(void)given_job("{\"job_queue\":\"q\",\"job_id\":\"\"}");
}

Test(test_job, makes_one_job_of_a_repeated_submission)
{
	const char *queue = unique("q"), *id = new_id();
	const char *body =
	    fmt("{\"job_queue\":\"%s\",\"job_id\":\"%s\"}", queue, id);

	expect_member(post("/v1/job", body), "job_id", id);
	expect_member(post("/v1/job", body), "job_id", id);
	expect_member(take(unique("a"), queue), "job_id", id);
	expect_status(post("/v1/job", body), 200);
	expect_status(take(unique("b"), queue), 204);
}

Test(test_job, refuses_other_content_for_an_unfinished_job)
{
	const char *queue = unique("q");
	const char *body =
	    fmt("{\"job_queue\":\"%s\",\"job_id\":\"%s\",\"run\":", queue,
		new_id());
	const struct answer *a;

	(void)given_job(fmt("%s1}", body));
	a = post("/v1/job", fmt("%s2}", body));
	expect_status(a, 409);
	expect_header(a, "Content-Type", "application/json");
	expect_member(a, "detail", "{}");
	expect_part(take(unique("a"), queue), "\"run\":1");
	expect_status(take(unique("a"), queue), 204);
}

Test(test_job, runs_an_id_anew_after_its_job_has_ended)
{
	const char *queue = unique("q"), *id = new_id();
	const char *path = fmt("/v1/result/%s", id);
	const char *body =
	    fmt("{\"job_queue\":\"%s\",\"job_id\":\"%s\",\"test_data\":{},"
		"\"run\":",
		queue, id);

	(void)given_job(fmt("%s1}", body));
	expect_part(take(unique("a"), queue), "\"run\":1");
	expect_status(
	    post(path, "{\"job_state\":\"complete\",\"device_info\":{}}"), 200);
	(void)given_job(fmt("%s1}", body));
	expect_status(take(unique("a"), queue), 204);
	(void)given_job(fmt("%s2}", body));
	expect_json(get(path), 200, "{\"job_state\":\"waiting\"}");
	expect_part(take(unique("a"), queue), "\"run\":2");
}

Test(test_job, knows_jobs_by_canonical_id)
{
	expect_status(get(fmt("/v1/job/%s", new_id())), 204);
	expect_message(get("/v1/job/zz"), 400, "Invalid job_id specified");
	expect_message(
	    get(fmt("/v1/job/%s0", new_id())), 400, "Invalid job_id specified");
}

Test(test_job, cancels_once)
{
	const char *id = given_ordinary_job(unique("q"));
	const char *path = fmt("/v1/job/%s/action", id);

	expect_text(post(path, "{\"action\":\"cancel\"}"), 200, "OK");
	expect_json(get(fmt("/v1/result/%s", id)), 200,
	    "{\"job_state\":\"cancelled\"}");
	expect_text(post(path, "{\"action\":\"cancel\"}"), 400,
	    "The job is already completed or cancelled");
}

Test(test_job, cancels_only_what_has_not_ended)
{
	const char *text = "The job is already completed or cancelled";
	const char *queue = unique("q"), *id = given_ordinary_job(queue);

	expect_text(
	    post(fmt("/v1/job/%s/action", new_id()), "{\"action\":\"cancel\"}"),
	    400, text);
	expect_status(take(unique("a"), queue), 200);
	expect_status(
	    post(fmt("/v1/result/%s", id), "{\"job_state\":\"complete\"}"),
	    200);
	expect_text(
	    post(fmt("/v1/job/%s/action", id), "{\"action\":\"cancel\"}"), 400,
	    text);
	expect_text(post("/v1/job/zz/action", "{\"action\":\"cancel\"}"), 400,
	    "Invalid job id\n");
}

Test(test_job, names_the_fault_of_an_action)
{
	const char *path = fmt("/v1/job/%s/action", new_id());

	expect_faults(post(path, "{\"action\":\"stop\"}"),
	    "{\"action\":[\"Must be one of: cancel.\"]}");
	expect_faults(post(path, "{\"action\":\"cancel\\u0000\"}"),
	    "{\"action\":[\"Must be one of: cancel.\"]}");
	expect_faults(post(path, "{\"action\":5}"),
	    "{\"action\":[\"Not a valid string.\"]}");
	expect_faults(post(path, "{\"action\":null}"),
	    "{\"action\":[\"Field may not be null.\"]}");
	expect_faults(post(path, "{\"action\":\"cancel\",\"x\":1}"),
	    "{\"x\":[\"Unknown field.\"]}");
	expect_faults(post(path, NULL),
	    "{\"action\":[\"Missing data for required field.\"]}");
	/* The body is judged before the id. */
	expect_faults(post("/v1/job/zz/action", "{}"),
	    "{\"action\":[\"Missing data for required field.\"]}");
}

Test(test_job, keeps_a_cancelled_job_cancelled)
{
	static const char *const states[] = {"complete", "waiting", "test"};
	const char *queue = unique("q"), *id = given_ordinary_job(queue);
	const char *path = fmt("/v1/result/%s", id);
	size_t i;

	expect_text(
	    post(fmt("/v1/job/%s/action", id), "{\"action\":\"cancel\"}"), 200,
	    "OK");
	expect_status(take(unique("a"), queue), 204);
	for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
		expect_text(
		    post(path, fmt("{\"job_state\":\"%s\"}", states[i])), 200,
		    "OK");
		expect_member(get(path), "job_state", "cancelled");
		expect_status(take(unique("a"), queue), 204);
	}
}

Test(test_job, stays_cancelled_though_it_was_running)
{
	const char *queue = unique("q"), *id = given_ordinary_job(queue);
	const char *path = fmt("/v1/result/%s", id);

	expect_status(take(unique("a"), queue), 200);
	expect_text(
	    post(fmt("/v1/job/%s/action", id), "{\"action\":\"cancel\"}"), 200,
	    "OK");
	expect_text(
	    post(path, "{\"job_state\":\"complete\",\"status\":{\"test\":1}}"),
	    200, "OK");
	expect_json(
	    get(path), 200, "{\"job_state\":\"cancelled\",\"test_status\":1}");
}
