/* From the posted object to the job: what is checked, what is kept. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "field.h"
#include "job_fields.h"

static struct arena *arena;
static struct faults faults;
static struct job_new job;

static void
setup(void)
{
	arena = arena_new();
}

static void
teardown(void)
{
	arena_free(arena);
}

TestSuite(job_fields, .init = setup, .fini = teardown);

static enum err
read_as(bool strict, const char *body)
{
	struct js_fault where;
	struct js_doc doc;

	faults_init(&faults, arena);
	cr_assert_eq(js_scan(&doc, arena, body, strlen(body), &where), ERR_OK,
	    "%s: %s at %zu", body, where.why, where.offset);
	return job_fields_read(&doc, strict, false, &faults, &job);
}

static void
expect_body(const char *posted, const char *kept)
{
	char want[1024];
	char *at;

	cr_assert_eq(read_as(false, posted), ERR_OK, "%s", posted);
	(void)strcpy(want, kept);
	at = strstr(want, "@ID@");
	if (at != NULL) {
		memmove(at + ID_LEN, at + 4, strlen(at + 4) + 1);
		memcpy(at, job.id.text, ID_LEN);
	}
	cr_expect_str_eq(job.body, want);
	cr_expect_eq(job.body_len, strlen(want));
}

static void
expect_faults(bool strict, const char *posted, const char *json)
{
	cr_assert_eq(read_as(strict, posted), ERR_INVALID, "%s", posted);
	cr_expect_str_eq(faults_json(&faults), json);
}

Test(job_fields, keeps_a_seed_job_byte_for_byte)
{
	expect_body("{ \"job_queue\": \"myqueue\", \"option\":\"foo\" }",
	    "{ \"job_queue\": \"myqueue\", \"option\":\"foo\" "
	    ",\"job_id\":\"@ID@\"}");
	cr_expect(job.seed);
	cr_expect_str_eq(job.queue, "myqueue");
	expect_body("{\"x\":[1.10,18446744073709551616,1e400,\"\\u00e9\"],"
		    "\"job_queue\":\"q\",\"job_priority\":\"0\"}",
	    "{\"x\":[1.10,18446744073709551616,1e400,\"\\u00e9\"],"
	    "\"job_queue\":\"q\",\"job_priority\":\"0\",\"job_id\":\"@ID@\"}");
}

Test(job_fields, tells_a_seed_job_by_its_sections)
{
	cr_assert_eq(
	    read_as(false, "{\"job_queue\":\"q\",\"my_data\":5}"), ERR_OK);
	cr_expect_not(job.seed);
	cr_assert_eq(read_as(true, "{\"job_queue\":\"q\"}"), ERR_OK);
	cr_expect_not(job.seed, "there are none in strict mode");
}

Test(job_fields, normalises_an_ordinary_job_where_the_server_reads_it)
{
	expect_body(
	    "{\"job_queue\":\"q\",\"job_priority\":\" 0 \",\"u\": 1.10,"
	    "\"reserve_data\":{\"a\": 1,\"timeout\": \"1h30m\",\"b\":[ ]},"
	    "\"provision_data\": {\"url\" : 1.0 }}",
	    "{\"job_queue\":\"q\",\"job_priority\":0,\"u\":1.10,"
	    "\"reserve_data\":{\"a\":1,\"timeout\":5400,\"b\":[ ]},"
	    "\"provision_data\":{\"url\" : 1.0 },"
	    "\"exclude_agents\":[],\"job_id\":\"@ID@\"}");
	cr_expect_eq(job.reserve_s, 5400);
}

Test(job_fields, lets_the_last_of_repeated_keys_count)
{
	cr_assert_eq(
	    read_as(false, "{\"job_queue\":\"first\",\"job_queue\":\"last\"}"),
	    ERR_OK);
	cr_expect_str_eq(job.queue, "last");
	expect_body("{\"job_queue\":\"a\",\"x_data\":1,\"job_queue\":\"b\"}",
	    "{\"x_data\":1,\"job_queue\":\"b\",\"exclude_agents\":[],"
	    "\"job_id\":\"@ID@\"}");
}

Test(job_fields, takes_a_given_id_and_passes_it_on_as_it_was_written)
{
	static const char body[] =
	    "{\"job_queue\":\"q\","
	    "\"job_id\":\"7BE00000000040008000000000000001\"}";

	expect_body(body, body);
	cr_expect_str_eq(job.id.text, "7be00000-0000-4000-8000-000000000001");
	cr_expect_str_eq(job.id_text, "7BE00000000040008000000000000001");
	cr_assert_eq(
	    read_as(false, "{\"job_queue\":\"q\",\"job_id\":\"zz\"}"), ERR_OK);
	cr_expect_str_eq(job.id.text, "");
}

Test(job_fields, makes_an_id_where_an_empty_one_is_given)
{
	expect_body("{\"job_id\":\"\",\"job_queue\":\"q\"}",
	    "{\"job_queue\":\"q\",\"job_id\":\"@ID@\"}");
	cr_expect_not(job.id_given);
}

Test(job_fields, refuses_queue_names_no_broker_must_see)
{
	static const struct {
		const char *body, *fault;
	} bad[] = {
	    {"{}", "Missing data for required field."},
	    {"{\"job_queue\":\"\"}", "Shorter than minimum length 1."},
	    {"{\"job_queue\":null}", "Field may not be null."},
	    {"{\"job_queue\":5}", "Not a valid string."},
	    {"{\"job_queue\":[\"q\"]}", "Not a valid string."},
	    {"{\"job_queue\":\"amq.x\"}", "Must not begin with amq."},
	    {"{\"job_queue\":\"a\\u0000b\"}",
		"Must not contain control characters."},
	    {"{\"job_queue\":\"a\\nb\"}",
		"Must not contain control characters."},
	    {"{\"job_queue\":\"a\\u007f\"}",
		"Must not contain control characters."},
	};
	char json[256];
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(json, sizeof(json), "{\"job_queue\":[\"%s\"]}",
		    bad[i].fault);
		expect_faults(false, bad[i].body, json);
	}
}

Test(job_fields, bounds_the_length_of_a_queue_name_in_bytes)
{
	char body[300] = "{\"job_queue\":\"";

	memset(body + 14, 'q', 200);
	(void)strcpy(body + 214, "\"}");
	cr_expect_eq(read_as(false, body), ERR_OK);
	(void)strcpy(body + 214, "q\"}");
	expect_faults(false, body,
	    "{\"job_queue\":[\"Longer than maximum length 200.\"]}");
}

Test(job_fields, refuses_names_that_the_server_gives)
{
	static const char *const names[] = {"client_id", "attachments_status",
	    "started_at", "created_at", "job_state", "result_data", "job_data",
	    "$where", "_id"};
	char body[128], json[128];
	size_t i;
	int strict;

	for (strict = 0; strict < 2; strict++)
		for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			(void)snprintf(body, sizeof(body),
			    "{\"job_queue\":\"q\",\"%s\":1}", names[i]);
			(void)snprintf(json, sizeof(json),
			    "{\"%s\":[\"Unknown field.\"]}", names[i]);
			expect_faults(strict == 1, body, json);
		}
	expect_faults(false, "{\"job_queue\":\"q\",\"client\\u005fid\":1}",
	    "{\"client_id\":[\"Unknown field.\"]}");
}

Test(job_fields, checks_in_open_mode_what_the_server_reads)
{
	expect_faults(false,
	    "{\"job_queue\":\"q\",\"tags\":[\"a\",1,null],"
	    "\"exclude_agents\":\"a\",\"job_priority\":\"x\"}",
	    "{\"tags\":{\"1\":[\"Not a valid string.\"],"
	    "\"2\":[\"Field may not be null.\"]},"
	    "\"exclude_agents\":[\"Not a valid list.\"],"
	    "\"job_priority\":[\"Not a valid integer.\"]}");
	expect_faults(false,
	    "{\"job_queue\":\"q\",\"job_priority\":18446744073709551616}",
	    "{\"job_priority\":[\"Number too large.\"]}");
	expect_faults(false, "{\"job_queue\":\"q\",\"job_priority\":true}",
	    "{\"job_priority\":[\"Not a valid integer.\"]}");
	expect_faults(false, "{\"job_queue\":\"q\",\"job_priority\":1e400}",
	    "{\"job_priority\":[\"Number too large.\"]}");
	expect_faults(false, "{\"job_queue\":\"q\",\"test_data\":[]}",
	    "{\"test_data\":[\"Not a valid mapping type.\"]}");
	cr_expect_eq(
	    read_as(false, "{\"job_queue\":\"q\",\"name\":5,\"debug\":\"?\","
			   "\"provision_data\":\"skip\"}"),
	    ERR_OK, "what it does not read it does not check");
}

Test(job_fields, checks_in_strict_mode_every_field)
{
	expect_faults(true,
	    "{\"job_queue\":\"q\",\"zzz\":1,\"name\":5,\"debug\":\"?\","
	    "\"global_timeout\":\"x\",\"allocate_data\":[]}",
	    "{\"zzz\":[\"Unknown field.\"],\"name\":[\"Not a valid string.\"],"
	    "\"debug\":[\"Not a valid boolean.\"],"
	    "\"global_timeout\":[\"Not a valid integer.\"],"
	    "\"allocate_data\":[\"Not a valid mapping type.\"]}");
	cr_expect_eq(read_as(true,
			 "{\"job_queue\":\"q\",\"debug\":\"Yes\","
			 "\"global_timeout\":\"1_0\",\"provision_data\":null}"),
	    ERR_OK);
	cr_expect_not_null(strstr(job.body, "\"debug\":true"));
	cr_expect_not_null(strstr(job.body, "\"global_timeout\":10"));
	cr_expect_not_null(strstr(job.body, "\"provision_data\":null"));
}

Test(job_fields, reads_durations)
{
	static const struct {
		const char *text;
		int64_t seconds; /* -1: a fault */
	} cases[] = {{"90", 90}, {"\"90\"", 90}, {"\" 1H 30m \"", 5400},
	    {"\"2d 5h\"", 190800}, {"\"+5\"", 5}, {"\"1_0\"", 10},
	    {"\"1 hour 2 mins\"", 3720}, {"0", 0}, {"null", 3600}, {"-1", -1},
	    {"\"-1\"", -1}, {"\"\"", -1}, {"\"1x\"", -1}, {"\"h\"", -1},
	    {"1.5", -1}, {"true", -1}, {"[]", -1},
	    {"\"99999999999999999999d\"", -1}};
	char body[128];
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)snprintf(body, sizeof(body),
		    "{\"job_queue\":\"q\",\"reserve_data\":{\"timeout\":%s}}",
		    cases[i].text);
		cr_expect_eq(read_as(false, body),
		    cases[i].seconds < 0 ? ERR_INVALID : ERR_OK, "%s", body);
		if (cases[i].seconds >= 0)
			cr_expect_eq(
			    job.reserve_s, cases[i].seconds, "%s", body);
	}
}

Test(job_fields, sees_attachments_in_any_section)
{
	cr_assert_eq(read_as(false, "{\"job_queue\":\"q\",\"odd_data\":"
				    "{\"attachments\":[]}}"),
	    ERR_OK);
	cr_expect(job.attachments);
	cr_assert_eq(read_as(false,
			 "{\"job_queue\":\"q\",\"odd\":{\"attachments\":[]}}"),
	    ERR_OK);
	cr_expect_not(job.attachments);
}

Test(job_fields, checks_in_both_modes_what_the_server_reads_of_a_section)
{
	static const struct {
		const char *section;
		const char *faults;
	} cases[] = {
	    {"{\"attachments\":null}",
		"{\"attachments\":[\"" FIELD_NULL "\"]}"},
	    {"{\"attachments\":{}}",
		"{\"attachments\":[\"" FIELD_NOT_LIST "\"]}"},
	    {"{\"attachments\":[{\"agent\":\"a\"},{},3,{\"agent\":\"a\","
	     "\"device\":null}]}",
		"{\"attachments\":{\"1\":{\"agent\":[\"" FIELD_MISSING
		"\"]},\"2\":{\"_schema\":[\"" FIELD_WRONG_INPUT
		"\"]},\"3\":{\"device\":[\"" FIELD_NULL "\"]}}}"},
	    {"{\"secrets\":[]}", "{\"secrets\":[\"" FIELD_NOT_MAP "\"]}"},
	    {"{\"secrets\":{\"A_1\":\"a/b-c\",\"1A\":\"a\",\"B\":\"a b\","
	     "\"C\":\"\",\"D\":1}}",
		"{\"secrets\":{\"1A\":{\"key\":[\"" FIELD_NO_MATCH
		"\"]},\"B\":{\"value\":[\"" FIELD_NO_MATCH
		"\"]},\"C\":{\"value\":[\"" FIELD_NO_MATCH
		"\"]},\"D\":{\"value\":[\"" FIELD_NOT_STRING "\"]}}}"},
	};
	char body[512], json[512];
	size_t i;
	int strict;

	for (strict = 0; strict <= 1; strict++) {
		for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			(void)snprintf(body, sizeof(body),
			    "{\"job_queue\":\"q\",\"test_data\":%s}",
			    cases[i].section);
			(void)snprintf(json, sizeof(json), "{\"test_data\":%s}",
			    cases[i].faults);
			expect_faults(strict, body, json);
		}
	}
}

Test(job_fields, bounds_what_a_hostile_list_costs)
{
	size_t i, n = 100000;
	char *body = malloc(n * 3 + 128), *p;

	p = body + sprintf(body, "{\"job_queue\":\"q\",\"test_data\":"
				 "{\"attachments\":[0");
	for (i = 0; i < n; i++)
		p += sprintf(p, ",0");
	(void)strcpy(p, "]}}");
	cr_expect_eq(read_as(false, body), ERR_INVALID);
	cr_expect_eq(faults.n, FAULTS_MAX);
	free(body);
}

Test(job_fields, is_not_quadratic_in_repeated_or_unknown_keys)
{
	static const char *const keys[] = {"\"name\":1", "\"u\":1"};
	size_t i, k, n = 40000;
	char *body = malloc(n * 10 + 64);
	char *p;

	for (k = 0; k < 2; k++) {
		p = body + sprintf(body, "{\"job_queue\":\"q\"");
		for (i = 0; i < n; i++)
			p += sprintf(p, ",%s", keys[k]);
		(void)strcpy(p, "}");
		cr_expect_eq(read_as(false, body), ERR_OK);
	}
	free(body);
}
