/* Why a job waits. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "explain.h"
#include "fixture.h"

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

TestSuite(explain, .init = setup, .fini = teardown);

static struct id
given(const char *body)
{
	struct id id;

	cr_assert_eq(fixture_submit(&f, body, &id), JOB_OK);
	return id;
}

/* It says that it serves these queues, a list in JSON. */
static void
given_agent(const char *name, const char *queues)
{
	struct agent_report report;
	struct js_fault where;
	struct faults faults;
	struct js_doc doc;
	char json[128];

	(void)snprintf(json, sizeof(json), "{\"queues\":%s}", queues);
	cr_assert_eq(
	    js_scan(&doc, f.arena, json, strlen(json), &where), ERR_OK);
	faults_init(&faults, f.arena);
	cr_assert_eq(agent_report_read(&doc, &faults, &report), ERR_OK);
	cr_assert_eq(agent_put(&f.svc, name, &report), ERR_OK);
}

static bool
explains(struct id id, const char *code)
{
	const char *json;
	size_t len;

	cr_assert_eq(explain_job(&f.svc, f.arena, &id, &json, &len), ERR_OK);
	return strstr(json, code) != NULL;
}

Test(explain, calls_all_busy_only_when_all_are_that_may_take_it)
{
	struct job job;
	struct id id;

	given_agent("a", "[\"q\",\"other\"]");
	given_agent("b", "[\"q\",\"other\"]");
	(void)given("{\"job_queue\":\"other\"}");
	cr_assert_eq(fixture_take(&f, "other", "a", &job), ERR_OK);
	id = given("{\"job_queue\":\"q\",\"exclude_agents\":[\"a\"]}");
	cr_expect_not(explains(id, "\"all_busy\""));
	cr_expect(explains(id, "\"soon\""));
	(void)given("{\"job_queue\":\"other\"}");
	cr_assert_eq(fixture_take(&f, "other", "b", &job), ERR_OK);
	cr_expect(explains(id, "\"all_busy\""));
}
