/* JOB_FIELDS = 'strict', and what is judged first.  Who may do what, and what a token gets
 * that does not do, is matrix.py's. */

#include <criterion/criterion.h>

#include "api.h"

#define ROLE "Specified action requires role: "

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
	use_instance("TF_URL_TOKENS");
}

Test(test_roles, judges_the_caller_before_the_body, .init = use_contributor)
{
	expect_message(post("/v1/result/zz", "{"), 403, ROLE "agent");
	expect_message(get("/v1/job"), 403, ROLE "agent");
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
