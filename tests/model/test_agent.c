/* Agents: what they tell is merged, bounded and shown. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "agent_times.h"
#include "clock.h"
#include "fixture.h"
#include "schema.h"

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
put_with(const char *name, const char *json, const char *key)
{
	struct agent_report r;
	struct js_fault where;
	struct faults faults;
	struct js_doc doc;

	faults_init(&faults, f.arena);
	cr_assert_eq(
	    js_scan(&doc, f.arena, json, strlen(json), &where), ERR_OK);
	cr_assert_eq(agent_report_read(&doc, &faults, &r), ERR_OK);
	r.key = key;
	return agent_put(&f.svc, name, &r);
}

static enum err
put(const char *name, const char *json)
{
	return put_with(name, json, NULL);
}

static const char *
view_of(const char *name)
{
	const char *json;
	size_t len;

	cr_assert_eq(agent_read(&f.svc, f.arena, name, &json, &len), ERR_OK);
	return json;
}

static void
expect_view(const char *name, const char *want)
{
	cr_expect_str_eq(view_of(name), want);
}

Test(agent, keeps_what_it_does_not_tell_again)
{
	cr_assert_eq(put("a1", "{\"state\":\"waiting\",\"comment\":\"\","
			       "\"queues\":[\"q1\", \"q2\"]}"),
	    ERR_OK);
	cr_assert_eq(put("a1", "{\"location\":\"lab\\u00e9\"}"), ERR_OK);
	cr_assert_eq(put("a1", "{}"), ERR_OK);
	expect_view("a1",
	    "{\"name\":\"a1\",\"comment\":\"\",\"location\":\"lab\xc3\xa9\","
	    "\"state\":\"waiting\",\"queues\":[\"q1\", \"q2\"],"
	    "\"restricted_to\":{},\"updated_at\":\"2026-11-22T09:01:43Z\"}\n");
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

static const char sql_log[] = "SELECT lines FROM agent_log WHERE agent = $1";

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

static void
expect_log(const char *name, const char *want)
{
	struct db_conn *c = db_read(f.svc.db);
	struct db_stmt *s;

	cr_assert_eq(db_query(c, &s, sql_log, "t", name), ERR_OK);
	cr_expect_str_eq(db_text(s, 0, NULL), want);
	db_end(s);
	db_read_end(f.svc.db, c);
}

Test(agent, adds_the_lines_of_a_repetition_once)
{
	static const char x[] = "{\"log\":[\"x\"],\"state\":\"waiting\"}";

	cr_assert_eq(put_with("a1", x, "k1"), ERR_OK);
	cr_assert_eq(put_with("a1", x, "k1"), ERR_OK);
	cr_assert_eq(put_with("a2", x, "k1"), ERR_OK);
	expect_log("a1", "[\"x\"]");
	expect_log("a2", "[\"x\"]");
	/* What has no lines, or no key, is no repetition. */
	cr_assert_eq(put_with("a1", "{\"comment\":\"c\"}", "k2"), ERR_OK);
	cr_assert_eq(put_with("a1", x, "k1"), ERR_OK);
	expect_log("a1", "[\"x\"]");
	cr_assert_eq(put("a1", x), ERR_OK);
	cr_assert_eq(put("a1", x), ERR_OK);
	expect_log("a1", "[\"x\",\"x\",\"x\"]");
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

Test(agent, is_on_no_queue_that_no_job_can_name)
{
	struct db_conn *c;
	struct db_stmt *s;

	cr_assert_eq(put("a", "{\"queues\":[\"\",\"q\\u0000x\",\"amq.x\","
			      "\"b\\u0007\",\"good\"]}"),
	    ERR_OK);
	cr_expect_not_null(strstr(view_of("a"),
	    "[\"\",\"q\\u0000x\",\"amq.x\",\"b\\u0007\",\"good\"]"));
	c = db_read(f.svc.db);
	cr_assert_eq(
	    db_query(c, &s, "SELECT queue FROM agent_queue", ""), ERR_OK);
	cr_expect_str_eq(db_text(s, 0, NULL), "good");
	cr_expect_eq(db_next(s), ERR_NOTFOUND);
	db_end(s);
	db_read_end(f.svc.db, c);
}

static void
given_map(void)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/seen", f.dir);
	cr_assert_eq(seen_open(&f.svc.seen, path, 100), ERR_OK);
}

/* An agent whose state fills more than a page. */
static void
given_big(const char *name)
{
	static char state[100000];
	struct agent_report r = {.n_log = 0};

	memset(state, 'x', sizeof(state));
	r.texts[AGENT_STATE] = (struct agent_text_value){state, sizeof(state)};
	cr_assert_eq(agent_put(&f.svc, name, &r), ERR_OK);
}

Test(agent, list_comes_in_pages_of_bounded_size)
{
	struct name_page p = {.any = false};
	struct buf b;
	int pages;

	given_big("a2");
	given_big("a1");
	for (pages = 0; !p.done; pages++) {
		buf_init(&b, f.arena, 64);
		cr_assert_eq(agent_list_page(&f.svc, &p, &b), ERR_OK);
		cr_expect_leq(b.len, 100200);
		if (pages == 0)
			cr_expect_eq(strncmp(b.p, "{\"name\":\"a1\"", 12), 0);
		if (pages == 1)
			cr_expect_eq(strncmp(b.p, ",{\"name\":\"a2\"", 13), 0);
	}
	cr_expect_geq(pages, 2);
}

static enum err
add_owners(struct db_conn *c, void *arg)
{
	static const char *const sql[] = {
	    "INSERT INTO client (id, role, created_at) "
	    "VALUES ('c1', 'contributor', 1), ('c2', 'contributor', 1)",
	    "INSERT INTO queue (name, created_at, restricted) "
	    "VALUES ('q1', 1, 1), ('q2', 1, 0), ('q4', 1, 1), ('q5', 1, 1)",
	    "INSERT INTO client_queue (queue, client) VALUES ('q1', 'c2'), "
	    "('q1', 'c1'), ('q2', 'c1'), ('q4', 'c1'), ('q5', 'c2')"};
	enum err e = ERR_OK;
	size_t i;

	(void)arg;
	for (i = 0; i < 3 && e == ERR_OK; i++)
		e = db_exec(c, NULL, sql[i], "");
	return e;
}

Test(agent, list_tells_who_owns_restricted_queues)
{
	struct name_page p = {.any = false};
	struct buf b;

	cr_assert_eq(db_write(f.svc.db, add_owners, NULL), ERR_OK);
	cr_assert_eq(put("a2", "{\"queues\":[\"q4\",\"q2\",\"q1\"]}"), ERR_OK);
	cr_assert_eq(put("a1", "{\"queues\":[\"q3\"]}"), ERR_OK);
	buf_init(&b, f.arena, 64);
	cr_assert_eq(agent_list_page(&f.svc, &p, &b), ERR_OK);
	cr_expect(p.done);
	cr_expect_str_eq(b.p,
	    "{\"name\":\"a1\",\"state\":\"\",\"queues\":[\"q3\"],"
	    "\"restricted_to\":{},\"updated_at\":\"2026-11-22T09:01:43Z\"},"
	    "{\"name\":\"a2\",\"state\":\"\",\"queues\":[\"q4\",\"q2\",\"q1\"],"
	    "\"restricted_to\":{\"q1\":[\"c1\",\"c2\"],\"q4\":[\"c1\"]},"
	    "\"updated_at\":\"2026-11-22T09:01:43Z\"}");
}

static int64_t
version_of_store(void)
{
	struct db_conn *c = db_read(f.svc.db);
	struct db_stmt *s;
	int64_t n;

	cr_assert_eq(db_query(c, &s, "PRAGMA data_version", ""), ERR_OK);
	n = db_int(s, 0);
	db_end(s);
	db_read_end(f.svc.db, c);
	return n;
}

Test(agent, that_says_nothing_new_costs_no_write_but_is_seen)
{
	static const char report[] =
	    "{\"state\":\"waiting\",\"comment\":\"\",\"queues\":[\"q\"]}";
	int64_t before;

	given_map();
	cr_assert_eq(put("a1", report), ERR_OK);
	before = version_of_store();
	clock_set_for_test(1795338703000);
	cr_assert_eq(put("a1", report), ERR_OK);
	cr_assert_eq(put("a1", "{}"), ERR_OK);
	cr_expect_eq(version_of_store(), before);
	cr_expect_not_null(strstr(view_of("a1"), "2026-11-22T09:11:43Z"));
	cr_assert_eq(put("a1", "{\"state\":\"offline\"}"), ERR_OK);
	cr_expect_neq(version_of_store(), before);
}

/* The map of times is lost; what stands in the store is not. */
static void
lose_map(void)
{
	seen_close(f.svc.seen);
	f.svc.seen = NULL;
}

Test(agent, is_written_down_at_once_when_half_of_its_age_has_passed)
{
	given_map();
	cr_assert_eq(put("a1", "{}"), ERR_OK);
	clock_set_for_test(1795338103000 + 302400000);
	cr_assert_eq(put("a1", "{}"), ERR_OK);
	clock_set_for_test(1795338103000 + 302402000);
	cr_assert_eq(put("a1", "{}"), ERR_OK);
	lose_map();
	clock_set_for_test(1795338103000 + 604801000);
	cr_assert_eq(agent_times_forget_silent(&f.svc), ERR_OK);
	cr_expect_not_null(strstr(view_of("a1"), "2026-11-25T21:01:45Z"));
}

Test(agent, is_written_down_where_there_is_no_map)
{
	cr_assert_eq(put("a1", "{}"), ERR_OK);
	clock_set_for_test(1795338163000);
	cr_assert_eq(put("a1", "{}"), ERR_OK);
	cr_expect_not_null(strstr(view_of("a1"), "2026-11-22T09:02:43Z"));
}

Test(agent, whom_a_wrong_clock_has_dated_ahead_gets_a_true_time)
{
	given_map();
	clock_set_for_test(1795338103000 + 86400000);
	cr_assert_eq(put("a1", "{}"), ERR_OK);
	clock_set_for_test(1795338103000);
	cr_assert_eq(put("a1", "{}"), ERR_OK);
	cr_expect_not_null(strstr(view_of("a1"), "2026-11-22T09:01:43Z"));
	cr_assert_eq(agent_times_write(&f.svc), ERR_OK);
	cr_expect_not_null(strstr(view_of("a1"), "2026-11-22T09:01:43Z"));
}

Test(agent, is_forgotten_when_it_has_been_silent_for_long)
{
	const char *json;
	size_t len;

	given_map();
	cr_assert_eq(put("silent", "{\"queues\":[\"q\"]}"), ERR_OK);
	cr_assert_eq(put("alive", "{}"), ERR_OK);
	clock_set_for_test(1795338103000 + 604700000);
	cr_assert_eq(put("alive", "{}"), ERR_OK);
	clock_set_for_test(1795338103000 + 604801000);
	cr_assert_eq(agent_times_write(&f.svc), ERR_OK);
	cr_assert_eq(agent_times_forget_silent(&f.svc), ERR_OK);
	cr_expect_eq(
	    agent_read(&f.svc, f.arena, "silent", &json, &len), ERR_NOTFOUND);
	cr_expect_eq(agent_read(&f.svc, f.arena, "alive", &json, &len), ERR_OK);
	cr_expect_eq(
	    agent_list_queue(&f.svc, f.arena, "q", &json, &len), ERR_NOTFOUND);
}

static enum err
third_version_row(struct db_conn *c, void *arg)
{
	static const char sql[] = "INSERT INTO agent (name, log, updated_at) "
				  "VALUES ('a1', '[\"x\"]', 1)";

	(void)arg;
	return db_exec(c, NULL, sql, "");
}

Test(agent, keeps_its_log_over_the_step_that_moves_it)
{
	const struct db_schema third = {3, model_schema.steps};
	struct db_options o = {.schema = &third, .readers = 1, .wait_ms = 5000};
	char dir[64], uri[128];

	fixture_mkdir(dir);
	(void)snprintf(uri, sizeof(uri), "sqlite:%s/state.db", dir);
	o.uri = uri;
	db_close(f.svc.db);
	cr_assert_eq(db_open(&f.svc.db, &o), ERR_OK);
	cr_assert_eq(db_write(f.svc.db, third_version_row, NULL), ERR_OK);
	db_close(f.svc.db);
	o.schema = &model_schema;
	cr_assert_eq(db_open(&f.svc.db, &o), ERR_OK);
	cr_assert_eq(put("a1", "{\"log\":[\"y\"]}"), ERR_OK);
	expect_log("a1", "[\"x\",\"y\"]");
	fixture_rmdir(dir);
}
