/* /v1/, /v1/health/live, /v1/health/ready; and what holds on every path. */

#include <criterion/criterion.h>
#include <string.h>

#include "api.h"

Test(test_status, tells_name_and_version_in_every_spelling)
{
	static const char *const paths[] = {"/v1", "/v1/"};
	const struct answer *a;
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		a = get(paths[i]);
		expect_status(a, 200);
		expect_header(a, "Content-Type", "text/html; charset=utf-8");
		cr_assert(strncmp(a->body, "Testflinger Server v", 20) == 0 &&
			      strchr(a->body, '\n') == NULL,
		    "%s", a->body);
	}
}

Test(test_status, lives_and_is_ready)
{
	expect_status(get("/v1/health/live"), 200);
	expect_status(get("/v1/health/ready"), 200);
}

Test(test_status, answers_unknown_paths_in_json)
{
	static const char *const paths[] = {"/v1/nothing", "/v1/job/x/y/z",
	    "/v1/result", "/v1/agents", "/v1/health", "/nothing",
	    "/v1/agents/data/a/b/c"};
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		expect_message(get(paths[i]), 404, "Not Found");
}

Test(test_status, names_the_methods_a_path_has)
{
	static const struct {
		const char *path, *method, *allowed;
	} rows[] = {
	    {"/v1", "POST", "GET"},
	    {"/v1/health/live", "DELETE", "GET"},
	    {"/v1/job", "DELETE", "POST"},
	    {"/v1/job", "PUT", "GET"},
	    {"/v1/job/%s", "POST", "GET"},
	    {"/v1/job/%s/action", "GET", "POST"},
	    {"/v1/result/%s", "DELETE", "GET"},
	    {"/v1/result/%s", "PUT", "POST"},
	    {"/v1/agents/data/a", "PATCH", "POST"},
	};
	const struct answer *a;
	const char *path, *allow;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		path = rows[i].path;
		if (strstr(path, "%s") != NULL)
			path = fmt("%.*s%s%s", (int)strcspn(path, "%"), path,
			    new_id(), strchr(path, '%') + 2);
		a = call(rows[i].method, path, NULL, NULL);
		expect_message(a, 405, "Method Not Allowed");
		allow = header(a, "Allow");
		cr_assert(
		    allow != NULL && strstr(allow, rows[i].allowed) != NULL,
		    "%s: Allow: %s", a->what, allow);
		a = call("OPTIONS", path, NULL, NULL);
		expect_status(a, 200);
		cr_assert(a->len == 0, "%s: %s", a->what, a->body);
		allow = header(a, "Allow");
		cr_assert(
		    allow != NULL && strstr(allow, rows[i].allowed) != NULL,
		    "%s: Allow: %s", a->what, allow);
	}
}

Test(test_status, answers_head_like_get_without_the_body)
{
	const char *id = given_ordinary_job(unique("q"));
	const char *paths[] = {"/v1/", "/v1/health/live", fmt("/v1/job/%s", id),
	    fmt("/v1/result/%s", id)};
	const struct answer *a, *b;
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		a = call("HEAD", paths[i], NULL, NULL);
		b = get(paths[i]);
		expect_status(a, b->status);
		cr_assert(a->len == 0);
		expect_header(a, "Content-Type", header(b, "Content-Type"));
		expect_header(a, "Content-Length", fmt("%zu", b->len));
	}
}

/* A client that follows redirects repeats a POST as a GET. */
Test(test_status, serves_odd_spellings_of_a_path_without_redirect)
{
	const char *queue = unique("q"), *id = given_ordinary_job(queue);
	const char *paths[] = {
	    "/v1/job/", "//v1/job", "/v1//job", "/v1//job//", "/%76%31/job"};
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		expect_status(
		    post(paths[i], "{\"job_queue\":\"spelled\"}"), 200);
	expect_status(get(fmt("/v1//job/%s/", id)), 200);
	expect_status(get(fmt("/v1/result//%s", id)), 200);
	expect_status(get("//v1"), 200);
	expect_member(
	    get(fmt("/v1/job/?queue=%s&agent=a", queue)), "job_id", id);
}

Test(test_status, separates_a_path_at_an_encoded_slash_too)
{
	const struct answer *a = get("/v1/queues%2Fnone%2Fjobs");

	expect_status(a, 204);
	/* A name with a slash in it there cannot be. */
	a = get("/v1/queues/a%2Fb/jobs");
	expect_message(a, 404, "Not Found");
	expect_header(a, "Content-Type", "application/json");
}
