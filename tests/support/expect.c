/* What a case expects of an answer, and the steps that lead up to it. */

#include <criterion/criterion.h>
#include <json-c/json.h>
#include <string.h>

#include "api.h"

/* Of the case, not of this file, and with the answer at hand. */
static void
check(bool ok, const char *file, int line, const struct answer *a,
    const char *wanted)
{
	cr_assert(ok, "%s:%d: %s: expected %s; the answer is %d %.600s", file,
	    line, a->what, wanted, a->status, a->body);
}

static bool
has_type(const struct answer *a, const char *type)
{
	const char *given = header(a, "Content-Type");

	return given != NULL && strcmp(given, type) == 0;
}

void
api_expect_status(
    const char *file, int line, const struct answer *a, int status)
{
	check(a->status == status, file, line, a, fmt("status %d", status));
}

void
api_expect_text(const char *file, int line, const struct answer *a, int status,
    const char *text)
{
	check(a->status == status && a->len == strlen(text) &&
		  memcmp(a->body, text, a->len) == 0 &&
		  has_type(a, "text/html; charset=utf-8"),
	    file, line, a, fmt("%d and the text '%s'", status, text));
}

void
api_expect_bytes(const char *file, int line, const struct answer *a, int status,
    const char *text)
{
	check(a->status == status && a->len == strlen(text) &&
		  memcmp(a->body, text, a->len) == 0 &&
		  has_type(a, "application/json"),
	    file, line, a, fmt("%d and exactly %.600s", status, text));
}

void
api_expect_part(
    const char *file, int line, const struct answer *a, const char *text)
{
	check(memmem(a->body, a->len, text, strlen(text)) != NULL, file, line,
	    a, fmt("the part %s", text));
}

void
api_expect_json(const char *file, int line, const struct answer *a, int status,
    const char *json)
{
	struct json_object *want = json_tokener_parse(json);
	struct json_object *got = json_tokener_parse(a->body);
	bool same = json_object_equal(want, got);

	(void)json_object_put(want);
	(void)json_object_put(got);
	check(a->status == status && has_type(a, "application/json") && same,
	    file, line, a, fmt("%d and the JSON %s", status, json));
}

void
api_expect_message(const char *file, int line, const struct answer *a,
    int status, const char *message)
{
	api_expect_json(file, line, a, status,
	    fmt("{\"detail\":{},\"message\":\"%s\"}", message));
}

void
api_expect_faults(
    const char *file, int line, const struct answer *a, const char *json)
{
	api_expect_json(file, line, a, 422,
	    fmt("{\"detail\":{\"json\":%s},\"message\":\"Validation error\"}",
		json));
}

void
api_expect_member(const char *file, int line, const struct answer *a,
    const char *key, const char *value)
{
	const char *got = member(a, key);

	if (value == NULL)
		check(got == NULL, file, line, a, fmt("no member %s", key));
	else
		check(got != NULL && strcmp(got, value) == 0, file, line, a,
		    fmt("%s to be %s", key, value));
}

void
api_expect_header(const char *file, int line, const struct answer *a,
    const char *name, const char *value)
{
	const char *got = header(a, name);

	check(got != NULL && strcmp(got, value) == 0, file, line, a,
	    fmt("the header %s: %s, not %s", name, value,
		got != NULL ? got : "(none)"));
}

const char *
given_job(const char *json)
{
	const struct answer *a = post("/v1/job", json);
	const char *id = member(a, "job_id");

	check(a->status == 200 && id != NULL, __FILE__, __LINE__, a,
	    fmt("a job of %.300s", json));
	return id;
}

const char *
given_ordinary_job(const char *queue)
{
	return given_job(
	    fmt("{\"job_queue\":\"%s\",\"test_data\":{\"test_cmds\":\"true\"}}",
		queue));
}

void
given_agent(const char *name, const char *queue)
{
	expect_status(
	    post(fmt("/v1/agents/data/%s", name),
		fmt("{\"state\":\"waiting\",\"queues\":[\"%s\"]}", queue)),
	    200);
}

const struct answer *
take(const char *agent, const char *queue)
{
	return get(fmt("/v1/job?queue=%s&agent=%s", queue, agent));
}
