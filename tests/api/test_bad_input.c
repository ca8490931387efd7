/* What bad input gets, and that nothing of it is stored. */

#include <criterion/criterion.h>
#include <string.h>

#include "api.h"

#define JSON_TYPE "Content-Type: application/json"

/* Bodies that are no JSON, as posted after {"job_queue":"<queue>", */
static const char *const not_json[] = {
    "\"a\":NaN}",
    "\"a\":Infinity}",
    "\"a\":-Infinity}",
    "'a':1}",
    "\"a\":'b'}",
    "a:1}",
    "\"a\":1,}",
    "\"a\":01}",
    "\"a\":.5}",
    "\"a\":1.}",
    "\"a\":+1}",
    "\"a\":0x10}",
    "\"a\":1e}",
    "\"a\":tru}",
    "\"a\":[1,]}",
    "\"a\":1",
    "\"a\":\"b",
    "\"a\":\"\\",
    "\"a\":\"\\x\"}",
    "\"a\":\"\\u12\"}",
    "\"a\":\"\\ud800\"}",
    "\"a\":\"\\udc00\\ud800\"}",
    "\"\\u0000\":1}",
    "\"a\":{\"b\\u0000\":1}}",
    "\"a\":\"\t\"}",
    "\"a\":\"\n\"}",
    "\"a\":\"\300\200\"}",
    "\"a\":\"\340\200\200\"}",
    "\"a\":\"\355\240\200\"}",
    "\"a\":\"\364\220\200\200\"}",
    "\"a\":\"\303\"}",
    "\"a\":\"\377\"}",
    "\"a\":1} x",
    "\"a\":1}{}",
    "/* no */\"a\":1}",
    "\"a\":\3011}",
};

#define N_NOT_JSON (sizeof(not_json) / sizeof(not_json[0]))

static void
expect_not_json(const struct answer *a)
{
	expect_status(a, 400);
	expect_header(a, "Content-Type", "application/json");
	expect_member(a, "message", "Bad Request");
	expect_part(a, "\"json\":{\"_schema\":[\"Not JSON: ");
}

Test(test_bad_input, is_400_for_what_is_no_json_and_makes_no_job)
{
	const char *queue = unique("q");
	size_t i;

	for (i = 0; i < N_NOT_JSON; i++)
		expect_not_json(post("/v1/job",
		    fmt("{\"job_queue\":\"%s\",%s", queue, not_json[i])));
	expect_status(take(unique("a"), queue), 204);
}

Test(test_bad_input, is_400_for_what_is_no_json_and_stores_no_result)
{
	const char *path = fmt("/v1/result/%s", new_id());
	size_t i;

	for (i = 0; i < N_NOT_JSON; i++)
		expect_not_json(post(path, fmt("{\"x\":0,%s", not_json[i])));
	expect_not_json(post(path, " "));
	expect_not_json(post(path, "\357\273\277{}"));
	expect_not_json(
	    call_bytes("POST", path, JSON_TYPE, "{\"a\":\"\0\"}", 9));
	expect_not_json(call_bytes("POST", path, JSON_TYPE, "{}\0", 3));
	expect_status(get(path), 204);
}

Test(test_bad_input, names_the_place_where_json_ends)
{
	const struct answer *a = post("/v1/job", "{\"a\":1,\n \"b\" x}");

	expect_not_json(a);
	expect_part(a, " at line 2, column 6 (byte 13).\"]}}");
}

Test(test_bad_input, is_422_for_json_that_is_no_object)
{
	static const char *const bodies[] = {
	    "null", "[]", "\"x\"", "5", "true"};
	const char *agent = unique("a");
	size_t i;

	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		expect_faults(post("/v1/job", bodies[i]),
		    "{\"_schema\":[\"Invalid input type.\"]}");
		expect_faults(post(fmt("/v1/agents/data/%s", agent), bodies[i]),
		    "{\"_schema\":[\"Invalid input type.\"]}");
		expect_faults(
		    post(fmt("/v1/job/%s/action", new_id()), bodies[i]),
		    "{\"_schema\":[\"Invalid input type.\"]}");
	}
	expect_json(get(fmt("/v1/agents/data/%s", agent)), 404, "{}");
}

static const char *
nested(unsigned depth)
{
	return fmt("%s%s", repeat('[', depth), repeat(']', depth));
}

Test(test_bad_input, bounds_the_depth)
{
	const char *queue = unique("q"), *path;
	static const unsigned deep[] = {100, 101, 5000, 200000};
	size_t i;

	path = fmt("/v1/result/%s", new_id());
	expect_text(post(path, nested(100)), 200, "OK");
	for (i = 1; i < sizeof(deep) / sizeof(deep[0]); i++)
		expect_not_json(post(path, nested(deep[i])));
	expect_bytes(get(path), 200, nested(100));
	for (i = 0; i < sizeof(deep) / sizeof(deep[0]); i++)
		expect_not_json(
		    post("/v1/job", fmt("{\"job_queue\":\"%s\",\"a\":%s}",
					queue, nested(deep[i]))));
	expect_status(take(unique("a"), queue), 204);
	(void)given_job(
	    fmt("{\"job_queue\":\"%s\",\"a\":%s}", queue, nested(99)));
	expect_part(take(unique("a"), queue), nested(99));
}

Test(test_bad_input, refuses_integers_that_do_not_fit)
{
	static const char *const values[] = {"18446744073709551616",
	    "9223372036854775808", "-9223372036854775809", "1e30",
	    "\"18446744073709551616\""};
	const struct answer *a;
	size_t i;

	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		a = post(
		    "/v1/job", fmt("{\"job_queue\":\"q\",\"job_priority\":%s}",
				   values[i]));
		expect_status(a, 422);
		expect_part(a, "{\"json\":{\"job_priority\":[\"");
	}
}

Test(test_bad_input, lets_the_last_of_repeated_keys_win)
{
	const char *first = unique("q"), *last = unique("q"), *id;

	id = given_job(fmt("{\"job_queue\":\"%s\",\"n\":1,\"job_queue\":\"%s\","
			   "\"n\":2}",
	    first, last));
	expect_status(take(unique("a"), first), 204);
	expect_member(take(unique("a"), last), "job_id", id);
	expect_faults(
	    post("/v1/job", "{\"job_queue\":\"q\",\"job_queue\":\"\"}"),
	    "{\"job_queue\":[\"Shorter than minimum length 1.\"]}");
}

Test(test_bad_input, refuses_hostile_queue_names)
{
	const char *const names[] = {"amq.x", "amq.", "amq.direct",
	    repeat('q', 256), repeat('q', 201), "a\\u0000b", "\\u0000", "a\\nb",
	    "a\\u001fb", "\\u007f", ""};
	const struct answer *a;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		a = post("/v1/job", fmt("{\"job_queue\":\"%s\"}", names[i]));
		expect_status(a, 422);
		expect_part(a, "{\"json\":{\"job_queue\":[\"");
	}
	/* 200 bytes, not characters. */
	expect_status(post("/v1/job", fmt("{\"job_queue\":\"%s\303\244\"}",
					  repeat('q', 199))),
	    422);
	expect_not_json(post("/v1/job", "{\"job_queue\":\"q\377\"}"));
}

Test(test_bad_input, takes_odd_but_harmless_queue_names)
{
	static const char *const names[] = {"%s AMQ.x", "%s/../../etc",
	    "%s;drop table job", "%s\303\244\342\230\203", "%s<b>&amp;",
	    "%s%%"};
	const char *stem, *name;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		stem = unique("q");
		name = fmt("%s%s", stem, names[i] + 2);
		expect_status(
		    post("/v1/job", fmt("{\"job_queue\":\"%s\"}", name)), 200);
		expect_status(take(unique("a"), stem), 204);
	}
	name = fmt("%s%s", unique("q"), repeat('q', 200 - strlen(unique("q"))));
	expect_status(
	    post("/v1/job", fmt("{\"job_queue\":\"%s\"}", name)), 200);
	expect_status(take(unique("a"), name), 200);
}

Test(test_bad_input, decodes_queue_names_in_the_query)
{
	const char *stem = unique("q"), *id;

	id = given_job(fmt("{\"job_queue\":\"%s \303\244/+&\"}", stem));
	expect_member(
	    get(fmt("/v1/job?agent=a&queue=%s%%20%%C3%%A4%%2F%%2B%%26", stem)),
	    "job_id", id);
	id = given_job(fmt("{\"job_queue\":\"%s b\"}", stem));
	expect_member(
	    get(fmt("/v1/job?queue=%s+b&agent=a", stem)), "job_id", id);
}

Test(test_bad_input, is_400_or_404_for_paths_it_cannot_read)
{
	static const char *const paths[] = {"/v1/result/%zz", "/v1/result/%",
	    "/v1/job/%ff", "/v1/job/%c0%80", "/v1/job/%00",
	    "/v1/agents/data/%0a", "/v1/agents/data/..%2f..%2fetc",
	    "/v1/job/../../../etc/passwd", "/v1/%2e%2e/job", "/../v1",
	    "/v1/job?queue=%ff&agent=a", "/v1/job?queue=q&agent=%00"};
	const struct answer *a;
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		a = get(paths[i]);
		cr_assert(a->status == 400 || a->status == 404, "%s: %d %s",
		    paths[i], a->status, a->body);
		expect_header(a, "Content-Type", "application/json");
		expect_member(a, "detail", "{}");
	}
}

Test(test_bad_input, is_414_for_an_endless_target)
{
	const struct answer *a =
	    get(fmt("/v1/job?agent=a&queue=%s", repeat('q', 100000)));

	expect_status(a, 414);
	expect_header(a, "Content-Type", "application/json");
	expect_member(a, "detail", "{}");
}

/* The limit that today's clients know. */
Test(test_bad_input, is_413_over_the_limit_of_a_job, .timeout = 120)
{
	const char *queue = unique("q");
	const char *frame = fmt("{\"job_queue\":\"%s\",\"a\":\"\"}", queue);
	const char *fits = repeat('x', 16777215 - strlen(frame));
	const char *head = "Content-Type: application/json\n"
			   "Transfer-Encoding: chunked";
	const char *body;

	body = fmt("{\"job_queue\":\"%s\",\"a\":\"%sx\"}", queue, fits);
	expect_message(post("/v1/job", body), 413, "Payload too large");
	expect_message(
	    call("POST", "/v1/job", head, body), 413, "Payload too large");
	body = fmt("{\"job_queue\":\"%s\",\"a\":\"%s\"}", queue,
	    repeat('x', 40000000));
	expect_message(post("/v1/job", body), 413, "Payload too large");
	expect_status(take(unique("a"), queue), 204);
	body = fmt("{\"job_queue\":\"%s\",\"a\":\"%s\"}", queue, fits);
	expect_status(post("/v1/job", body), 200);
	expect_part(take(unique("a"), queue), fits);
}

Test(test_bad_input, is_415_for_a_body_that_is_not_called_json)
{
	static const char *const types[] = {"Content-Type: text/plain",
	    "Content-Type: application/x-www-form-urlencoded",
	    "Content-Type: application/jsonx", "Content-Type: text/json",
	    "Content-Type:"};
	static const char remedy[] =
	    "{\"detail\":{\"headers\":{\"Content-Type\":[\"Must be "
	    "application/json.\"]}},\"message\":\"Unsupported Media Type\"}";
	const char *queue = unique("q"), *path, *body;
	size_t i;

	path = fmt("/v1/result/%s", new_id());
	body = fmt("{\"job_queue\":\"%s\"}", queue);
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		expect_json(
		    call("POST", "/v1/job", types[i], body), 415, remedy);
		expect_json(call("POST", path, types[i], "[1]"), 415, remedy);
	}
	expect_status(get(path), 204);
	expect_status(take(unique("a"), queue), 204);
}

Test(test_bad_input, takes_every_name_of_json)
{
	static const char *const types[] = {
	    "Content-Type: application/json; charset=latin-1",
	    "Content-Type: Application/JSON",
	    "Content-Type: application/vnd.lab+json"};
	const char *path;
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		path = fmt("/v1/result/%s", new_id());
		expect_text(call("POST", path, types[i], "[1]"), 200, "OK");
		expect_bytes(get(path), 200, "[1]");
	}
}

Test(test_bad_input, takes_chunked_bodies)
{
	const char *path = fmt("/v1/result/%s", new_id());
	const char *head = "Content-Type: application/json\n"
			   "Transfer-Encoding: chunked";
	const char *body = fmt("[\"%s\"]", repeat('c', 300000));

	expect_text(call("POST", path, head, body), 200, "OK");
	expect_bytes(get(path), 200, body);
}

/* A POST of a result with this Content-Length, whatever the body's length. */
static const struct answer *
post_as_long(const char *path, const char *length, const char *body, bool cut)
{
	const char *text =
	    fmt("POST %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
		"Content-Type: application/json\r\n%s\r\n\r\n%s",
		path, length, body);

	return send_raw(text, strlen(text), cut);
}

Test(test_bad_input, stores_nothing_of_a_body_that_is_cut)
{
	const char *path = fmt("/v1/result/%s", new_id());

	expect_text(post(path, "[0]"), 200, "OK");
	(void)post_as_long(path, "Content-Length: 7", "[1]", true);
	(void)post_as_long(
	    path, "Transfer-Encoding: chunked", "3\r\n[2]\r\n", true);
	expect_bytes(get(path), 200, "[0]");
}

Test(test_bad_input, reads_no_further_than_content_length)
{
	const char *path = fmt("/v1/result/%s", new_id());

	expect_status(
	    post_as_long(path, "Content-Length: 5", "{\"a\":1}", false), 400);
	expect_status(get(path), 204);
	expect_status(
	    post_as_long(path, "Content-Length: 3", "[1][2]", false), 200);
	expect_bytes(get(path), 200, "[1]");
}

Test(test_bad_input, refuses_two_opinions_on_the_length)
{
	const char *path = fmt("/v1/result/%s", new_id());

	expect_status(
	    post_as_long(
		path, "Content-Length: 3\r\nContent-Length: 2", "[1]", false),
	    400);
	expect_status(post_as_long(path,
			  "Content-Length: 3\r\nTransfer-Encoding: chunked",
			  "3\r\n[1]\r\n0\r\n\r\n", false),
	    400);
	expect_status(
	    post_as_long(path, "Content-Length: -3", "[1]", false), 400);
	expect_status(
	    post_as_long(path, "Content-Length: 3x", "[1]", false), 400);
	expect_status(get(path), 204);
}

/* n times text. */
static const char *
times(const char *text, size_t n)
{
	if (n == 1)
		return text;
	return fmt("%s%s%s", times(text, n / 2), times(text, n / 2),
	    n % 2 == 1 ? text : "");
}

Test(test_bad_input, takes_forty_thousand_members_in_its_stride)
{
	const char *queue = unique("q");

	expect_status(post("/v1/job", fmt("{%s\"job_queue\":\"%s\"}",
					  times("\"k\":0,", 40000), queue)),
	    200);
	expect_status(take(unique("a"), queue), 200);
}
