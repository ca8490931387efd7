/* Secrets: kept for their owner, told to the agent of a job, gone when they should
 * be. */

#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api.h"
#include "bearer.h"

#define JSON "Content-Type: application/json\n"

static void
setup(void)
{
	use_instance("TF_URL_TOKENS");
}

TestSuite(test_secret, .init = setup);

static const char *
path_of(const char *client, const char *path)
{
	return fmt("/v1/secrets/%s/%s", client, path);
}

static const struct answer *
put_as(
    const char *caller, const char *client, const char *path, const char *json)
{
	return call("PUT", path_of(client, path),
	    fmt(JSON "%s", bearer("contributor", caller)), json);
}

static void
given_secret(const char *client, const char *path, const char *value)
{
	expect_status(
	    put_as(client, client, path, fmt("{\"value\":\"%s\"}", value)),
	    200);
}

static const struct answer *
submit_as(const char *client, const char *queue, const char *secrets)
{
	return call("POST", "/v1/job",
	    fmt(JSON "%s", bearer("contributor", client)),
	    fmt("{\"job_queue\":\"%s\",\"test_data\":{\"test_cmds\":\"x\","
		"\"secrets\":%s}}",
		queue, secrets));
}

static const struct answer *
take_as_agent(const char *queue)
{
	return call("GET", fmt("/v1/job?queue=%s&agent=a", queue),
	    bearer("agent", "lab"), NULL);
}

static void
expect_secrets(const struct answer *a, const char *json)
{
	struct json_object *o, *test, *secrets = NULL, *want;

	expect_status(a, 200);
	o = json_tokener_parse(a->body);
	cr_assert(json_object_object_get_ex(o, "test_data", &test) &&
		      json_object_object_get_ex(test, "secrets", &secrets),
	    "%s", a->body);
	want = json_tokener_parse(json);
	cr_expect(json_object_equal(want, secrets), "%s", a->body);
	(void)json_object_put(want);
	(void)json_object_put(o);
}

static void
report(const char *id, const char *json)
{
	expect_status(call("POST", fmt("/v1/result/%s", id),
			  fmt(JSON "%s", bearer("agent", "lab")), json),
	    200);
}

Test(test_secret, tells_when_it_expires_in_a_form_that_python_reads)
{
	const char *c = unique("c"), *at;
	const struct answer *a = put_as(c, c, "p", "{\"value\":\"v\"}");
	char year[8];
	time_t then = time(NULL) + 31536000;
	struct tm tm;

	expect_status(a, 200);
	at = member(a, "expires_at");
	(void)gmtime_r(&then, &tm);
	(void)strftime(year, sizeof(year), "%Y-", &tm);
	cr_expect_eq(strncmp(at, year, 5), 0, "%s", at);
	cr_expect_eq(strlen(at), strlen("2027-11-22T08:55:34.881450+00:00"));
	cr_expect_str_eq(at + 26, "+00:00");
	expect_json(
	    put_as(c, c, "p", "{\"value\":\"v\",\"expire_after\":null}"), 200,
	    "{\"expires_at\":null}");
	expect_json(put_as(c, c, "p", "{\"value\":\"v\",\"ephemeral\":true}"),
	    200, "{\"expires_at\":null}");
	expect_json(put_as(c, c, "p",
			"{\"value\":\"v\",\"ephemeral\":\"yes\","
			"\"expire_after\":null}"),
	    200, "{\"expires_at\":null}");
}

Test(test_secret, checks_its_fields)
{
	static const struct {
		const char *body, *faults;
	} cases[] = {
	    {"{}", "{\"value\":[\"Missing data for required field.\"]}"},
	    {"{\"value\":\"\"}",
		"{\"value\":[\"Shorter than minimum length 1.\"]}"},
	    {"{\"value\":1}", "{\"value\":[\"Not a valid string.\"]}"},
	    {"{\"value\":null}", "{\"value\":[\"Field may not be null.\"]}"},
	    {"{\"value\":\"v\",\"expire_after\":0}",
		"{\"expire_after\":[\"Must be greater than or equal to 1.\"]}"},
	    {"{\"value\":\"v\",\"expire_after\":\"x\"}",
		"{\"expire_after\":[\"Not a valid integer.\"]}"},
	    /* No client could read the date. */
	    {"{\"value\":\"v\",\"expire_after\":253402300800}",
		"{\"expire_after\":[\"Number too large.\"]}"},
	    {"{\"value\":\"v\",\"expire_after\":1000000000000}",
		"{\"expire_after\":[\"Number too large.\"]}"},
	    {"{\"value\":\"v\",\"ephemeral\":null}",
		"{\"ephemeral\":[\"Field may not be null.\"]}"},
	    {"{\"value\":\"v\",\"x\":1}", "{\"x\":[\"Unknown field.\"]}"},
	    {"{\"value\":\"v\",\"ephemeral\":true,\"expire_after\":5}",
		"{\"_schema\":[\"Provide either 'ephemeral' or "
		"'expire_after', not both.\"]}"},
	};
	const char *c = unique("c");
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_faults(
		    put_as(c, c, "p", cases[i].body), cases[i].faults);
	expect_faults(
	    put_as(c, c, "p", fmt("{\"value\":\"%s\"}", repeat('x', 262145))),
	    "{\"value\":[\"Longer than maximum length 262144.\"]}");
}

Test(test_secret, is_its_owners_alone)
{
	const char *a = unique("a"), *b = unique("b");

	given_secret(a, "p", "v");
	expect_message(put_as(b, a, "p", "{\"value\":\"v\"}"), 403,
	    fmt("'%s' doesn't match authenticated client id", a));
	expect_message(
	    call("DELETE", path_of(a, "p"), bearer("contributor", b), NULL),
	    403, fmt("'%s' doesn't match authenticated client id", a));
	expect_message(call("PUT", path_of(a, "p"), JSON, "{\"value\":\"v\"}"),
	    401,
	    "A login (known client_id) is required to securely "
	    "storeinformation.");
	expect_message(call("DELETE", path_of(a, "p"), NULL, NULL), 401,
	    "A login (known client_id) is required to securely store "
	    "information.");
	expect_message(
	    call("PUT", path_of(a, "p"), fmt(JSON "%s", bearer("agent", a)),
		"{\"value\":\"v\"}"),
	    403, "Specified action requires role: contributor, manager, admin");
	expect_status(
	    call("GET", path_of(a, "p"), bearer("contributor", a), NULL), 405);
}

Test(test_secret, takes_paths_of_words_and_slashes)
{
	static const char *const bad[] = {"a.b", "a%20b", "%C3%A4", "a+b"};
	const char *c = unique("c");
	size_t i;

	given_secret(c, "a-b/c_d/9", "v");
	given_secret(c, "x%2Fy", "v");
	expect_status(submit_as(c, "q", "{\"A\":\"x/y\"}"), 200);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_status(put_as(c, c, bad[i], "{\"value\":\"v\"}"), 422);
	expect_message(put_as(c, c, "a.b", "{\"value\":\"v\"}"), 422,
	    "Invalid value 'a.b', not a valid path. \nPaths must only contain "
	    "alphanumeric characters, hyphens (-), underscores (_), and "
	    "forward slashes (/). Additionally, paths must not start or end "
	    "with a forward slash (/).");
}

Test(test_secret, has_a_path_of_1024_bytes_at_most)
{
	const char *c = unique("c"), *longer = repeat('x', 1025);

	given_secret(c, longer + 1, "v");
	expect_faults(put_as(c, c, longer, "{\"value\":\"v\"}"),
	    "{\"path\":[\"Longer than maximum length 1024.\"]}");
	/* One that is there already can still be removed. */
	expect_status(
	    call("DELETE", path_of(c, longer), bearer("contributor", c), NULL),
	    200);
}

Test(test_secret, goes_by_delete_and_delete_does_not_mind_none)
{
	const char *c = unique("c");

	given_secret(c, "p", "v");
	expect_text(call("DELETE", path_of(c, "p"), bearer("manager", c), NULL),
	    200, "OK");
	expect_text(call("DELETE", path_of(c, "p"), bearer("admin", c), NULL),
	    200, "OK");
	expect_message(submit_as(c, "q", "{\"A\":\"p\"}"), 422,
	    "Inaccessible secret paths: p");
}

Test(test_secret, must_be_there_when_a_job_names_it)
{
	const char *c = unique("c");

	given_secret(c, "have", "v");
	expect_message(
	    submit_as(c, "q",
		"{\"A\":\"z\",\"B\":\"have\",\"C\":\"b/a\",\"D\":\"z\"}"),
	    422, "Inaccessible secret paths: b/a, z");
	expect_message(
	    post("/v1/job", "{\"job_queue\":\"q\",\"test_data\":{\"secrets\":"
			    "{}}}"),
	    422, "Missing client ID (user not authenticated)");
	expect_message(submit_as(unique("other"), "q", "{\"A\":\"have\"}"), 422,
	    "Inaccessible secret paths: have");
}

Test(test_secret, is_told_to_the_agent_and_to_nobody_else)
{
	const char *c = unique("c"), *q = unique("q"), *id;
	const struct answer *a;

	given_secret(c, "a/b", "hunter2 \\u00e9\\n");
	given_secret(c, "b", "x");
	a = submit_as(c, q, "{\"ONE\":\"a/b\",\"TWO\":\"b\"}");
	expect_status(a, 200);
	id = member(a, "job_id");
	given_secret(c, "b", "newer");
	a = get(fmt("/v1/job/%s", id));
	expect_secrets(a, "{\"ONE\":\"a/b\",\"TWO\":\"b\"}");
	cr_expect_null(member(a, "client_id"));
	a = take_as_agent(q);
	expect_secrets(a, "{\"ONE\":\"hunter2 \\u00e9\\n\",\"TWO\":\"newer\"}");
	expect_member(a, "client_id", c);
	expect_secrets(
	    get(fmt("/v1/job/%s", id)), "{\"ONE\":\"a/b\",\"TWO\":\"b\"}");
}

Test(test_secret, that_is_gone_is_handed_out_empty)
{
	const char *c = unique("c"), *q = unique("q"), *why;
	const struct answer *a;

	given_secret(c, "p", "v");
	a = submit_as(c, q, "{\"A\":\"p\"}");
	expect_status(a, 200);
	why = fmt("/v1/job/%s/explain", member(a, "job_id"));
	cr_expect_null(
	    strstr(call("GET", why, bearer("contributor", c), NULL)->body,
		"secrets_missing"));
	expect_status(
	    call("DELETE", path_of(c, "p"), bearer("contributor", c), NULL),
	    200);
	a = call("GET", why, bearer("contributor", c), NULL);
	expect_status(a, 200);
	cr_expect_not_null(
	    strstr(a->body, "\"code\":\"secrets_missing\""), "%s", a->body);
	expect_secrets(take_as_agent(q), "{\"A\":\"\"}");
}

Test(test_secret, that_is_ephemeral_ends_with_the_start_of_its_job)
{
	const char *c = unique("c"), *q = unique("q"), *id;
	const struct answer *a;
	const char *once = "{\"value\":\"once\",\"ephemeral\":true}";

	expect_status(put_as(c, c, "e", once), 200);
	a = submit_as(c, q, "{\"A\":\"e\"}");
	id = member(a, "job_id");
	/* The hand-out alone, whose answer may be lost, does not use it up. */
	expect_secrets(take_as_agent(q), "{\"A\":\"once\"}");
	expect_status(submit_as(c, q, "{\"A\":\"e\"}"), 200);
	report(id, "{\"job_state\":\"setup\"}");
	expect_message(submit_as(c, q, "{\"A\":\"e\"}"), 422,
	    "Inaccessible secret paths: e");
	expect_secrets(take_as_agent(q), "{\"A\":\"\"}");
	/* A new one of that name is not the old job's. */
	expect_status(put_as(c, c, "e", once), 200);
	report(id, "{\"job_state\":\"test\"}");
	expect_status(submit_as(c, q, "{\"A\":\"e\"}"), 200);
}

/* Anybody can name a job that waits; only who took it has started it. */
Test(test_secret, that_is_ephemeral_outlives_posts_about_a_job_that_waits)
{
	const char *c = unique("c"), *q = unique("q"), *id;
	const char *as_lab = fmt(JSON "%s", bearer("agent", "lab"));

	expect_status(
	    put_as(c, c, "e", "{\"value\":\"once\",\"ephemeral\":true}"), 200);
	id = member(submit_as(c, q, "{\"A\":\"e\"}"), "job_id");
	expect_status(call("POST", fmt("/v1/agents/data/%s", unique("a")),
			  as_lab, fmt("{\"job_id\":\"%s\"}", id)),
	    200);
	report(id, "{\"device_info\":{\"a\":1}}");
	expect_status(
	    call("POST", fmt("/v1/result/%s/log/output", id), as_lab,
		"{\"fragment_number\":0,\"phase\":\"setup\",\"timestamp\":"
		"\"2026-01-01T00:00:00+00:00\",\"log_data\":\"x\"}"),
	    200);
	expect_secrets(take_as_agent(q), "{\"A\":\"once\"}");
	report(id, "{\"job_state\":\"setup\"}");
	expect_message(submit_as(c, q, "{\"A\":\"e\"}"), 422,
	    "Inaccessible secret paths: e");
}

Test(test_secret, that_is_ephemeral_ends_with_a_job_that_is_cancelled)
{
	const char *c = unique("c"), *id;

	expect_status(
	    put_as(c, c, "e", "{\"value\":\"v\",\"ephemeral\":true}"), 200);
	id = member(submit_as(c, unique("q"), "{\"A\":\"e\"}"), "job_id");
	expect_text(
	    post(fmt("/v1/job/%s/action", id), "{\"action\":\"cancel\"}"), 200,
	    "OK");
	expect_message(submit_as(c, "q", "{\"A\":\"e\"}"), 422,
	    "Inaccessible secret paths: e");
}

Test(test_secret, that_has_expired_is_not_there)
{
	const char *c = unique("c");
	struct timespec pause = {0, 50000000};
	int i;

	expect_status(
	    put_as(c, c, "p", "{\"value\":\"v\",\"expire_after\":1}"), 200);
	for (i = 0;
	     i < 100 && submit_as(c, "q", "{\"A\":\"p\"}")->status == 200; i++)
		(void)nanosleep(&pause, NULL);
	expect_message(submit_as(c, "q", "{\"A\":\"p\"}"), 422,
	    "Inaccessible secret paths: p");
}

Test(test_secret, does_not_stand_in_the_store_as_it_is)
{
	static const char *const files[] = {"state.db", "state.db-wal"};
	const char *c = unique("c"), *value = unique("needle");
	char *buf = malloc(1 << 26);
	size_t i, n = 0;
	FILE *f;

	given_secret(c, "p", value);
	for (i = 0; i < 2; i++) {
		f = fopen(
		    fmt("%s/%s", getenv("TF_DATA_TOKENS"), files[i]), "r");
		cr_assert_not_null(f);
		n += fread(buf + n, 1, (1 << 26) - n, f);
		(void)fclose(f);
	}
	cr_assert(n > 0 && n < 1 << 26);
	cr_expect_null(memmem(buf, n, value, strlen(value)));
	cr_expect_not_null(memmem(buf, n, c, strlen(c)));
	free(buf);
}
