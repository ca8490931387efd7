/* From the posted object to the job: what is checked, what is kept. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "job_fields.h"

#define PATTERN "\"String does not match expected pattern.\""

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
	static const char *const names[] = {"retry_of", "retried_as",
	    "client_id", "attachments_status", "started_at", "created_at",
	    "job_state", "result_data", "job_data", "$where", "_id"};
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
	    "{\"test_data\":{\"_schema\":[\"Invalid input type.\"]}}");
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
	    {"\"\\u00a01\\u00a0h\\u20032 m\\u001c\"", 3720},
	    {"\"\\u3000+5\\u0085\"", 5}, {"\"1 hour 2 mins\"", 3720}, {"0", 0},
	    {"null", 3600}, {"-1", -1}, {"\"-1\"", -1}, {"\"\"", -1},
	    {"\"1x\"", -1}, {"\"h\"", -1}, {"1.5", -1}, {"true", -1},
	    {"[]", -1}, {"\"99999999999999999999d\"", -1}};
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

Test(job_fields, sees_attachments_in_every_section_it_knows)
{
	static const char *const names[] = {"provision_data",
	    "firmware_update_data", "allocate_data", "test_data",
	    "reserve_data"};
	char body[128];
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		(void)snprintf(body, sizeof(body),
		    "{\"job_queue\":\"q\",\"%s\":{\"attachments\":[]}}",
		    names[i]);
		cr_assert_eq(read_as(false, body), ERR_OK, "%s", body);
		cr_expect(job.attachments, "%s", body);
	}
}

Test(job_fields, sees_no_attachments_elsewhere)
{
	static const char *const bodies[] = {
	    "{\"job_queue\":\"q\",\"odd_data\":{\"attachments\":[]}}",
	    "{\"job_queue\":\"q\",\"odd\":{\"attachments\":[]}}",
	    "{\"job_queue\":\"q\",\"attachments\":[]}",
	    "{\"job_queue\":\"q\",\"test_data\":{\"x\":{\"attachments\":[]}}}",
	};
	size_t i;

	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		cr_assert_eq(read_as(false, bodies[i]), ERR_OK);
		cr_expect_not(job.attachments, "%s", bodies[i]);
	}
}

Test(job_fields, checks_attachments_in_open_mode_where_they_have_a_shape)
{
	static const char *const names[] = {"provision_data", "test_data"};
	char body[512], json[512];
	size_t i;

	for (i = 0; i < 2; i++) {
		(void)snprintf(body, sizeof(body),
		    "{\"job_queue\":\"q\",\"%s\":{\"attachments\":"
		    "[{\"device\":\"d\"},5,null,{\"agent\":1,\"x\":2},"
		    "{\"agent\":\"a\",\"device\":null}]}}",
		    names[i]);
		(void)snprintf(json, sizeof(json),
		    "{\"%s\":{\"attachments\":{"
		    "\"0\":{\"agent\":[\"Missing data for required field.\"]},"
		    "\"1\":{\"_schema\":[\"Invalid input type.\"]},"
		    "\"2\":[\"Field may not be null.\"],"
		    "\"3\":{\"agent\":[\"Not a valid string.\"]},"
		    "\"4\":{\"device\":[\"Field may not be null.\"]}}}}",
		    names[i]);
		expect_faults(false, body, json);
	}
	expect_body("{\"job_queue\":\"q\",\"test_data\":{ \"attachments\": "
		    "[ {\"agent\" : \"a\",\"x\":1.10} ] }}",
	    "{\"job_queue\":\"q\",\"test_data\":{ \"attachments\": "
	    "[ {\"agent\" : \"a\",\"x\":1.10} ] },"
	    "\"exclude_agents\":[],\"job_id\":\"@ID@\"}");
}

Test(job_fields, names_the_faults_of_secrets_by_key_and_value)
{
	int strict;

	for (strict = 0; strict < 2; strict++) {
		expect_faults(strict == 1,
		    "{\"job_queue\":\"q\",\"test_data\":{\"secrets\":{"
		    "\"1a\":\"p\",\"OK_1\":\"a/b-c_D\",\"a-b\":\"a b\","
		    "\"\":\"p\",\"A\":5,\"B\":null,\"C\":\"\","
		    "\"D\":\"p\\n\",\"E\":\"p\\u0000\"}}}",
		    "{\"test_data\":{\"secrets\":{"
		    "\"1a\":{\"key\":[" PATTERN "]},"
		    "\"a-b\":{\"key\":[" PATTERN "],\"value\":[" PATTERN "]},"
		    "\"\":{\"key\":[" PATTERN "]},"
		    "\"A\":{\"value\":[\"Not a valid string.\"]},"
		    "\"B\":{\"value\":[\"Field may not be null.\"]},"
		    "\"C\":{\"value\":[" PATTERN "]},"
		    "\"D\":{\"value\":[" PATTERN "]},"
		    "\"E\":{\"value\":[" PATTERN "]}}}}");
		expect_faults(strict == 1,
		    "{\"job_queue\":\"q\",\"test_data\":{\"secrets\":[]}}",
		    "{\"test_data\":{\"secrets\":"
		    "[\"Not a valid mapping type.\"]}}");
		expect_faults(strict == 1,
		    "{\"job_queue\":\"q\",\"test_data\":{\"secrets\":null}}",
		    "{\"test_data\":{\"secrets\":"
		    "[\"Field may not be null.\"]}}");
	}
}

Test(job_fields, gives_the_distinct_paths_of_secrets_sorted)
{
	cr_assert_eq(
	    read_as(false, "{\"job_queue\":\"q\",\"test_data\":{\"secrets\":{"
			   "\"A\":\"z/1\",\"B\":\"a\",\"C\":\"z/1\","
			   "\"D\":\"gone\",\"E\":\"Z\",\"D\":\"m\"}}}"),
	    ERR_OK);
	cr_expect(job.secrets);
	cr_assert_eq(job.n_secret_paths, 4);
	cr_expect_str_eq(job.secret_paths[0], "Z");
	cr_expect_str_eq(job.secret_paths[1], "a");
	cr_expect_str_eq(job.secret_paths[2], "m");
	cr_expect_str_eq(job.secret_paths[3], "z/1");
	cr_expect_not_null(
	    strstr(job.body, "{\"A\":\"z/1\",\"B\":\"a\",\"C\":\"z/1\","
			     "\"E\":\"Z\",\"D\":\"m\"}"),
	    "of a name that comes twice only the last is kept");
	cr_assert_eq(read_as(false, "{\"job_queue\":\"q\","
				    "\"test_data\":{\"secrets\":{}}}"),
	    ERR_OK);
	cr_expect(job.secrets && job.n_secret_paths == 0);
}

Test(job_fields, gives_the_tags)
{
	cr_assert_eq(read_as(false, "{\"job_queue\":\"q\","
				    "\"tags\":[\"b\",\"a\",\"b\"]}"),
	    ERR_OK);
	cr_assert_eq(job.n_tags, 3);
	cr_expect_str_eq(job.tags[0], "b");
	cr_expect_str_eq(job.tags[1], "a");
	cr_expect_str_eq(job.tags[2], "b");
	cr_assert_eq(read_as(false, "{\"job_queue\":\"q\"}"), ERR_OK);
	cr_expect_eq(job.n_tags, 0);
}

Test(job_fields, leaves_out_a_timeout_of_null)
{
	expect_body("{\"job_queue\":\"q\",\"reserve_data\":"
		    "{\"timeout\":null,\"ssh_keys\":[]}}",
	    "{\"job_queue\":\"q\",\"reserve_data\":{\"ssh_keys\":[]},"
	    "\"exclude_agents\":[],\"job_id\":\"@ID@\"}");
	cr_expect_eq(job.reserve_s, JOB_RESERVE_ASSUMED_S);
}

/*
 * Three hundred thousand keys or elements.  Were anything quadratic they would
 * take 10^11 steps, which no host makes in the time the case has.
 */
#define MANY 300000

static char *
many(const char *head, const char *before, const char *after, const char *tail)
{
	size_t each = strlen(before) + strlen(after) + 12, i;
	char *body = malloc(MANY * each + 512);
	char *p = stpcpy(body, head);

	for (i = 0; i < MANY; i++) {
		p = stpcpy(stpcpy(p, i > 0 ? "," : ""), before);
		p += sprintf(p, "%zu", i);
		p = stpcpy(p, after);
	}
	(void)strcpy(p, tail);
	return body;
}

Test(job_fields, does_no_quadratic_work, .timeout = 30)
{
	static const struct {
		const char *head, *before, *after, *tail;
		enum err open, strict;
	} cases[] = {
	    {"{\"job_queue\":\"q\",", "\"u", "\":1", "}", ERR_OK, ERR_INVALID},
	    {"{\"job_queue\":\"q\",", "\"name\":\"", "\"", "}", ERR_OK, ERR_OK},
	    {"{\"job_queue\":\"q\",", "\"tags\":", "", "}", ERR_INVALID,
		ERR_INVALID},
	    {"{\"job_queue\":\"q\",\"tags\":[", "\"", "\"", "]}", ERR_INVALID,
		ERR_INVALID},
	    {"{\"job_queue\":\"q\",\"tags\":[", "", "", "]}", ERR_INVALID,
		ERR_INVALID},
	    {"{\"job_queue\":\"q\",\"exclude_agents\":[", "\"", "\"", "]}",
		ERR_INVALID, ERR_INVALID},
	    {"{\"job_queue\":\"q\",\"test_data\":{\"secrets\":{", "\"k",
		"\":\"p\"", "}}}", ERR_INVALID, ERR_INVALID},
	    {"{\"job_queue\":\"q\",\"test_data\":{\"secrets\":{", "\"k\":\"",
		"\"", "}}}", ERR_OK, ERR_OK},
	    {"{\"job_queue\":\"q\",\"test_data\":{\"attachments\":[",
		"{\"agent\":\"", "\"}", "]}}", ERR_OK, ERR_OK},
	    {"{\"job_queue\":\"q\",\"provision_data\":{", "\"u", "\":1", "}}",
		ERR_OK, ERR_INVALID},
	    {"{\"job_queue\":\"q\",\"provision_data\":{\"jobs\":[",
		"{\"a\":", "}", "]}}", ERR_OK, ERR_OK},
	    {"{\"job_queue\":\"q\",\"provision_data\":{", "\"url\":\"", "\"",
		"}}", ERR_OK, ERR_INVALID},
	};
	char *body;
	size_t i;
	int strict;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		body = many(cases[i].head, cases[i].before, cases[i].after,
		    cases[i].tail);
		for (strict = 0; strict < 2; strict++) {
			cr_expect_eq(read_as(strict == 1, body),
			    strict == 1 ? cases[i].strict : cases[i].open,
			    "%zu %d", i, strict);
			cr_expect_leq(faults.n, FAULTS_MAX);
			arena_reset(arena);
		}
		free(body);
	}
}
