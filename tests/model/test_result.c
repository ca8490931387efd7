/* Results: seed results as posted, reports merged into today's view. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "result.h"

static struct fixture f;
static struct id id;

static void
setup(void)
{
	fixture_open(&f, "");
	id_make(&id);
}

static void
teardown(void)
{
	fixture_close(&f);
}

TestSuite(result, .init = setup, .fini = teardown);

static struct js_doc
scanned(const char *json)
{
	struct js_fault where;
	struct js_doc doc;

	cr_assert_eq(
	    js_scan(&doc, f.arena, json, strlen(json), &where), ERR_OK);
	return doc;
}

static void
report(const char *json)
{
	struct js_doc doc = scanned(json);
	struct result_report r;
	struct faults faults;

	faults_init(&faults, f.arena);
	cr_assert_eq(result_report_read(&doc, &faults, &r), ERR_OK);
	cr_assert_eq(result_report_put(&f.svc, &id, &r), ERR_OK);
}

static void
seed(const char *json, bool has_job)
{
	struct js_doc doc = scanned(json);

	cr_assert_eq(
	    result_seed_put(&f.svc, &id, &doc, json, strlen(json), has_job),
	    ERR_OK);
}

static void
expect_view(const char *want)
{
	struct result_shown shown;

	cr_assert_eq(result_read(&f.svc, f.arena, &id, &shown), ERR_OK);
	cr_expect_null(shown.file);
	cr_expect_str_eq(shown.json, want);
	cr_expect_eq(shown.len, strlen(want));
}

static void
expect_none(void)
{
	struct result_shown shown;

	cr_expect_eq(result_read(&f.svc, f.arena, &id, &shown), ERR_NOTFOUND);
}

static void
given(const char *body)
{
	cr_assert_eq(fixture_submit(&f, body, &id), JOB_OK);
}

static void
expect_state(const char *state)
{
	cr_expect_str_eq(fixture_job(&f, &id).state, state);
}

Test(result, of_nobody_is_kept_as_it_was_posted)
{
	expect_none();
	seed(" {\"output\" : 1.10, \"x\":18446744073709551616} ", false);
	expect_view(" {\"output\" : 1.10, \"x\":18446744073709551616} ");
	seed("null", false);
	expect_view("null");
}

Test(result, of_more_than_128_kibibytes_is_told_as_a_file)
{
	static char json[128 * 1024 + 2];
	struct result_shown shown;
	char want[128];

	memset(json, '1', sizeof(json) - 1);
	json[sizeof(json) - 2] = '\0';
	seed(json, false);
	expect_view(json);
	json[sizeof(json) - 2] = '1';
	seed(json, false);
	cr_assert_eq(result_read(&f.svc, f.arena, &id, &shown), ERR_OK);
	(void)snprintf(
	    want, sizeof(want), "%.2s/%s/result.json", id.text, id.text);
	cr_assert_not_null(shown.file);
	cr_expect_str_eq(shown.file, want);
}

Test(result, of_a_seed_job_is_none_until_one_is_posted_and_ends_it)
{
	struct job job;

	given("{\"job_queue\":\"q\"}");
	expect_none();
	seed("{\"exit_code\":0}", true);
	expect_view("{\"exit_code\":0}");
	expect_state("complete");
	cr_expect_eq(fixture_take(&f, "q", "a", &job), ERR_NOTFOUND);
}

Test(result, of_a_seed_job_may_carry_the_state_it_ends_with)
{
	given("{\"job_queue\":\"q\"}");
	seed("{\"job_state\":\"cancelled\",\"x\":1}", true);
	expect_state("cancelled");
	given("{\"job_queue\":\"q\"}");
	seed("{\"job_state\":\"waiting\"}", true);
	expect_state("complete");
	given("{\"job_queue\":\"q\"}");
	seed("{\"job_state\":5}", true);
	expect_state("complete");
	/* Whatever the word is, the job has ended. */
	given("{\"job_queue\":\"q\"}");
	seed("{\"job_state\":\"test\"}", true);
	expect_state("test");
	cr_expect_eq(job_cancel(&f.svc, &id), ERR_CONFLICT);
}

Test(result, of_a_seed_job_becomes_todays_view_when_it_is_taken_or_cancelled)
{
	struct job job;

	given("{\"job_queue\":\"q\"}");
	cr_assert_eq(fixture_take(&f, "q", "a", &job), ERR_OK);
	expect_view("{\"job_state\":\"running\"}\n");
	given("{\"job_queue\":\"q\"}");
	cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
	expect_view("{\"job_state\":\"cancelled\"}\n");
}

/* Whoever has taken it from the broker may report under a token. */
Test(result, of_a_seed_job_becomes_todays_view_with_a_report)
{
	given("{\"job_queue\":\"q\"}");
	report("{\"job_state\":\"test\",\"status\":{\"setup\":0}}");
	expect_view("{\"job_state\":\"test\",\"setup_status\":0}\n");
	given("{\"job_queue\":\"q\"}");
	report("{\"status\":{\"setup\":0}}");
	expect_view("{\"job_state\":\"waiting\",\"setup_status\":0}\n");
}

Test(result, of_an_ordinary_job_is_rebuilt_from_its_reports)
{
	given("{\"job_queue\":\"q\",\"test_data\":{}}");
	expect_view("{\"job_state\":\"waiting\"}\n");
	report("{\"job_state\":\"setup\"}");
	report("{\"device_info\":{\"device_ip\": \"10.0.0.1\",\"n\":1.10}}");
	report("{\"status\":{\"setup\":0,\"provision\":\"46\"}}");
	expect_view("{\"device_info\":{\"device_ip\": \"10.0.0.1\",\"n\":1.10},"
		    "\"job_state\":\"setup\",\"setup_status\":0,"
		    "\"provision_status\":46}\n");
	report("{\"status\":{\"test\":1.9},\"job_state\":\"complete\"}");
	expect_view("{\"device_info\":{\"device_ip\": \"10.0.0.1\",\"n\":1.10},"
		    "\"job_state\":\"complete\",\"test_status\":1}\n");
}

/* A hundred thousand members cost what seven do. */
Test(result, keeps_the_last_code_of_each_phase)
{
	static char json[1000100];
	size_t n = 0;
	int i;

	n += (size_t)sprintf(json, "{\"status\":{\"test\":0");
	for (i = 0; i < 40000; i++)
		n += (size_t)sprintf(json + n, ",\"setup\":%d", i);
	(void)strcpy(json + n, "}}");
	given("{\"job_queue\":\"q\",\"test_data\":{}}");
	report(json);
	expect_view("{\"job_state\":\"waiting\",\"setup_status\":39999,"
		    "\"test_status\":0}\n");
}

Test(result, posted_over_an_ordinary_job_is_kept_and_ends_it)
{
	given("{\"job_queue\":\"q\",\"test_data\":{}}");
	seed("{\"exit_code\":1}", true);
	expect_view("{\"exit_code\":1}");
	expect_state("complete");
}

Test(result, of_a_cancelled_job_leaves_it_cancelled)
{
	given("{\"job_queue\":\"q\",\"test_data\":{}}");
	cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
	report("{\"job_state\":\"complete\"}");
	seed("{\"exit_code\":1}", true);
	expect_state("cancelled");
}

static bool
shown_as_cancelled(void)
{
	struct result_shown shown;

	cr_assert_eq(result_read(&f.svc, f.arena, &id, &shown), ERR_OK);
	return shown.cancelled;
}

Test(result, of_a_cancelled_job_is_told_with_the_cancellation)
{
	given("{\"job_queue\":\"q\",\"test_data\":{}}");
	seed("{\"exit_code\":1}", true);
	cr_expect_not(shown_as_cancelled());
	given("{\"job_queue\":\"q\",\"test_data\":{}}");
	cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
	seed(" {\"exit_code\" :1.0,\"job_state\":\"complete\"}", true);
	expect_view(" {\"exit_code\" :1.0,\"job_state\":\"complete\"}");
	cr_expect(shown_as_cancelled());
	expect_state("cancelled");
	cr_expect_eq(job_cancel(&f.svc, &id), ERR_CONFLICT);
}

Test(result, posted_before_its_job_does_not_show_as_the_jobs)
{
	(void)id_parse("7be0000000004000800000000000000a", 32, &id);
	seed("{\"old\":1}", false);
	given("{\"job_queue\":\"q\","
	      "\"job_id\":\"7be00000-0000-4000-8000-00000000000a\"}");
	expect_none();
}

Test(result, without_a_job_keeps_no_report)
{
	report("{\"job_state\":\"complete\"}");
	expect_none();
}

Test(result, names_every_fault_of_a_report)
{
	struct js_doc doc =
	    scanned("{\"status\":{\"foo\":1,\"test\":\"x\"},\"device_info\":[],"
		    "\"job_state\":5,\"exit_code\":0}");
	struct result_report r;
	struct faults faults;

	faults_init(&faults, f.arena);
	cr_expect_not(result_is_report(&doc));
	cr_expect_eq(result_report_read(&doc, &faults, &r), ERR_INVALID);
	cr_expect_str_eq(faults_json(&faults),
	    "{\"exit_code\":[\"Unknown field.\"],"
	    "\"status\":{\"foo\":{\"key\":[\"Must be one of: setup, provision, "
	    "firmware_update, test, allocate, reserve, cleanup.\"]},"
	    "\"test\":{\"value\":[\"Not a valid integer.\"]}},"
	    "\"device_info\":[\"Not a valid mapping type.\"],"
	    "\"job_state\":[\"Not a valid string.\"]}");
}
