/* Agents: what they tell is merged, bounded and shown. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "clock.h"
#include "fixture.h"

static struct fixture f;

static void
setup(void)
{
	fixture_open(&f, "MAX_AGENTS = 2\n");
	clock_set_for_test(1795338103000);
}

static void
teardown(void)
{
	fixture_close(&f);
}

TestSuite(agent, .init = setup, .fini = teardown);

static enum err
put(const char *name, const char *json)
{
	struct agent_report r;
	struct js_fault where;
	struct faults faults;
	struct js_doc doc;

	faults_init(&faults, f.arena);
	cr_assert_eq(
	    js_scan(&doc, f.arena, json, strlen(json), &where), ERR_OK);
	cr_assert_eq(agent_report_read(&doc, &faults, &r), ERR_OK);
	return agent_put(&f.svc, name, &r);
}

static void
expect_view(const char *name, const char *want)
{
	const char *json;
	size_t len;

	cr_assert_eq(agent_read(&f.svc, f.arena, name, &json, &len), ERR_OK);
	cr_expect_str_eq(json, want);
}

Test(agent, keeps_what_it_does_not_tell_again)
{
	cr_assert_eq(put("a1", "{\"state\":\"waiting\",\"comment\":\"\","
			       "\"queues\":[\"q1\", \"q2\"]}"),
	    ERR_OK);
	cr_assert_eq(put("a1", "{\"location\":\"lab\\u00e9\"}"), ERR_OK);
	cr_assert_eq(put("a1", "{}"), ERR_OK);
	expect_view("a1",
	    "{\"comment\":\"\",\"location\":\"lab\xc3\xa9\",\"name\":\"a1\","
	    "\"queues\":[\"q1\", \"q2\"],\"restricted_to\":{},"
	    "\"state\":\"waiting\",\"updated_at\":\"2026-11-22T09:01:43Z\"}\n");
}

Test(agent, that_only_says_its_name_has_no_other_field)
{
	cr_assert_eq(put("a1", "{}"), ERR_OK);
	expect_view("a1", "{\"name\":\"a1\",\"restricted_to\":{},"
			  "\"updated_at\":\"2026-11-22T09:01:43Z\"}\n");
}

Test(agent, nobody_has_told_of_is_not_found)
{
	const char *json;
	size_t len;

	cr_expect_eq(
	    agent_read(&f.svc, f.arena, "nobody", &json, &len), ERR_NOTFOUND);
}

Test(agent, beyond_the_limit_is_refused_and_a_known_one_is_not)
{
	cr_assert_eq(put("a1", "{}"), ERR_OK);
	cr_assert_eq(put("a2", "{}"), ERR_OK);
	cr_expect_eq(put("a3", "{}"), ERR_LIMIT);
	cr_expect_eq(put("a2", "{}"), ERR_OK);
}

static const char sql_log[] = "SELECT log FROM agent WHERE name = $1";

Test(agent, keeps_the_last_hundred_lines_of_its_log)
{
	struct db_conn *c;
	struct db_stmt *s;
	char json[64];
	int i;

	for (i = 0; i < 105; i++) {
		(void)snprintf(json, sizeof(json), "{\"log\":[\"%d\"]}", i);
		cr_assert_eq(put("a1", json), ERR_OK);
	}
	c = db_read(f.svc.db);
	cr_assert_eq(db_query(c, &s, sql_log, "t", "a1"), ERR_OK);
	cr_expect_eq(strncmp(db_text(s, 0, NULL), "[\"5\",\"6\"", 8), 0);
	cr_expect_not_null(strstr(db_text(s, 0, NULL), "\"104\"]"));
	db_end(s);
	db_read_end(f.svc.db, c);
}

Test(agent, keeps_no_more_of_its_log_than_a_quarter_of_a_megabyte)
{
	static char json[100100];
	struct db_conn *c;
	struct db_stmt *s;
	size_t len;
	int i;

	memset(json, 'x', sizeof(json));
	(void)memcpy(json, "{\"log\":[\"", 9);
	(void)strcpy(json + 100009, "\"]}");
	for (i = 0; i < 5; i++)
		cr_assert_eq(put("a1", json), ERR_OK);
	c = db_read(f.svc.db);
	cr_assert_eq(db_query(c, &s, sql_log, "t", "a1"), ERR_OK);
	(void)db_text(s, 0, &len);
	cr_expect_eq(len, 2 * 100002 + 3, "two lines, %zu bytes", len);
	db_end(s);
	db_read_end(f.svc.db, c);
}

Test(agent, names_every_fault_of_its_report)
{
	static const char json[] = "{\"state\":5,\"queues\":[1],\"zzz\":1,"
				   "\"log\":\"x\",\"comment\":null}";
	struct agent_report r;
	struct js_fault where;
	struct faults faults;
	struct js_doc doc;

	faults_init(&faults, f.arena);
	cr_assert_eq(
	    js_scan(&doc, f.arena, json, strlen(json), &where), ERR_OK);
	cr_expect_eq(agent_report_read(&doc, &faults, &r), ERR_INVALID);
	cr_expect_str_eq(faults_json(&faults),
	    "{\"state\":[\"Not a valid string.\"],"
	    "\"queues\":{\"0\":[\"Not a valid string.\"]},"
	    "\"zzz\":[\"Unknown field.\"],\"log\":[\"Not a valid list.\"],"
	    "\"comment\":[\"Field may not be null.\"]}");
}
