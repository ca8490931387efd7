/* The security log: one line of JSON for one event, whatever stands in it. */

#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "seclog.h"

static const char *target, *host, *agent;
static char text[200000];

static const char *
param(void *ctx, const char *name)
{
	(void)ctx;
	if (strcmp(name, "REQUEST_URI") == 0)
		return target;
	if (strcmp(name, "REQUEST_METHOD") == 0)
		return "POST";
	if (strcmp(name, "REMOTE_ADDR") == 0)
		return "192.0.2.7";
	if (strcmp(name, "HTTP_HOST") == 0)
		return host;
	if (strcmp(name, "HTTP_USER_AGENT") == 0)
		return agent;
	return strcmp(name, "TF_REQUEST_ID") == 0 ? "r1" : NULL;
}

static const struct http_io io = {.param = param};
static struct req req = {.io = &io};

static FILE *caught;
static int kept;

/* Between these two, what goes to stderr is in text afterwards. */
static void
catch_stderr(void)
{
	caught = tmpfile();
	cr_assert_not_null(caught);
	kept = dup(STDERR_FILENO);
	cr_assert(dup2(fileno(caught), STDERR_FILENO) != -1);
}

static void
release_stderr(void)
{
	size_t n;

	cr_assert(dup2(kept, STDERR_FILENO) != -1);
	(void)close(kept);
	rewind(caught);
	n = fread(text, 1, sizeof(text) - 1, caught);
	text[n] = '\0';
	(void)fclose(caught);
}

static void
expect_member(const char *name, const char *value)
{
	struct json_object *o = json_tokener_parse(text), *m = NULL;

	cr_assert_not_null(o, "%s", text);
	cr_assert(json_object_object_get_ex(o, name, &m), "%s: %s", name, text);
	cr_expect_str_eq(json_object_get_string(m), value);
	json_object_put(o);
}

Test(seclog, tells_who_did_what_from_where)
{
	clock_set_for_test(1795337503042);
	target = "/v1/job?code=hush";
	host = "lab.example";
	agent = "curl/8";
	catch_stderr();
	seclog(&req, "authz_fail:cli,/v1/job", "client %s, role %s", "cli",
	    "agent");
	release_stderr();
	clock_set_for_test(0);
	cr_expect(strchr(text, '\n') == text + strlen(text) - 1);
	expect_member("datetime", "2026-11-22T08:51:43.042Z");
	expect_member("appid", "testflinger");
	expect_member("level", "CRITICAL");
	expect_member("event", "authz_fail:cli,/v1/job");
	expect_member("description", "client cli, role agent");
	expect_member("source_ip", "192.0.2.7");
	expect_member("hostname", "lab.example");
	expect_member("request_uri", "/v1/job");
	expect_member("request_method", "POST");
	expect_member("useragent", "curl/8");
	expect_member("request_id", "r1");
}

Test(seclog, has_a_level_for_each_event_of_the_vocabulary)
{
	static const struct {
		const char *event, *level;
	} all[] = {{"authn_login_success:a", "INFO"},
	    {"authn_login_fail:a", "WARN"}, {"authn_token_created:a,b", "INFO"},
	    {"authn_token_reuse:a", "CRITICAL"},
	    {"authn_token_revoked:a,b", "INFO"}, {"authz_admin:a,b", "WARN"},
	    {"user_created:a,b", "WARN"}, {"user_updated:a,b", "WARN"},
	    {"user_deleted:a,b", "WARN"}, {"another", "WARN"}};
	size_t i;

	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		catch_stderr();
		seclog(NULL, all[i].event, "x");
		release_stderr();
		expect_member("event", all[i].event);
		expect_member("level", all[i].level);
		expect_member("request_uri", "");
	}
}

Test(seclog, stays_one_line_of_json_whatever_a_client_sends)
{
	char big[9000];

	memset(big, '\x01', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	target = big;
	host = "a\"b\\c\nd\xff\xc3\xa9\x7f";
	agent = big;
	catch_stderr();
	seclog(&req, "authn_login_fail:x", "%s", big);
	release_stderr();
	cr_expect(strchr(text, '\n') == text + strlen(text) - 1);
	cr_expect_leq(strlen(text), 4096);
	expect_member("hostname", "a\"b\\c\nd\xc3\xbf\xc3\xa9\x7f");
}

Test(seclog, a_flood_of_failures_fills_no_disk)
{
	unsigned lines = 0, i;

	target = "/";
	host = agent = "";
	catch_stderr();
	for (i = 0; i < 5000; i++)
		seclog(&req, "authz_fail:unauthenticated,/", "-");
	/* Nor does a flood of one hide another. */
	seclog(&req, "authn_login_fail:unknown", "-");
	seclog(&req, "user_created:a,b,role=admin", "is never left out");
	fflush(stderr);
	cr_assert(dup2(kept, STDERR_FILENO) != -1);
	rewind(caught);
	while (fgets(text, sizeof(text), caught) != NULL)
		lines++;
	(void)fclose(caught);
	cr_expect_eq(lines, 1002, "%u", lines);
	cr_expect_not_null(strstr(text, "user_created"));
}
