/* What agents advertise of queues: kept, listed, and dropped when it grows old. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "advert.h"
#include "agent.h"
#include "clock.h"
#include "fixture.h"
#include "wait.h"

#define NOW INT64_C(1795338103000)
#define S INT64_C(1000)

static struct fixture f;

static void
setup(void)
{
	char path[128];

	fixture_open(&f, "QUEUE_MAX_AGE = 1000\n");
	(void)snprintf(path, sizeof(path), "%s/seen", f.dir);
	cr_assert_eq(seen_open(&f.svc.seen, path, 100), ERR_OK);
	clock_set_for_test(NOW);
}

static void
teardown(void)
{
	fixture_close(&f);
}

TestSuite(advert, .init = setup, .fini = teardown);

static void
describe(const char *queue, const char *text)
{
	struct advert item = {queue, text, strlen(text)};
	struct adverts a = {&item, 1};

	cr_assert_eq(advert_put_queues(&f.svc, &a), ERR_OK);
}

static void
give_images(const char *queue, const char *json)
{
	struct advert item = {queue, json, strlen(json)};
	struct adverts a = {&item, 1};

	cr_assert_eq(advert_put_images(&f.svc, &a), ERR_OK);
}

static void
expect_list(const char *want)
{
	struct name_page p = {.any = false};
	struct buf b;

	buf_init(&b, f.arena, 64);
	buf_str(&b, "");
	cr_assert_eq(advert_list_page(&f.svc, &p, &b), ERR_OK);
	cr_expect(p.done);
	cr_expect_str_eq(b.p, want);
}

static void
expect_images(const char *queue, const char *want)
{
	const char *json;
	size_t len;

	cr_assert_eq(
	    advert_images(&f.svc, f.arena, queue, &json, &len), ERR_OK);
	cr_expect_str_eq(json, want);
}

/* Changes whenever somebody else has committed. */
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

Test(advert, that_says_nothing_new_costs_no_write)
{
	int64_t before;

	describe("q", "words");
	give_images("q", "{\"i\":\"x\"}");
	before = version_of_store();
	clock_set_for_test(NOW + 400 * S);
	describe("q", "words");
	give_images("q", "{\"i\":\"x\"}");
	cr_expect_eq(version_of_store(), before);
	give_images("q", "{\"i\":\"y\"}");
	cr_expect_neq(version_of_store(), before);
	expect_images("q", "{\"i\":\"y\"}\n");
}

Test(advert, is_dropped_with_its_images_when_it_is_too_old)
{
	describe("old", "words");
	describe("young", "words");
	give_images("old", "{\"i\":\"x\"}");
	give_images("pictures", "{\"i\":\"x\"}");
	clock_set_for_test(NOW + 400 * S);
	describe("young", "words");
	clock_set_for_test(NOW + 1001 * S);
	cr_assert_eq(advert_tidy(&f.svc, false), ERR_OK);
	expect_list("\"old\":\"words\",\"pictures\":\"\",\"young\":\"words\"");
	cr_assert_eq(advert_tidy(&f.svc, true), ERR_OK);
	expect_list("\"pictures\":\"\",\"young\":\"words\"");
	expect_images("old", "{}\n");
	expect_images("pictures", "{\"i\":\"x\"}\n");
}

Test(advert, is_written_down_at_once_when_half_of_its_age_has_passed)
{
	describe("q", "words");
	clock_set_for_test(NOW + 501 * S);
	describe("q", "words");
	/* The map of times is lost. */
	seen_close(f.svc.seen);
	f.svc.seen = NULL;
	clock_set_for_test(NOW + 1001 * S);
	cr_assert_eq(advert_tidy(&f.svc, true), ERR_OK);
	expect_list("\"q\":\"words\"");
}

static enum err
note_waits(struct db_conn *c, void *arg)
{
	enum err e = wait_note(c, "done", 5);

	(void)arg;
	if (e == ERR_OK)
		e = wait_note(c, "has-job", 5);
	return e == ERR_OK ? queue_know(c, "restricted", 100, NOW) : e;
}

static enum err
restrict_one(struct db_conn *c, void *arg)
{
	static const char sql[] =
	    "UPDATE queue SET restricted = 1 WHERE name = 'restricted'";

	(void)arg;
	return db_exec(c, NULL, sql, "");
}

static enum err
remove_jobs(struct db_conn *c, void *arg)
{
	static const char sql[] = "DELETE FROM job WHERE queue <> 'has-job'";

	(void)arg;
	return db_exec(c, NULL, sql, "");
}

/* The names of queues, with a comma behind each. */
static const char *
known(void)
{
	static const char sql[] = "SELECT name FROM queue ORDER BY name";
	struct db_conn *c = db_read(f.svc.db);
	struct db_stmt *s;
	struct buf b;
	enum err e;

	buf_init(&b, f.arena, 64);
	for (e = db_query(c, &s, sql, ""); e == ERR_OK; e = db_next(s)) {
		buf_str(&b, db_text(s, 0, NULL));
		buf_char(&b, ',');
	}
	if (s != NULL)
		db_end(s);
	db_read_end(f.svc.db, c);
	return b.p;
}

Test(advert, leaves_no_row_of_a_queue_that_nobody_needs)
{
	static const char *const queues[] = {"done", "has-job"};
	const char *name = "has-agent", *json;
	struct agent_report r = {.queues = {"[\"has-agent\"]", 13},
	    .queue_names = &name,
	    .n_queues = 1};
	char body[64];
	struct id id;
	size_t len;
	int i;

	cr_assert_eq(agent_put(&f.svc, "a", &r), ERR_OK);
	for (i = 0; i < 40; i++) {
		(void)snprintf(body, sizeof(body), "{\"job_queue\":\"%d\"}", i);
		(void)fixture_submit(&f, body, &id);
	}
	(void)fixture_submit(&f, "{\"job_queue\":\"done\"}", &id);
	(void)fixture_submit(&f, "{\"job_queue\":\"has-job\"}", &id);
	(void)fixture_submit(&f, "{\"job_queue\":\"has-agent\"}", &id);
	give_images("has-images", "{}");
	describe("described", "words");
	cr_assert_eq(db_write(f.svc.db, note_waits, NULL), ERR_OK);
	cr_assert_eq(db_write(f.svc.db, restrict_one, NULL), ERR_OK);
	cr_assert_eq(db_write(f.svc.db, remove_jobs, NULL), ERR_OK);
	clock_set_for_test(NOW + 900 * S);
	(void)fixture_submit(&f, "{\"job_queue\":\"young\"}", &id);
	cr_assert_eq(db_write(f.svc.db, remove_jobs, NULL), ERR_OK);
	clock_set_for_test(NOW + 1001 * S);
	cr_assert_eq(queue_forget_unused(&f.svc), ERR_OK);
	cr_expect_str_eq(known(), "described,has-agent,has-images,has-job,"
				  "restricted,young,");
	cr_assert_eq(
	    wait_read(&f.svc, f.arena, queues, 2, &json, &len), ERR_OK);
	cr_expect_eq(strncmp(json, "{\"has-job\":{", 12), 0, "%s", json);
}
