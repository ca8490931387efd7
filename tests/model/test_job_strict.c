/* A submission in strict mode, field by field; provision_data is in a file of its
 * own. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "job_fields.h"

#define PATTERN "String does not match expected pattern."

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

TestSuite(job_strict, .init = setup, .fini = teardown);

static enum err
read_text(const char *body)
{
	struct js_fault where;
	struct js_doc doc;

	faults_init(&faults, arena);
	cr_assert_eq(js_scan(&doc, arena, body, strlen(body), &where), ERR_OK,
	    "%s", body);
	return job_fields_read(&doc, true, false, &faults, &job);
}

static void
expect_faults(const char *members, const char *json)
{
	char body[1024];

	(void)snprintf(body, sizeof(body), "{\"job_queue\":\"q\",%s}", members);
	if (read_text(body) == ERR_INVALID)
		cr_expect_str_eq(faults_json(&faults), json, "%s", members);
	else
		cr_expect(false, "%s is accepted", members);
}

static void
expect_kept(const char *members, const char *kept)
{
	char body[1024], part[1024];

	(void)snprintf(body, sizeof(body), "{\"job_queue\":\"q\",%s}", members);
	(void)snprintf(part, sizeof(part), "{\"job_queue\":\"q\",%s,", kept);
	if (read_text(body) == ERR_OK)
		cr_expect_eq(strncmp(job.body, part, strlen(part)), 0,
		    "%s kept as %s", members, job.body);
	else
		cr_expect(false, "%s: %s", members, faults_json(&faults));
}

#define N(rows) (sizeof(rows) / sizeof((rows)[0]))

Test(job_strict, has_the_faults_of_the_contract_all_together)
{
	cr_assert_eq(
	    read_text("{\"job_queue\":\"\",\"provision_data\":\"x\","
		      "\"tags\":[\"a\",1],\"test_data\":{\"attachments\":"
		      "[{\"device\":\"d\"},5]},\"zzz\":1}"),
	    ERR_INVALID);
	cr_expect_str_eq(faults_json(&faults),
	    "{\"job_queue\":[\"Shorter than minimum length 1.\"],"
	    "\"provision_data\":{\"_schema\":\"Invalid data type: x\"},"
	    "\"tags\":{\"1\":[\"Not a valid string.\"]},"
	    "\"test_data\":{\"attachments\":{\"0\":{\"agent\":"
	    "[\"Missing data for required field.\"]},"
	    "\"1\":{\"_schema\":[\"Invalid input type.\"]}}},"
	    "\"zzz\":[\"Unknown field.\"]}");
}

/* Each field of a simple type: what it takes, keeps and refuses, and why. */
static const struct {
	const char *field, *good, *kept, *bad, *why;
} fields[] = {
    {"job_id", "\"x\"", "\"x\"", "5", "Not a valid string."},
    {"parent_job_id", "\"\"", "\"\"", "5", "Not a valid string."},
    {"name", "\"a\\u0000b\"", "\"a\\u0000b\"", "{}", "Not a valid string."},
    {"job_status_webhook", "\"no url\"", "\"no url\"", "true",
	"Not a valid string."},
    {"tags", "[ ]", "[ ]", "\"a\"", "Not a valid list."},
    {"tags", "[\"a\", \"a\"]", "[\"a\", \"a\"]", "{}", "Not a valid list."},
    {"exclude_agents", "[]", "[]", "5", "Not a valid list."},
    {"agent_lost_policy", "\"wait\"", "\"wait\"", "\"Wait\"",
	"Must be one of: wait, fail, retry."},
    {"agent_lost_policy", "\"retry\"", "\"retry\"", "\"\"",
	"Must be one of: wait, fail, retry."},
    {"agent_lost_policy", "\"fail\"", "\"fail\"", "5", "Not a valid string."},
    {"job_priority", "1.9", "1", "true", "Not a valid integer."},
    {"job_priority", "\" +1_0 \"", "10", "\"1__0\"", "Not a valid integer."},
    {"global_timeout", "-1.9", "-1", "\"\"", "Not a valid integer."},
    {"output_timeout", "1e2", "100", "\"1.5\"", "Not a valid integer."},
    {"allocation_timeout", "\"-3\"", "-3", "1e400", "Number too large."},
    {"allocation_timeout", "9223372036854775807", "9223372036854775807",
	"9223372036854775808", "Number too large."},
    {"debug", "true", "true", "2", "Not a valid boolean."},
    {"debug", "1", "true", "\"tRUE\"", "Not a valid boolean."},
    {"debug", "0", "false", "\"\"", "Not a valid boolean."},
    {"debug", "\"Off\"", "false", "[]", "Not a valid boolean."},
    {"debug", "\"NO\"", "false", "\" no\"", "Not a valid boolean."},
    {"firmware_update_data", "{\"a\": 1.10}", "{\"a\": 1.10}", "[]",
	"Not a valid mapping type."},
    {"allocate_data", "{}", "{}", "true", "Not a valid mapping type."},
};

Test(job_strict, judges_each_simple_field)
{
	char good[128], kept[128], json[128];
	size_t i;

	for (i = 0; i < N(fields); i++) {
		(void)snprintf(good, sizeof(good), "\"%s\":%s", fields[i].field,
		    fields[i].good);
		(void)snprintf(kept, sizeof(kept), "\"%s\":%s", fields[i].field,
		    fields[i].kept);
		expect_kept(good, kept);
		(void)snprintf(good, sizeof(good), "\"%s\":%s", fields[i].field,
		    fields[i].bad);
		(void)snprintf(json, sizeof(json), "{\"%s\":[\"%s\"]}",
		    fields[i].field, fields[i].why);
		expect_faults(good, json);
		(void)snprintf(
		    good, sizeof(good), "\"%s\":null", fields[i].field);
		(void)snprintf(json, sizeof(json),
		    "{\"%s\":[\"Field may not be null.\"]}", fields[i].field);
		expect_faults(good, json);
	}
}

Test(job_strict, takes_each_spelling_of_a_boolean)
{
	static const char *const words[2][6] = {
	    {"f", "false", "off", "n", "no", "0"},
	    {"t", "true", "on", "y", "yes", "1"},
	};
	char member[64];
	size_t i;
	int value;

	for (value = 0; value < 2; value++)
		for (i = 0; i < 6; i++) {
			(void)snprintf(member, sizeof(member),
			    "\"debug\":\"%s\"", words[value][i]);
			expect_kept(member,
			    value == 1 ? "\"debug\":true" : "\"debug\":false");
		}
}

/* test_data and reserve_data: members within, and the faults under them. */
static const struct {
	const char *section, *posted;
	const char *kept; /* NULL: refused */
	const char *faults;
} sections[] = {
    {"test_data", "{ }", "{ }", NULL},
    {"test_data",
	"{\"test_cmds\":\"c\",\"test_username\":\"u\","
	"\"test_password\":\"p\"}",
	"{\"test_cmds\":\"c\",\"test_username\":\"u\","
	"\"test_password\":\"p\"}",
	NULL},
    {"test_data",
	"{\"test_cmds\":5,\"test_username\":null,"
	"\"test_password\":[]}",
	NULL,
	"{\"test_cmds\":[\"Not a valid string.\"],"
	"\"test_username\":[\"Field may not be null.\"],"
	"\"test_password\":[\"Not a valid string.\"]}"},
    {"test_data", "{\"x\":1}", NULL, "{\"x\":[\"Unknown field.\"]}"},
    {"test_data", "null", NULL, "[\"Field may not be null.\"]"},
    {"test_data", "[]", NULL, "{\"_schema\":[\"Invalid input type.\"]}"},
    {"test_data", "{\"attachments\":[{\"agent\":\"a\",\"device\":\"d\"}]}",
	"{\"attachments\":[{\"agent\":\"a\",\"device\":\"d\"}]}", NULL},
    {"test_data", "{\"attachments\":{}}", NULL,
	"{\"attachments\":[\"Not a valid list.\"]}"},
    {"test_data", "{\"attachments\":null}", NULL,
	"{\"attachments\":[\"Field may not be null.\"]}"},
    {"test_data", "{\"attachments\":[{\"agent\":\"a\",\"local\":\"l\"},null]}",
	NULL,
	"{\"attachments\":{\"0\":{\"local\":[\"Unknown field.\"]},"
	"\"1\":[\"Field may not be null.\"]}}"},
    {"test_data", "{\"secrets\":{\"A\":\"b/c\"}}",
	"{\"secrets\":{\"A\":\"b/c\"}}", NULL},
    {"reserve_data", "{}", "{}", NULL},
    {"reserve_data", "{\"ssh_keys\":[\"lp:me\",\"gh:you\"]}",
	"{\"ssh_keys\":[\"lp:me\",\"gh:you\"]}", NULL},
    {"reserve_data",
	"{\"ssh_keys\":[\"lp:\",\"me\",\"LP:me\",\"gh:a b\",5,\"gh:a\\n\","
	"\"lp:ok\"]}",
	NULL,
	"{\"ssh_keys\":{\"0\":[\"" PATTERN "\"],\"1\":[\"" PATTERN
	"\"],\"2\":[\"" PATTERN "\"],\"3\":[\"" PATTERN
	"\"],\"4\":[\"Not a valid string.\"],\"5\":[\"" PATTERN "\"]}}"},
    {"reserve_data", "{\"ssh_keys\":\"lp:me\"}", NULL,
	"{\"ssh_keys\":[\"Not a valid list.\"]}"},
    {"reserve_data", "{\"timeout\":\"1h30m\"}", "{\"timeout\":5400}", NULL},
    {"reserve_data", "{\"timeout\":null}", "{}", NULL},
    {"reserve_data", "{\"timeout\":-1}", NULL,
	"{\"timeout\":[\"Invalid duration format: Duration cannot be "
	"negative\"]}"},
    {"reserve_data", "{\"timeout\":\" \"}", NULL,
	"{\"timeout\":[\"Invalid duration format: Duration cannot be "
	"empty\"]}"},
    {"reserve_data", "{\"timeout\":\"soon\"}", NULL,
	"{\"timeout\":[\"Invalid duration format: Invalid duration format: "
	"'soon'\"]}"},
    {"reserve_data", "{\"timeout\":1.5}", NULL,
	"{\"timeout\":[\"Invalid duration format: Duration must be string or "
	"int, got <class 'float'>\"]}"},
    {"reserve_data", "{\"timeout\":true}", NULL,
	"{\"timeout\":[\"Invalid duration format: Duration must be string or "
	"int, got <class 'bool'>\"]}"},
    {"reserve_data", "{\"x\":1}", NULL, "{\"x\":[\"Unknown field.\"]}"},
    {"reserve_data", "null", NULL, "[\"Field may not be null.\"]"},
    {"reserve_data", "5", NULL, "{\"_schema\":[\"Invalid input type.\"]}"},
};

Test(job_strict, judges_what_is_within_a_section)
{
	char member[512], json[512];
	size_t i;

	for (i = 0; i < N(sections); i++) {
		(void)snprintf(member, sizeof(member), "\"%s\":%s",
		    sections[i].section, sections[i].posted);
		(void)snprintf(json, sizeof(json),
		    sections[i].kept != NULL ? "\"%s\":%s" : "{\"%s\":%s}",
		    sections[i].section,
		    sections[i].kept != NULL ? sections[i].kept
					     : sections[i].faults);
		if (sections[i].kept != NULL)
			expect_kept(member, json);
		else
			expect_faults(member, json);
	}
}

Test(job_strict, has_no_faults_of_what_a_later_key_replaces)
{
	expect_kept("\"name\":5,\"name\": \"n\"", "\"name\":\"n\"");
	expect_kept(
	    "\"test_data\":{\"x\":1},\"test_data\":{}", "\"test_data\":{}");
	expect_kept("\"test_data\":{\"secrets\":{\"A\":5,\"A\":\"p\"}}",
	    "\"test_data\":{\"secrets\":{\"A\":\"p\"}}");
	expect_faults("\"name\":\"n\",\"name\":5",
	    "{\"name\":[\"Not a valid string.\"]}");
	expect_faults("\"u\":1,\"u\":2", "{\"u\":[\"Unknown field.\"]}");
}

Test(job_strict, keeps_a_free_object_byte_for_byte)
{
	expect_kept("\"allocate_data\": {\"n\" : 1.10,\"n\":[ 1e400 ]}",
	    "\"allocate_data\": {\"n\" : 1.10,\"n\":[ 1e400 ]}");
}

Test(job_strict, adds_excluded_agents_and_no_other_default)
{
	cr_assert_eq(
	    read_text("{\"job_queue\":\"q\",\"job_id\":\"x\"}"), ERR_OK);
	cr_expect_str_eq(job.body,
	    "{\"job_queue\":\"q\",\"job_id\":\"x\",\"exclude_agents\":[]}");
}

Test(job_strict, notes_a_bounded_number_of_faults)
{
	char body[8192] = "{\"job_queue\":\"q\",\"tags\":[1";
	size_t i;

	for (i = 0; i < 1000; i++)
		(void)strcat(body, ",1");
	(void)strcat(body, "]}");
	cr_assert_eq(read_text(body), ERR_INVALID);
	cr_expect_eq(faults.n, FAULTS_MAX);
}
