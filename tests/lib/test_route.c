/* Rows: what is enforced before a handler runs. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "call.h"
#include "clock.h"
#include "fixture.h"

#define ALL (ROLE_CONTRIBUTOR | ROLE_AGENT)

static int
echo(struct worker *w, struct req *r)
{
	(void)w;
	return reply(r, 200, "text/plain", NULL, r->body, r->body_len);
}

static int
say_literal(struct worker *w, struct req *r)
{
	(void)w;
	return reply_text(r, 200, "literal");
}

static int
say_id(struct worker *w, struct req *r)
{
	(void)w;
	return route_id(r) ? reply_text(r, 200, r->id.text) : r->status;
}

static int
say_param(struct worker *w, struct req *r)
{
	(void)w;
	return reply_text(r, 200, r->params[0]);
}

static int
want_json(struct worker *w, struct req *r)
{
	struct js_doc doc;
	struct faults f;
	enum err e;

	(void)w;
	faults_init(&f, r->arena);
	e = req_json_object(r, &doc, &f);
	return e == ERR_OK ? reply_text(r, 200, "object") : r->status;
}

static int
say_connection(struct worker *w, struct req *r)
{
	(void)w;
	return reply_text(r, 200,
	    r->cause.connection != NULL ? r->cause.connection : "unknown");
}

static const struct route rows[] = {
    {METHOD_POST, "/v1/x", 0, CONF_JOB_BODY_MAX, 0, echo},
    {METHOD_GET, "/v1/x", 0, ROUTE_NO_BODY, ROUTE_NO_HEAD, echo},
    {METHOD_GET, "/v1/x/literal", 0, ROUTE_NO_BODY, 0, say_literal},
    {METHOD_GET, "/v1/x/{job_id}", 0, ROUTE_NO_BODY, 0, say_id},
    {METHOD_POST, "/v1/x/{job_id}/t", 0, CONF_JOB_BODY_MAX, ROUTE_ID_TEXT,
	say_id},
    {METHOD_GET, "/v1/n/{name}", 0, ROUTE_NO_BODY, 0, say_param},
    {METHOD_POST, "/v1/j", 0, CONF_JOB_BODY_MAX, 0, want_json},
    {METHOD_GET, "/v1/connection", 0, ROUTE_NO_BODY, 0, say_connection},
    {METHOD_GET, "/v1/agent", ROLE_AGENT, ROUTE_NO_BODY, 0, say_literal},
};

static const struct route_table table = {rows, sizeof(rows) / sizeof(rows[0])};
static struct conf *conf;
static struct call c;

static void
setup(void)
{
	static const char text[] = "JOB_BODY_MAX = 1024\n";
	struct conf_fault fault;

	cr_assert_eq(
	    conf_parse(&conf, "test", text, sizeof(text) - 1, &fault), ERR_OK);
}

static void
teardown(void)
{
	call_free(&c);
	conf_free(conf);
}

TestSuite(route, .init = setup, .fini = teardown);

static void
run(struct call what)
{
	call_free(&c);
	c = what;
	call_run(&c, &table, conf, ALL, NULL);
}

static void
get(const char *target)
{
	run((struct call){.target = target});
}

Test(route, knows_a_connection_only_where_answers_come_one_by_one)
{
	static const char target[] = "/v1/connection";

	run((struct call){.target = target, .connection = "1-7"});
	cr_expect_str_eq(c.text, "1-7");
	run((struct call){
	    .target = target, .connection = "1-7", .protocol = "HTTP/2.0"});
	cr_expect_str_eq(c.text, "unknown");
}

Test(route, finds_a_path_with_and_without_slashes_too_many)
{
	get("/v1/x/literal");
	cr_expect_str_eq(c.text, "literal");
	get("//v1/x//literal/?a=b");
	cr_expect_str_eq(c.text, "literal");
}

Test(route, prefers_a_literal_segment_to_a_placeholder)
{
	get("/v1/x/literal");
	cr_expect_eq(c.status, 200);
	get("/v1/x/Literal");
	cr_expect_eq(c.status, 400, "case counts, so that is an id, a bad one");
}

Test(route, answers_404_in_json_for_a_path_nobody_serves)
{
	get("/v1/y");
	cr_expect_eq(c.status, 404);
	cr_expect_str_eq(c.text, "{\"detail\":{},\"message\":\"Not Found\"}\n");
	get("/v1/x/a/b/c");
	cr_expect_eq(c.status, 404);
}

Test(route, answers_405_with_allow_for_another_method)
{
	run((struct call){.target = "/v1/x", .method = "DELETE"});
	cr_expect_eq(c.status, 405);
	cr_expect_str_eq(call_header(&c, "Allow"), "GET, POST, OPTIONS");
	cr_expect_str_eq(
	    c.text, "{\"detail\":{},\"message\":\"Method Not Allowed\"}\n");
	run((struct call){.target = "/v1/x/literal", .method = "BREW"});
	cr_expect_str_eq(call_header(&c, "Allow"), "GET, HEAD, OPTIONS");
}

Test(route, answers_options_with_allow_and_nothing_else)
{
	run((struct call){.target = "/v1/x", .method = "OPTIONS"});
	cr_expect_eq(c.status, 200);
	cr_expect_eq(c.text_len, 0);
	cr_expect_str_eq(call_header(&c, "Allow"), "GET, POST, OPTIONS");
}

Test(route, answers_head_like_get_without_the_body)
{
	run((struct call){.target = "/v1/x/literal", .method = "HEAD"});
	cr_expect_eq(c.status, 200);
	cr_expect_eq(c.text_len, 0);
	cr_expect_str_eq(call_header(&c, "Content-Length"), "7");
}

Test(route, refuses_head_where_get_changes_something)
{
	run((struct call){.target = "/v1/x", .method = "HEAD"});
	cr_expect_eq(c.status, 405);
	cr_expect_eq(c.text_len, 0);
}

Test(route, gives_the_handler_a_canonical_id)
{
	get("/v1/x/%7B0123456789ABCDEF0123456789abcdef%7D");
	cr_expect_str_eq(c.text, "01234567-89ab-cdef-0123-456789abcdef");
}

Test(route, words_a_bad_id_as_its_row_wants)
{
	get("/v1/x/zz");
	cr_expect_eq(c.status, 400);
	cr_expect_str_eq(c.text,
	    "{\"detail\":{},\"message\":\"Invalid job_id specified\"}\n");
	run((struct call){.target = "/v1/x/zz/t", .method = "POST"});
	cr_expect_eq(c.status, 400);
	cr_expect_str_eq(c.text, "Invalid job id\n");
	cr_expect_str_eq(
	    call_header(&c, "Content-Type"), "text/html; charset=utf-8");
}

Test(route, decodes_a_segment_once)
{
	get("/v1/n/a%2541%20%C3%A9");
	cr_expect_str_eq(c.text, "a%41 \xc3\xa9");
}

Test(route, refuses_a_path_that_cannot_be_read)
{
	static const char *const bad[] = {"/v1/n/%", "/v1/n/%zz", "/v1/n/%00",
	    "/v1/n/%0a", "/v1/n/%c0%af", "/v1/n/%ff", "/v1/n/..",
	    "/v1/n/%2e%2e", "/v1/n/%ed%a0%80"};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		get(bad[i]);
		cr_expect_eq(c.status, 400, "%s: %d", bad[i], c.status);
	}
}

Test(route, looks_at_roles_before_the_handler)
{
	get("/v1/agent");
	cr_expect_eq(c.status, 200);
	call_free(&c);
	c = (struct call){.target = "/v1/agent"};
	call_run(&c, &table, conf, ROLE_CONTRIBUTOR, NULL);
	cr_expect_eq(c.status, 403);
	cr_expect_str_eq(c.text,
	    "{\"detail\":{},\"message\":\"Specified action requires role: "
	    "agent\"}\n");
}

Test(route, refuses_a_body_over_the_limit_by_length_and_by_bytes)
{
	char big[1026];

	memset(big, 'x', sizeof(big) - 1);
	big[1025] = '\0';
	run((struct call){.target = "/v1/x", .method = "POST", .body = big});
	cr_expect_eq(c.status, 413);
	cr_expect_str_eq(
	    c.text, "{\"detail\":{},\"message\":\"Payload too large\"}\n");
	run((struct call){
	    .target = "/v1/x", .method = "POST", .body = big, .declared = -1});
	cr_expect_eq(c.status, 413);
	big[1024] = '\0';
	run((struct call){.target = "/v1/x", .method = "POST", .body = big});
	cr_expect_eq(c.status, 200);
	cr_expect_eq(c.text_len, 1024);
}

Test(route, takes_a_body_without_length_whole)
{
	run((struct call){.target = "/v1/x",
	    .method = "POST",
	    .body = "abc",
	    .declared = -1});
	cr_expect_str_eq(c.text, "abc");
}

Test(route, refuses_a_body_that_broke_off)
{
	run((struct call){
	    .target = "/v1/x", .method = "POST", .body = "abc", .declared = 9});
	cr_expect_eq(c.status, 400);
	run((struct call){.target = "/v1/x",
	    .method = "POST",
	    .body = "abc",
	    .declared = -1,
	    .broken = true});
	cr_expect_eq(c.status, 400);
}

Test(route, wants_json_to_be_called_json)
{
	static const struct {
		const char *type;
		int status;
	} types[] = {{"application/json", 200},
	    {"Application/JSON; charset=utf-8", 200},
	    {"application/merge-patch+json", 200}, {"text/json", 415},
	    {"application/x-www-form-urlencoded", 415}, {"", 415},
	    {"application/jsonx", 415}, {"application/+json", 415}};
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		run((struct call){.target = "/v1/j",
		    .method = "POST",
		    .type = types[i].type,
		    .body = "{}"});
		cr_expect_eq(c.status, types[i].status, "%s: %d", types[i].type,
		    c.status);
	}
}

Test(route, tells_where_a_body_is_no_json)
{
	run((struct call){
	    .target = "/v1/j", .method = "POST", .body = "{\"a\":\n 'b'}"});
	cr_expect_eq(c.status, 400);
	cr_expect_not_null(
	    strstr(c.text, "line 2, column 2 (byte 7)"), "%s", c.text);
	cr_expect_not_null(strstr(c.text, "\"message\":\"Bad Request\""));
}

Test(route, words_a_body_that_is_no_object_as_today)
{
	run((struct call){.target = "/v1/j", .method = "POST", .body = "[1]"});
	cr_expect_eq(c.status, 422);
	cr_expect_str_eq(c.text,
	    "{\"detail\":{\"json\":{\"_schema\":[\"Invalid input type.\"]}},"
	    "\"message\":\"Validation error\"}\n");
}

#define JOB "0b69ccd9-f7b0-4a64-9d0a-31a8df0b4bd7"

Test(route, notes_each_request_as_a_word_of_its_agent_or_of_its_jobs)
{
	static const struct {
		const char *method, *target, *cookie;
		bool agent, job; /* is heard */
	} asks[] = {
	    {"GET", "/v1/x/" JOB, "agent_name=a", true, false},
	    {"POST", "/v1/x", "agent_name=a", true, false},
	    {"POST", "/v1/x/" JOB "/t", "agent_name=a", true, false},
	    {"POST", "/v1/x/" JOB "/t", "agent_name=b", false, false},
	    {"POST", "/v1/x/" JOB "/t", NULL, false, true},
	    {"GET", "/v1/x/" JOB, NULL, false, false},
	};
	struct svc svc = {.conf = conf};
	struct worker w = {.svc = &svc};
	char dir[64], path[128];
	int64_t at = INT64_C(1800000000000);
	size_t i;

	fixture_mkdir(dir);
	(void)snprintf(path, sizeof(path), "%s/seen", dir);
	cr_assert_eq(seen_open(&svc.seen, path, 10), ERR_OK);
	seen_keep(svc.seen, SEEN_AGENT, "a", at);
	seen_keep(svc.seen, SEEN_JOB, JOB, at);
	for (i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		clock_set_for_test(at += 1000);
		call_free(&c);
		c = (struct call){.method = asks[i].method,
		    .target = asks[i].target,
		    .cookie = asks[i].cookie};
		call_run(&c, &table, conf, ALL, &w);
		cr_expect_eq(c.status, 200);
		cr_expect_eq(seen_last(svc.seen, SEEN_AGENT, "a", at) == at,
		    asks[i].agent, "%zu", i);
		cr_expect_eq(seen_last(svc.seen, SEEN_JOB, JOB, at) == at,
		    asks[i].job, "%zu", i);
		/* Who comes for the first time here takes nobody's place. */
		cr_expect_eq(seen_last(svc.seen, SEEN_AGENT, "b", at), 0);
	}
	clock_set_for_test(0);
	seen_close(svc.seen);
	fixture_rmdir(dir);
}
