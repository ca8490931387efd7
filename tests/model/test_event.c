/* Reports of events: what is good, what is passed on, where they may go. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "event.h"
#include "fixture.h"
#include "webhook.h"

static struct fixture f;

static void
setup(void)
{
	fixture_open(&f, "");
}

static void
teardown(void)
{
	fixture_close(&f);
}

TestSuite(event, .init = setup, .fini = teardown);

static enum err
read_report(const char *json, struct faults *faults, struct event_report *out)
{
	struct js_fault fault;
	struct js_doc doc;

	faults_init(faults, f.arena);
	cr_assert_eq(
	    js_scan(&doc, f.arena, json, strlen(json), &fault), ERR_OK);
	return event_report_read(&doc, faults, out);
}

static void
expect_faults(const char *json, const char *wanted)
{
	struct event_report out;
	struct faults faults;

	cr_assert_eq(read_report(json, &faults, &out), ERR_INVALID);
	cr_expect_str_eq(faults_json(&faults), wanted);
}

static void
expect_passed(const char *json, const char *wanted)
{
	struct event_report out;
	struct faults faults;

	cr_assert_eq(read_report(json, &faults, &out), ERR_OK);
	cr_expect_eq(out.len, strlen(wanted));
	cr_expect_str_eq(out.json, wanted);
	cr_expect_str_eq(out.webhook, "http://h.example/x");
}

#define HOOK "\"job_status_webhook\":\"http://h.example/x\""

Test(event, report_is_passed_on_without_the_webhook)
{
	expect_passed("{" HOOK "}", "{}");
	expect_passed(
	    "{\"events\":[ {\"timestamp\":\"t\",\"event_name\":\"\\u00e9\"} ]"
	    "," HOOK ", \"job_queue\" : \"q\",\"agent_id\":\"a\"}",
	    "{\"events\":[ {\"timestamp\":\"t\",\"event_name\":\"\\u00e9\"} ],"
	    "\"job_queue\":\"q\",\"agent_id\":\"a\"}");
}

Test(event, report_has_the_last_of_a_key_that_comes_twice)
{
	expect_passed("{\"job_status_webhook\":5,\"agent_id\":1,"
		      "\"agent_id\":\"b\"," HOOK "}",
	    "{\"agent_id\":\"b\"}");
}

Test(event, report_names_each_fault)
{
	expect_faults("{}", "{\"job_status_webhook\":"
			    "[\"Missing data for required field.\"]}");
	expect_faults("{\"job_status_webhook\":\"x\"}",
	    "{\"job_status_webhook\":[\"Not a valid URL.\"]}");
	expect_faults("{" HOOK ",\"x\":1,\"agent_id\":1,\"job_queue\":null}",
	    "{\"x\":[\"Unknown field.\"],"
	    "\"agent_id\":[\"Not a valid string.\"],"
	    "\"job_queue\":[\"Field may not be null.\"]}");
	expect_faults(
	    "{" HOOK ",\"events\":{}}", "{\"events\":[\"Not a valid list.\"]}");
	expect_faults("{" HOOK ",\"events\":null}",
	    "{\"events\":[\"Field may not be null.\"]}");
	expect_faults("{" HOOK ",\"events\":[5,{\"event_name\":1,\"x\":\"\","
		      "\"detail\":null}]}",
	    "{\"events\":{\"0\":{\"_schema\":[\"Invalid input type.\"]},"
	    "\"1\":{\"event_name\":[\"Not a valid string.\"],"
	    "\"x\":[\"Unknown field.\"],"
	    "\"detail\":[\"Field may not be null.\"],"
	    "\"timestamp\":[\"Missing data for required field.\"]}}}");
}

Test(event, report_has_a_thousand_events_at_most)
{
	static const char one[] = ",{\"event_name\":\"n\",\"timestamp\":\"t\"}";
	struct event_report out;
	struct faults faults;
	struct buf b;
	int i;

	buf_init(&b, f.arena, 64);
	buf_str(&b, "{" HOOK ",\"events\":[");
	for (i = 0; i < 1000; i++)
		buf_str(&b, one + (i == 0 ? 1 : 0));
	buf_str(&b, "]}");
	cr_expect_eq(read_report(b.p, &faults, &out), ERR_OK);
	b.len -= 2;
	buf_str(&b, one);
	buf_str(&b, "]}");
	expect_faults(
	    b.p, "{\"events\":[\"Longer than maximum length 1000.\"]}");
}

Test(event, goes_to_the_origin_that_is_configured_alone)
{
	static const char *const same[] = {"http://h.example:80",
	    "http://h.example:80/", "HTTP://h.example:80/any/path?q",
	    "http://h.example:80?q", "http://h.example:80#x"};
	static const char *const other[] = {"https://h.example:80/",
	    "http://h.example/", "http://h.example:81/", "http://H.example:80/",
	    "http://h.example:800/", "http://h.example:80@evil.example/",
	    "http://u@h.example:80/", "http://h.example:8",
	    "http://evil.example:80/http://h.example:80", "ftp://h.example:80/",
	    "h.example:80", ""};
	const char *base = "http://h.example:80/events";
	size_t i;

	for (i = 0; i < sizeof(same) / sizeof(same[0]); i++)
		cr_expect(webhook_same_origin(same[i], base), "%s", same[i]);
	for (i = 0; i < sizeof(other) / sizeof(other[0]); i++)
		cr_expect_not(
		    webhook_same_origin(other[i], base), "%s", other[i]);
	cr_expect_eq(uri_origin("ftp://h.example/"), 0);
	cr_expect_eq(uri_origin("http:///x"), 0);
}

Test(event, address_that_nobody_can_call_refuses_the_start)
{
	static const char *const lines[] = {
	    "WEBHOOK_URL = 'h.example'\n", "WEBHOOK_URL = 'ftp://h.example'\n"};
	struct conf_fault fault;
	struct conf *conf;
	size_t i;

	for (i = 0; i < 2; i++) {
		cr_assert_eq(conf_parse(&conf, "test", lines[i],
				 strlen(lines[i]), &fault),
		    ERR_OK);
		cr_expect_eq(svc_check(conf, &fault), ERR_INVALID);
		cr_expect_not_null(strstr(fault.text, "WEBHOOK_URL"));
		conf_free(conf);
	}
}
