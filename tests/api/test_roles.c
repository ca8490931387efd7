/* Who may do what without a token, and what a token gets that nobody can
 * verify; JOB_FIELDS = 'strict'. */

#include <criterion/criterion.h>
#include <string.h>

#include "api.h"

#define ROLE "Specified action requires role: "
#define ALL "admin, manager, contributor"

/* Both roles, strict fields. */
static void
use_strict(void)
{
	use_instance("TF_URL_STRICT");
}

/* The contributor's role alone. */
static void
use_contributor(void)
{
	use_instance("TF_URL_CONTRIBUTOR");
}

/* No role. */
static void
use_closed(void)
{
	use_instance("TF_URL_CLOSED");
}

struct row {
	const char *method, *path, *body, *roles;
};

/* Every path that has roles, with a body that would do. */
static const struct row rows[] = {
    {"POST", "/v1/job", "{\"job_queue\":\"roles\"}", ALL},
    {"GET", "/v1/job?queue=roles&agent=a", NULL, "agent"},
    {"GET", "/v1/job/00000000-0000-0000-0000-000000000001", NULL, ALL},
    {"POST", "/v1/job/00000000-0000-0000-0000-000000000001/action",
	"{\"action\":\"cancel\"}", ALL},
    {"POST", "/v1/result/00000000-0000-0000-0000-000000000001", "{}", "agent"},
    {"GET", "/v1/result/00000000-0000-0000-0000-000000000001", NULL,
	ALL ", agent"},
    {"POST", "/v1/result/00000000-0000-0000-0000-000000000001/log/output",
	"{\"fragment_number\":0,\"timestamp\":\"2026-11-25T08:00:00Z\","
	"\"phase\":\"test\",\"log_data\":\"\"}",
	"agent"},
    {"GET", "/v1/result/00000000-0000-0000-0000-000000000001/log/serial", NULL,
	ALL},
    {"GET", "/v1/agents/data/roles", NULL, ALL ", agent"},
    {"POST", "/v1/agents/data/roles", "{}", "admin, manager, agent"},
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

static const struct answer *
call_row(const struct row *r, const char *authorization)
{
	return call(r->method, r->path,
	    fmt("Content-Type: application/json%s", authorization), r->body);
}

Test(test_roles, serves_contributor_and_agent_without_a_token_by_default)
{
	const struct answer *a;
	size_t i;

	for (i = 0; i < N_ROWS; i++) {
		a = call_row(&rows[i], "");
		cr_assert(a->status != 401 && a->status != 403, "%s: %d %s",
		    a->what, a->status, a->body);
	}
}

Test(test_roles, refuses_a_token_that_nobody_can_verify)
{
	const char *forged = "\nAuthorization: Bearer "
			     "eyJhbGciOiJub25lIn0.eyJ4IjoxfQ.";
	const char *torn = "\nAuthorization: Bearer nonsense";
	size_t i;

	for (i = 0; i < N_ROWS; i++) {
		expect_message(
		    call_row(&rows[i], forged), 403, "Invalid Token");
		expect_message(
		    call_row(&rows[i], torn), 403, "Unable to decode token");
	}
}

Test(test_roles, knows_nobody_by_another_scheme)
{
	static const char *const headers[] = {"\nAuthorization: Basic YTpi",
	    "\nAuthorization: bearer a.b.c", "\nAuthorization: a.b.c"};
	size_t i, j;

	for (i = 0; i < N_ROWS; i++)
		for (j = 0; j < sizeof(headers) / sizeof(headers[0]); j++)
			expect_message(call_row(&rows[i], headers[j]), 403,
			    fmt(ROLE "%s", rows[i].roles));
}

Test(test_roles, reads_no_token_where_everybody_may)
{
	const char *bad = "Authorization: Bearer nonsense";

	expect_status(call("GET", "/v1/", bad, NULL), 200);
	expect_status(call("GET", "/v1/health/live", bad, NULL), 200);
}

Test(test_roles, keeps_agents_work_from_a_contributor, .init = use_contributor)
{
	const struct answer *a;
	size_t i;

	for (i = 0; i < N_ROWS; i++) {
		a = call_row(&rows[i], "");
		if (strstr(rows[i].roles, "contributor") == NULL)
			expect_message(a, 403, fmt(ROLE "%s", rows[i].roles));
		else
			cr_assert(a->status != 401 && a->status != 403,
			    "%s: %d %s", a->what, a->status, a->body);
	}
}

Test(test_roles, judges_the_caller_before_the_body, .init = use_contributor)
{
	expect_message(post("/v1/result/zz", "{"), 403, ROLE "agent");
	expect_message(get("/v1/job"), 403, ROLE "agent");
}

Test(test_roles, asks_everybody_for_a_token_where_none_has_a_role,
    .init = use_closed)
{
	size_t i;

	for (i = 0; i < N_ROWS; i++)
		expect_message(call_row(&rows[i], ""), 401,
		    "Authentication is required for specified endpoint");
	expect_status(get("/v1/"), 200);
	expect_status(get("/v1/health/live"), 200);
}

Test(test_roles, refuses_unknown_fields_in_strict_mode, .init = use_strict)
{
	expect_faults(
	    post("/v1/job", "{\"job_queue\":\"q\",\"option\":\"foo\"}"),
	    "{\"option\":[\"Unknown field.\"]}");
	expect_faults(post("/v1/job", "{\"job_queue\":\"q\",\"my_data\":{}}"),
	    "{\"my_data\":[\"Unknown field.\"]}");
}

Test(test_roles, checks_every_field_in_strict_mode, .init = use_strict)
{
	static const struct {
		const char *field, *value, *text;
	} faults[] = {
	    {"name", "5", "Not a valid string."},
	    {"parent_job_id", "[]", "Not a valid string."},
	    {"job_status_webhook", "{}", "Not a valid string."},
	    {"global_timeout", "\"x\"", "Not a valid integer."},
	    {"output_timeout", "true", "Not a valid integer."},
	    {"allocation_timeout", "null", "Field may not be null."},
	    {"debug", "\"maybe\"", "Not a valid boolean."},
	    {"firmware_update_data", "5", "Not a valid mapping type."},
	    {"allocate_data", "[]", "Not a valid mapping type."},
	};
	size_t i;

	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		expect_faults(
		    post("/v1/job", fmt("{\"job_queue\":\"q\",\"%s\":%s}",
					faults[i].field, faults[i].value)),
		    fmt("{\"%s\":[\"%s\"]}", faults[i].field, faults[i].text));
}

Test(test_roles, takes_a_job_of_known_fields_in_strict_mode, .init = use_strict)
{
	const char *queue = unique("q"), *id;
	const struct answer *a;

	id = given_job(
	    fmt("{\"job_queue\":\"%s\",\"name\":\"n\",\"tags\":[\"t\"],"
		"\"debug\":\"yes\",\"global_timeout\":\" 60 \","
		"\"test_data\":{\"test_cmds\":\"true\"},"
		"\"reserve_data\":{\"timeout\":\"2m\"}}",
		queue));
	a = take(unique("a"), queue);
	expect_status(a, 200);
	expect_member(a, "job_id", id);
	expect_member(a, "debug", "true");
	expect_member(a, "global_timeout", "60");
	expect_part(a, "\"timeout\":120");
}

Test(test_roles, knows_no_seed_job_in_strict_mode, .init = use_strict)
{
	const char *id = given_job(fmt("{\"job_queue\":\"%s\"}", unique("q")));

	expect_json(
	    get(fmt("/v1/result/%s", id)), 200, "{\"job_state\":\"waiting\"}");
	expect_member(get(fmt("/v1/job/%s", id)), "exclude_agents", "[]");
}

Test(test_roles, keeps_no_result_of_an_unknown_id_in_strict_mode,
    .init = use_strict)
{
	const char *path = fmt("/v1/result/%s", new_id());

	expect_text(post(path, "{\"job_state\":\"complete\"}"), 200, "OK");
	expect_status(get(path), 204);
}

Test(test_roles, knows_no_seed_result_in_strict_mode, .init = use_strict)
{
	const char *path =
	    fmt("/v1/result/%s", given_ordinary_job(unique("q")));

	expect_faults(post(path, "{\"exit_code\":0,\"job_state\":\"test\"}"),
	    "{\"exit_code\":[\"Unknown field.\"]}");
	expect_faults(
	    post(path, "[1]"), "{\"_schema\":[\"Invalid input type.\"]}");
	expect_json(get(path), 200, "{\"job_state\":\"waiting\"}");
}
