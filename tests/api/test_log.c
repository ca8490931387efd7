/* POST and GET /v1/result/<id>/log/<type>, and logs in GET /v1/result/<id>. */

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"

#define PHASES                                                                 \
	"Must be one of: setup, provision, firmware_update, test, allocate, "  \
	"reserve, cleanup."
#define NONE "{\"last_fragment_number\":-1,\"log_data\":\"\"}"

static const char *const phases[] = {"setup", "provision", "firmware_update",
    "test", "allocate", "reserve", "cleanup"};

#define N_PHASES (sizeof(phases) / sizeof(phases[0]))

static const char *
log_path(const char *id, const char *type)
{
	return fmt("/v1/result/%s/log/%s", id, type);
}

/* As an agent's: text is JSON without its quotes. */
static const char *
fragment(int number, const char *phase, const char *text)
{
	return fmt("{\"fragment_number\":%d,\"timestamp\":"
		   "\"2026-11-25T08:00:%02d+00:00\",\"phase\":\"%s\","
		   "\"log_data\":\"%s\"}",
	    number, abs(number) % 60, phase, text);
}

static void
put(const char *id, int number, const char *phase, const char *text)
{
	expect_text(post(log_path(id, "output"), fragment(number, phase, text)),
	    200, "OK");
}

/* What GET must say: of one phase this, of the others that they have no log. */
static const char *
all_phases(const char *type, const char *phase, const char *entry)
{
	const char *text = fmt("{\"%s\":{", type);
	size_t i;

	for (i = 0; i < N_PHASES; i++)
		text = fmt("%s%s\"%s\":%s", text, i > 0 ? "," : "", phases[i],
		    strcmp(phases[i], phase) == 0 ? entry : NONE);
	return fmt("%s}}", text);
}

static const char *
entry(int last, const char *text)
{
	return fmt(
	    "{\"last_fragment_number\":%d,\"log_data\":\"%s\"}", last, text);
}

static void
expect_log(const char *id, const char *query, int last, const char *text)
{
	expect_json(get(fmt("%s?phase=test%s", log_path(id, "output"), query)),
	    200, fmt("{\"output\":{\"test\":%s}}", entry(last, text)));
}

Test(test_log, of_an_unknown_job_is_empty_in_every_phase)
{
	const struct answer *a = get(log_path(new_id(), "output"));

	expect_json(a, 200, all_phases("output", "none", ""));
	expect_header(a, "Content-Type", "application/json");
	expect_json(get(log_path(new_id(), "serial")), 200,
	    all_phases("serial", "none", ""));
	expect_json(get(fmt("%s?phase=reserve", log_path(new_id(), "serial"))),
	    200, "{\"serial\":{\"reserve\":" NONE "}}");
}

Test(test_log, is_kept_by_type_and_phase_without_a_job)
{
	const char *id = new_id();
	size_t i;

	for (i = 0; i < N_PHASES; i++)
		put(id, (int)i, phases[i], phases[i]);
	expect_text(post(log_path(id, "serial"),
			fragment(7, "provision", "boot\\r\\n")),
	    200, "OK");
	for (i = 0; i < N_PHASES; i++)
		expect_json(
		    get(fmt("%s?phase=%s", log_path(id, "output"), phases[i])),
		    200,
		    fmt("{\"output\":{\"%s\":%s}}", phases[i],
			entry((int)i, phases[i])));
	expect_json(get(log_path(id, "serial")), 200,
	    all_phases("serial", "provision", entry(7, "boot\\r\\n")));
	expect_status(get(fmt("/v1/result/%s", id)), 204);
}

Test(test_log, is_read_from_a_fragment_and_a_time_on)
{
	const char *id = new_id();

	put(id, 3, "test", "three ");
	put(id, 5, "test", "five ");
	put(id, 9, "test", "nine ");
	expect_log(id, "", 9, "three five nine ");
	expect_log(id, "&start_fragment=0", 9, "three five nine ");
	expect_log(id, "&start_fragment=4", 9, "five nine ");
	expect_log(id, "&start_fragment=9", 9, "nine ");
	expect_log(id, "&start_fragment=10", -1, "");
}

Test(test_log, is_found_in_any_spelling_of_the_id)
{
	const char *id = new_id();

	expect_text(post(fmt("/v1/result/%%7B%s%%7D/log/output/", id),
			fragment(0, "test", "a")),
	    200, "OK");
	expect_log(fmt("urn:uuid:%s", id), "", 0, "a");
}

Test(test_log, has_a_repeated_fragment_once_and_a_changed_one_twice)
{
	const char *id = new_id();

	put(id, 0, "test", "a");
	put(id, 1, "test", "b");
	put(id, 1, "test", "b");
	put(id, 0, "test", "a");
	expect_log(id, "", 1, "ab");
	put(id, 1, "test", "c");
	expect_log(id, "", 1, "abc");
}

Test(test_log, puts_fragments_in_order_whatever_their_numbers)
{
	const char *id = new_id();

	put(id, 40, "test", "d");
	put(id, -2, "test", "a");
	put(id, 7, "test", "c");
	put(id, 0, "test", "b");
	expect_log(id, "", 40, "abcd");
	expect_log(id, "&start_fragment=0", 40, "bcd");
	expect_log(id, "&start_timestamp=2026-11-25T08:00:07Z", 40, "cd");
	expect_log(id,
	    "&start_timestamp=2026-11-25%2009:00:08%2B01:00&start_fragment=1",
	    40, "d");
	expect_log(id, "&start_timestamp=2026-11-25T08:00:41", -1, "");
}

Test(test_log, tells_of_an_empty_fragment_only_its_number)
{
	const char *id = new_id();

	put(id, 4, "test", "");
	expect_log(id, "", 4, "");
	put(id, 4, "test", "x");
	expect_log(id, "", 4, "x");
}

Test(test_log, keeps_every_character)
{
	const char *id = new_id();
	const char *text = "\\u0000\\u001f\\\"\\\\\\/ \\ud83d\\ude00 "
			   "\360\237\230\200 \303\244 \177 \\u2028\\n\\t";

	put(id, 0, "test", text);
	expect_log(id, "", 0, text);
}

Test(test_log, takes_numbers_as_text)
{
	const char *id = new_id();

	expect_text(
	    post(log_path(id, "output"),
		"{\"fragment_number\":\" 1_2 \",\"timestamp\":\"2026-1-2 3:4\","
		"\"phase\":\"test\",\"log_data\":\"x\"}"),
	    200, "OK");
	expect_log(id, "", 12, "x");
	expect_log(id, "&start_fragment=%201_2", 12, "x");
	expect_log(id, "&start_timestamp=2026-01-02T03:04", 12, "x");
	expect_log(id, "&start_timestamp=2026-01-02T03:04:00.000001", -1, "");
}

Test(test_log, names_every_fault_of_a_fragment)
{
	const char *path = log_path(new_id(), "output");

	expect_faults(post(path, "{}"),
	    "{\"fragment_number\":[\"Missing data for required field.\"],"
	    "\"timestamp\":[\"Missing data for required field.\"],"
	    "\"phase\":[\"Missing data for required field.\"],"
	    "\"log_data\":[\"Missing data for required field.\"]}");
	expect_faults(
	    post(path, "{\"fragment_number\":\"x\",\"timestamp\":5,"
		       "\"phase\":\"tests\",\"log_data\":7,\"more\":1}"),
	    "{\"fragment_number\":[\"Not a valid integer.\"],"
	    "\"timestamp\":[\"Not a valid datetime.\"],"
	    "\"phase\":[\"" PHASES "\"],"
	    "\"log_data\":[\"Not a valid string.\"],"
	    "\"more\":[\"Unknown field.\"]}");
	expect_faults(post(path, "{\"fragment_number\":null,\"timestamp\":null,"
				 "\"phase\":null,\"log_data\":null}"),
	    "{\"fragment_number\":[\"Field may not be null.\"],"
	    "\"timestamp\":[\"Field may not be null.\"],"
	    "\"phase\":[\"Field may not be null.\"],"
	    "\"log_data\":[\"Field may not be null.\"]}");
	expect_faults(
	    post(path, "[]"), "{\"_schema\":[\"Invalid input type.\"]}");
	expect_json(get(path), 200, all_phases("output", "none", ""));
}

Test(test_log, judges_the_body_before_the_id_and_the_id_before_the_query)
{
	const char *good = fragment(0, "test", "a");

	expect_status(post(log_path("zz", "output"), "{"), 400);
	expect_faults(post(log_path("zz", "output"),
			  fmt("%.*s,\"z\":1}", (int)strlen(good) - 1, good)),
	    "{\"z\":[\"Unknown field.\"]}");
	expect_message(post(log_path("zz", "output"), good), 400,
	    "Invalid job_id specified");
	expect_message(get(log_path("zz", "output")), 400, "Invalid job id\n");
	expect_message(get(fmt("%s?z=1", log_path("zz", "serial"))), 400,
	    "Invalid job id\n");
}

static void
expect_query_fault(const char *query, const char *faults)
{
	expect_json(get(fmt("%s?%s", log_path(new_id(), "output"), query)), 400,
	    fmt("{\"detail\":{},\"message\":{%s}}", faults));
}

Test(test_log, refuses_a_bad_query_with_an_object_as_message)
{
	expect_query_fault("start_fragment=-1",
	    "\"start_fragment\":[\"Must be greater than or equal to 0.\"]");
	expect_query_fault(
	    "start_fragment=", "\"start_fragment\":[\"Not a valid integer.\"]");
	expect_query_fault("start_fragment=1.5",
	    "\"start_fragment\":[\"Not a valid integer.\"]");
	expect_query_fault("start_fragment=9223372036854775808",
	    "\"start_fragment\":[\"Number too large.\"]");
	/* A plus sign in a query is a space. */
	expect_query_fault("start_timestamp=2026-11-25T08:00:00+01:00",
	    "\"start_timestamp\":[\"Not a valid datetime.\"]");
	expect_query_fault("phase=tests", "\"phase\":[\"" PHASES "\"]");
	expect_query_fault("phase=", "\"phase\":[\"" PHASES "\"]");
	expect_query_fault(
	    "z=1&phase=x&%C3%A4&start_fragment=x&start_timestamp=",
	    "\"z\":[\"Unknown field.\"],\"phase\":[\"" PHASES "\"],"
	    "\"\303\244\":[\"Unknown field.\"],"
	    "\"start_fragment\":[\"Not a valid integer.\"],"
	    "\"start_timestamp\":[\"Not a valid datetime.\"]");
}

Test(test_log, is_404_for_another_type)
{
	static const char *const types[] = {
	    "Output", "outputs", "all", "serial%20", "x/y"};
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		expect_status(get(log_path(new_id(), types[i])), 404);
		expect_status(post(log_path(new_id(), types[i]), "{}"), 404);
	}
	expect_message(get(log_path("zz", "foo")), 404, "Not Found");
	expect_message(call("PUT", log_path(new_id(), "output"), NULL, NULL),
	    405, "Method Not Allowed");
}

Test(test_log, is_in_the_view_of_its_job)
{
	const char *id = given_ordinary_job(unique("q"));
	const char *path = fmt("/v1/result/%s", id);

	expect_json(get(path), 200, "{\"job_state\":\"waiting\"}");
	put(id, 0, "setup", "one ");
	put(id, 2, "setup", "three\\n");
	put(id, 3, "test", "\\u0000\\\"");
	expect_text(
	    post(log_path(id, "serial"), fragment(0, "test", "s")), 200, "OK");
	expect_text(
	    post(path, "{\"job_state\":\"test\",\"status\":{\"setup\":0},"
		       "\"device_info\":{\"n\":1}}"),
	    200, "OK");
	expect_json(get(path), 200,
	    "{\"job_state\":\"test\",\"device_info\":{\"n\":1},"
	    "\"setup_status\":0,\"setup_output\":\"one three\\n\","
	    "\"test_output\":\"\\u0000\\\"\",\"test_serial\":\"s\"}");
	put(id, 1, "setup", "two ");
	expect_part(get(path), "\"setup_output\":\"one two three\\n\"");
	expect_status(call("HEAD", path, NULL, NULL), 200);
}

Test(test_log, posted_before_its_job_is_the_jobs)
{
	const char *id = new_id();

	put(id, 0, "setup", "early");
	expect_status(get(fmt("/v1/result/%s", id)), 204);
	(void)given_job(fmt("{\"job_queue\":\"%s\",\"job_id\":\"%s\","
			    "\"test_data\":{}}",
	    unique("q"), id));
	expect_json(get(fmt("/v1/result/%s", id)), 200,
	    "{\"job_state\":\"waiting\",\"setup_output\":\"early\"}");
}

Test(test_log, of_a_former_run_is_not_shown)
{
	const char *id = new_id(), *queue = unique("q");

	(void)given_job(fmt("{\"job_queue\":\"%s\",\"job_id\":\"%s\","
			    "\"test_data\":{},\"run\":1}",
	    queue, id));
	put(id, 0, "setup", "of the first run");
	expect_text(
	    post(fmt("/v1/job/%s/action", id), "{\"action\":\"cancel\"}"), 200,
	    "OK");
	(void)given_job(fmt("{\"job_queue\":\"%s\",\"job_id\":\"%s\","
			    "\"test_data\":{},\"run\":2}",
	    queue, id));
	expect_json(
	    get(fmt("/v1/result/%s", id)), 200, "{\"job_state\":\"waiting\"}");
	put(id, 0, "setup", "second");
	expect_json(get(fmt("/v1/result/%s", id)), 200,
	    "{\"job_state\":\"waiting\",\"setup_output\":\"second\"}");
}

Test(test_log, is_not_shown_beside_a_result_as_posted)
{
	const char *id = new_id(), *path = fmt("/v1/result/%s", id);

	put(id, 0, "setup", "text");
	expect_text(post(path, "{\"exit_code\":0}"), 200, "OK");
	expect_bytes(get(path), 200, "{\"exit_code\":0}");
	expect_part(get(log_path(id, "output")), "\"log_data\":\"text\"");
}

/* Bigger than nginx's buffers and ours, with characters at every boundary. */
Test(test_log, takes_fragments_of_five_megabytes, .timeout = 120)
{
	const char *id = given_ordinary_job(unique("q")), *line, *text, *a;
	int i;

	line = fmt("%s\\n\303\244\360\237\230\200", repeat('l', 77));
	text = line;
	while (strlen(text) < 5000000)
		text = fmt("%s%s", text, text);
	for (i = 0; i < 3; i++) {
		put(id, i, "test", text);
		put(id, i, "test", text);
	}
	a = get(log_path(id, "output"))->body;
	cr_assert_not_null(strstr(a, "\"last_fragment_number\":2,"));
	a = strstr(a, "\"log_data\":\"lll") + strlen("\"log_data\":\"");
	for (i = 0; i < 3; i++, a += strlen(text))
		cr_assert_eq(strncmp(a, text, strlen(text)), 0);
	cr_expect_eq(strncmp(a, "\"}", 2), 0);
	expect_part(get(fmt("/v1/result/%s", id)),
	    fmt("%s%s%s\"}\n", text, text, text));
}

Test(test_log, is_413_over_the_limit, .timeout = 120)
{
	const char *path = log_path(new_id(), "output");

	expect_message(post(path, fragment(0, "test", repeat('x', 67108864))),
	    413, "Payload too large");
	expect_json(get(path), 200, all_phases("output", "none", ""));
}

Test(test_log, of_two_thousand_fragments_is_read_as_one, .timeout = 120)
{
	const char *id = new_id(), *want = "";
	int i;

	for (i = 1999; i >= 1000; i--)
		put(id, i, "test", fmt("%04d,", i));
	for (i = 0; i < 1000; i++)
		put(id, i, "test", fmt("%04d,", i));
	for (i = 0; i < 2000; i++)
		want = fmt("%s%04d,", want, i);
	expect_log(id, "", 1999, want);
	expect_log(
	    id, "&start_fragment=1995", 1999, "1995,1996,1997,1998,1999,");
}
