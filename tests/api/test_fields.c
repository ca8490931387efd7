/* POST /v1/job with JOB_FIELDS = 'strict': what is refused and in which words, and
 * in which form the rest is kept. */

#include <criterion/criterion.h>
#include <string.h>

#include "api.h"

#define NO_SHAPE                                                               \
	"{\"provision_data\":{\"_schema\":"                                    \
	"[\"Invalid provision data schema.\"]}}"

static void
setup(void)
{
	use_instance("TF_URL_STRICT");
}

TestSuite(test_fields, .init = setup);

/* A job with these members beside its queue. */
static const struct answer *
post_with(const char *members)
{
	return post(
	    "/v1/job", fmt("{\"job_queue\":\"%s\",%s}", unique("q"), members));
}

/* The job as it is read again. */
static const struct answer *
kept(const char *members)
{
	const struct answer *a = post_with(members);

	expect_status(a, 200);
	return get(fmt("/v1/job/%s", member(a, "job_id")));
}

Test(test_fields, tells_five_faults_in_one_answer)
{
	expect_faults(
	    post("/v1/job", "{\"job_queue\":\"\",\"provision_data\":\"x\","
			    "\"tags\":[\"a\",1],\"test_data\":{\"attachments\":"
			    "[{\"device\":\"d\"},5]},\"zzz\":1}"),
	    "{\"job_queue\":[\"Shorter than minimum length 1.\"],"
	    "\"provision_data\":{\"_schema\":\"Invalid data type: x\"},"
	    "\"tags\":{\"1\":[\"Not a valid string.\"]},"
	    "\"test_data\":{\"attachments\":{\"0\":{\"agent\":"
	    "[\"Missing data for required field.\"]},"
	    "\"1\":{\"_schema\":[\"Invalid input type.\"]}}},"
	    "\"zzz\":[\"Unknown field.\"]}");
}

Test(test_fields, names_each_fault)
{
	static const struct {
		const char *members, *faults;
	} rows[] = {
	    {"\"name\":5", "{\"name\":[\"Not a valid string.\"]}"},
	    {"\"name\":null", "{\"name\":[\"Field may not be null.\"]}"},
	    {"\"debug\":2", "{\"debug\":[\"Not a valid boolean.\"]}"},
	    {"\"global_timeout\":true",
		"{\"global_timeout\":[\"Not a valid integer.\"]}"},
	    {"\"allocate_data\":[]",
		"{\"allocate_data\":[\"Not a valid mapping type.\"]}"},
	    {"\"test_data\":5",
		"{\"test_data\":{\"_schema\":[\"Invalid input type.\"]}}"},
	    {"\"test_data\":{\"x\":1}",
		"{\"test_data\":{\"x\":[\"Unknown field.\"]}}"},
	    {"\"test_data\":{\"secrets\":{\"1a\":\"a b\"}}",
		"{\"test_data\":{\"secrets\":{\"1a\":{"
		"\"key\":[\"String does not match expected pattern.\"],"
		"\"value\":[\"String does not match expected pattern.\"]}}}}"},
	    {"\"reserve_data\":{\"ssh_keys\":[\"lp:me\",\"me\"]}",
		"{\"reserve_data\":{\"ssh_keys\":{\"1\":"
		"[\"String does not match expected pattern.\"]}}}"},
	    {"\"provision_data\":[]",
		"{\"provision_data\":{\"_schema\":\"Invalid data type: []\"}}"},
	    {"\"provision_data\":{\"url\":\"http://host/x\"}", NO_SHAPE},
	    {"\"provision_data\":{\"type\":\"cm3\",\"url\":\"http://a.bc\"}",
		NO_SHAPE},
	    {"\"provision_data\":{\"jobs\":[]}", NO_SHAPE},
	    {"\"provision_data\":{\"provision_plan\":{}}", NO_SHAPE},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect_faults(post_with(rows[i].members), rows[i].faults);
}

/* Judged by its value, however it is written. */
Test(test_fields, bounds_queue_timeout)
{
	static const char range[] =
	    "{\"queue_timeout\":[\"Must be greater than or equal to 1 and "
	    "less than or equal to 315360000.\"]}";
	static const char *const good[] = {
	    "5", "5.9", "\"5\"", "\" +5 \"", "\"\\u0035\"", "\"0_5\"", "0.5e1"};
	static const char *const bad[] = {
	    "0", "-5", "0.9", "\"0\"", "5e9", "315360001", "\"\\u0030\""};
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		expect_member(kept(fmt("\"queue_timeout\":%s", good[i])),
		    "queue_timeout", "5");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_faults(
		    post_with(fmt("\"queue_timeout\":%s", bad[i])), range);
}

Test(test_fields, takes_null_for_provision_data_alone)
{
	expect_part(kept("\"provision_data\":null"), "\"provision_data\":null");
	expect_faults(post_with("\"reserve_data\":null"),
	    "{\"reserve_data\":[\"Field may not be null.\"]}");
}

Test(test_fields, keeps_what_it_understands_in_one_form)
{
	const struct answer *a =
	    kept("\"global_timeout\":\"1_0\",\"output_timeout\":-1.9,"
		 "\"debug\":\"Yes\",\"reserve_data\":{\"timeout\":\"1h 30m\"},"
		 "\"provision_data\":{\"url\":\"http://a.bc/x\","
		 "\"robot_tasks\":[\"t\"],\"robot_retries\":\"3\","
		 "\"live_image\":\"on\",\"wait_until_ssh\":0}");

	expect_member(a, "global_timeout", "10");
	expect_member(a, "output_timeout", "-1");
	expect_member(a, "debug", "true");
	expect_member(a, "reserve_data", "{\"timeout\":5400}");
	expect_member(a, "provision_data",
	    "{\"url\":\"http://a.bc/x\",\"robot_tasks\":[\"t\"],"
	    "\"robot_retries\":3,\"live_image\":true,\"wait_until_ssh\":"
	    "false}");
	expect_member(a, "exclude_agents", "[]");
}

Test(test_fields, keeps_free_objects_byte_for_byte)
{
	expect_part(kept("\"allocate_data\":{\"a\" : 1.10},"
			 "\"firmware_update_data\":{ \"v\":[1e400] }"),
	    "\"allocate_data\":{\"a\" : 1.10},"
	    "\"firmware_update_data\":{ \"v\":[1e400] }");
}

Test(test_fields, lets_the_last_of_repeated_keys_count)
{
	expect_member(kept("\"name\":5,\"name\":\"n\""), "name", "n");
	expect_faults(post_with("\"name\":\"n\",\"name\":5"),
	    "{\"name\":[\"Not a valid string.\"]}");
}

Test(test_fields, leaves_unread_fields_alone_in_open_mode)
{
	const char *members =
	    "\"provision_data\":{\"type\":\"x\",\"n\" : 1.10},"
	    "\"debug\":\"?\"";

	use_instance("TF_URL");
	expect_part(kept(members), "{\"type\":\"x\",\"n\" : 1.10}");
	expect_faults(post_with("\"provision_data\":{\"attachments\":[{}]}"),
	    "{\"provision_data\":{\"attachments\":{\"0\":{\"agent\":"
	    "[\"Missing data for required field.\"]}}}}");
}
