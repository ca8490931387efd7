/* What ends by age, and what never does. */

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "archive.h"
#include "blob_tree.h"
#include "clock.h"
#include "fixture.h"
#include "handout.h"
#include "log.h"
#include "result.h"
#include "retention.h"
#include "schema.h"

#define DAY INT64_C(86400000)

static struct fixture f;
static struct retention *retention;
static int64_t begun;

static void
setup(void)
{
	log_setup("unit", LOG_LVL_ERROR);
	fixture_open(&f, "JOB_MAX_AGE = 86400\nATTACHMENT_TIMEOUT = 3600\n");
	cr_assert_eq(retention_open(&retention, &f.svc), ERR_OK);
	begun = clock_now_ms();
}

static void
teardown(void)
{
	retention_close(retention);
	fixture_close(&f);
}

TestSuite(retention, .init = setup, .fini = teardown);

static bool
never(void)
{
	return false;
}

/* A round long enough for all shards, at this time. */
static void
tick_at(int64_t ms)
{
	int i;

	clock_set_for_test(ms);
	for (i = 0; i < 2; i++)
		retention_tick(retention, never);
}

static struct id
given(const char *body)
{
	struct id id;

	cr_assert_eq(fixture_submit(&f, body, &id), JOB_OK);
	return id;
}

static void
given_file(const struct id *id, enum blob_name name)
{
	cr_assert_eq(blob_put(f.svc.blob, id, name, "x", 1), ERR_OK);
}

static bool
exists(const struct id *id)
{
	struct job job;

	return job_read(&f.svc, f.arena, id, &job) == ERR_OK;
}

static int
entries(const char *name)
{
	char path[128];
	struct dirent *d;
	int n = 0;
	DIR *x;

	(void)snprintf(path, sizeof(path), "%s/%s", f.dir, name);
	x = opendir(path);
	cr_assert_not_null(x);
	while ((d = readdir(x)) != NULL)
		n += d->d_name[0] != '.';
	(void)closedir(x);
	return n;
}

static enum err
put_log_change(struct db_conn *c, void *arg)
{
	const struct id *id = arg;
	enum err e;

	e = db_exec(c, NULL,
	    "INSERT INTO job_log (job, type, phase, size, last, ordered, "
	    "updated_at) VALUES ($1, 'output', 'test', 1, 0, 1, $2)",
	    "ti", id->text, clock_now_ms());
	return e != ERR_OK ? e
			   : db_exec(c, NULL,
				 "INSERT INTO job_fragment (job, type, phase, "
				 "number, start, length, at) VALUES ($1, "
				 "'output', 'test', 0, 0, 1, 0)",
				 "t", id->text);
}

static bool
has_rows(const char *statement, const struct id *id)
{
	struct db_conn *c = db_read(f.svc.db);
	struct db_stmt *s;
	enum err e = db_query(c, &s, statement, "t", id->text);

	if (e == ERR_OK)
		db_end(s);
	db_read_end(f.svc.db, c);
	return e == ERR_OK;
}

static bool
has_log(const struct id *id)
{
	bool log = has_rows("SELECT 1 FROM job_log WHERE job = $1", id);

	cr_expect_eq(
	    has_rows("SELECT 1 FROM job_fragment WHERE job = $1", id), log);
	return log;
}

static bool
is_waiting(const struct id *id)
{
	return has_rows(
	    "SELECT 1 FROM job WHERE id = $1 AND state = 'waiting'", id);
}

static void
expect_settled(int64_t by)
{
	int64_t seen;

	cr_assert_eq(handout_clock(&f.svc, &seen), ERR_OK);
	cr_expect(seen <= by && seen > by - CLOCK_STEP_MS);
}

Test(retention, waits_for_attachments_as_long_when_the_clock_was_set)
{
	struct id id;

	clock_set_for_test(begun);
	expect_settled(0);
	id = given("{\"job_queue\":\"q\",\"test_data\":{\"attachments\":"
		   "[{\"local\":\"x\",\"agent\":\"x\"}]}}");
	cr_assert(exists(&id));
	clock_set_for_test(begun + DAY);
	expect_settled(DAY);
	tick_at(begun + DAY);
	cr_expect(is_waiting(&id));
	clock_set_for_test(begun);
	expect_settled(-DAY);
	tick_at(begun + INT64_C(3500) * 1000);
	cr_expect(is_waiting(&id));
	tick_at(begun + INT64_C(3601) * 1000);
	cr_expect_not(is_waiting(&id));
}

Test(retention, removes_all_of_a_job_that_ended_long_ago)
{
	struct id id = given("{\"job_queue\":\"q\"}");

	given_file(&id, BLOB_ARTIFACT);
	cr_assert_eq(db_write(f.svc.db, put_log_change, &id), ERR_OK);
	cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
	tick_at(begun + DAY / 2);
	cr_expect(exists(&id));
	cr_expect(blob_has(f.svc.blob, &id, BLOB_ARTIFACT));
	cr_expect(has_log(&id));
	tick_at(begun + DAY + 60000);
	cr_expect_not(exists(&id));
	cr_expect_not(blob_has(f.svc.blob, &id, BLOB_ARTIFACT));
	cr_expect_not(has_log(&id));
	cr_expect_eq(entries("trash"), 0);
}

Test(retention, never_touches_a_job_that_has_not_ended)
{
	struct id waiting = given("{\"job_queue\":\"w\"}");
	struct id running = given("{\"job_queue\":\"r\"}");
	struct job job;

	cr_assert_eq(fixture_take(&f, "r", "a", &job), ERR_OK);
	given_file(&waiting, BLOB_RESULT);
	given_file(&running, BLOB_ATTACHMENTS);
	cr_assert_eq(db_write(f.svc.db, put_log_change, &running), ERR_OK);
	tick_at(begun + 1000 * DAY);
	cr_expect(exists(&waiting) && exists(&running));
	cr_expect(blob_has(f.svc.blob, &waiting, BLOB_RESULT));
	cr_expect(blob_has(f.svc.blob, &running, BLOB_ATTACHMENTS));
	cr_expect(has_log(&running));
}

Test(retention, counts_from_the_last_upload)
{
	struct id id = given("{\"job_queue\":\"q\"}");

	/* The job ended long before its artifact came, which is now. */
	clock_set_for_test(begun - 10 * DAY);
	cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
	given_file(&id, BLOB_ARTIFACT);
	tick_at(begun + DAY / 2);
	cr_expect(exists(&id));
	cr_expect(blob_has(f.svc.blob, &id, BLOB_ARTIFACT));
	tick_at(begun + DAY + 60000);
	cr_expect_not(exists(&id));
	cr_expect_not(blob_has(f.svc.blob, &id, BLOB_ARTIFACT));
}

Test(retention, removes_files_and_logs_without_a_job)
{
	struct id file, log;

	id_make(&file);
	id_make(&log);
	given_file(&file, BLOB_RESULT);
	cr_assert_eq(db_write(f.svc.db, put_log_change, &log), ERR_OK);
	tick_at(begun + DAY / 2);
	cr_expect(blob_has(f.svc.blob, &file, BLOB_RESULT));
	cr_expect(has_log(&log));
	tick_at(begun + DAY + 60000);
	cr_expect_not(blob_has(f.svc.blob, &file, BLOB_RESULT));
	cr_expect_not(has_log(&log));
}

Test(retention, removes_many_in_one_round)
{
	struct id ids[200];
	size_t i;

	for (i = 0; i < 200; i++) {
		id_make(&ids[i]);
		given_file(&ids[i], BLOB_RESULT);
		if (i % 2 == 0) {
			ids[i] = given("{\"job_queue\":\"q\"}");
			cr_assert_eq(job_cancel(&f.svc, &ids[i]), ERR_OK);
		}
	}
	tick_at(begun + DAY + 60000);
	for (i = 0; i < 200; i++) {
		cr_expect_not(exists(&ids[i]));
		cr_expect_not(blob_has(f.svc.blob, &ids[i], BLOB_RESULT));
	}
}

Test(retention, leaves_a_new_run_under_an_old_id)
{
	static const char second[] =
	    "{\"job_queue\":\"q\",\"n\":2,\"job_id\":"
	    "\"11111111-2222-3333-4444-555555555555\"}";
	struct id id = given("{\"job_queue\":\"q\",\"n\":1,\"job_id\":"
			     "\"11111111-2222-3333-4444-555555555555\"}");

	given_file(&id, BLOB_ARTIFACT);
	cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
	clock_set_for_test(begun + 2 * DAY);
	cr_assert_eq(fixture_submit(&f, second, &id), JOB_OK);
	tick_at(begun + 2 * DAY);
	cr_expect(exists(&id));
	cr_expect(blob_has(f.svc.blob, &id, BLOB_ARTIFACT));
}

static void
uploads_artifact(const struct id *id)
{
	struct blob_file *file;

	cr_assert_eq(blob_begin(f.svc.blob, id, BLOB_ARTIFACT, &file), ERR_OK);
	cr_assert_eq(blob_write(file, "x", 1), ERR_OK);
	cr_assert_eq(archive_put_artifact(&f.svc, id, file), ERR_OK);
	blob_end(file);
}

static bool
shows_artifact(const struct id *id)
{
	const char *path;
	int64_t size;

	return archive_find_artifact(&f.svc, f.arena, id, &path, &size) ==
	       ERR_OK;
}

Test(retention, shows_no_artifact_of_a_former_run)
{
	static const char second[] =
	    "{\"job_queue\":\"q\",\"n\":2,\"job_id\":"
	    "\"11111111-2222-3333-4444-555555555555\"}";
	struct id id = given("{\"job_queue\":\"q\",\"n\":1,\"job_id\":"
			     "\"11111111-2222-3333-4444-555555555555\"}");

	cr_expect_not(shows_artifact(&id));
	uploads_artifact(&id);
	cr_expect(shows_artifact(&id));
	cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
	cr_expect(shows_artifact(&id));
	cr_assert_eq(fixture_submit(&f, second, &id), JOB_OK);
	cr_expect_not(shows_artifact(&id));
	uploads_artifact(&id);
	cr_expect(shows_artifact(&id));
}

Test(retention, shows_an_artifact_without_a_job)
{
	struct id id;

	id_make(&id);
	uploads_artifact(&id);
	cr_expect(shows_artifact(&id));
}

Test(retention, cancels_a_job_whose_attachments_do_not_come)
{
	struct id id =
	    given("{\"job_queue\":\"q\",\"test_data\":{\"attachments\":[]}}");
	struct id other = given("{\"job_queue\":\"q\"}");

	tick_at(begun + 1800000);
	cr_expect_str_eq(fixture_job(&f, &id).state, JOB_WAITING);
	tick_at(begun + 3700000);
	cr_expect_str_eq(fixture_job(&f, &id).state, JOB_CANCELLED);
	cr_expect_str_eq(fixture_job(&f, &other).state, JOB_WAITING);
	cr_expect_eq(job_cancel(&f.svc, &id), ERR_CONFLICT);
	tick_at(begun + 3700000 + DAY + 60000);
	cr_expect_not(exists(&id));
	cr_expect(exists(&other));
}

Test(retention, says_of_a_job_that_had_ended_no_second_end)
{
	struct id id =
	    given("{\"job_queue\":\"q\",\"test_data\":{\"attachments\":[]}}");
	struct id other =
	    given("{\"job_queue\":\"q\",\"test_data\":{\"attachments\":[]}}");
	const char *ends = "SELECT 1 FROM journal WHERE subject = $1 "
			   "AND kind = 'job.ended'";

	cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
	tick_at(begun + 3700000);
	cr_expect(has_rows(ends, &other));
	cr_expect_not(has_rows(ends, &id));
}

static struct blob_file *
given_upload(const struct id *id, const char *bytes)
{
	struct blob_file *file;

	cr_assert_eq(blob_begin(f.svc.blob, id, BLOB_ARTIFACT, &file), ERR_OK);
	cr_assert_eq(blob_write(file, bytes, strlen(bytes)), ERR_OK);
	return file;
}

Test(retention, offers_a_job_only_with_its_attachments)
{
	struct id id =
	    given("{\"job_queue\":\"q\",\"test_data\":{\"attachments\":[]}}");
	struct blob_file *one = given_upload(&id, "1"),
			 *two = given_upload(&id, "2");
	const char *ready = "SELECT 1 FROM journal WHERE subject = $1 "
			    "AND kind = 'job.ready' GROUP BY subject "
			    "HAVING count(*) = 1";
	enum attachments before;
	struct job job;
	const char *p;
	char dir[8];
	unsigned i;
	size_t n;

	cr_expect_eq(fixture_take(&f, "q", "a", &job), ERR_NOTFOUND);
	cr_expect_not(has_rows(ready, &id));
	cr_assert_eq(
	    archive_put_attachments(&f.svc, &id, one, &before), ERR_OK);
	cr_expect_eq(before, ATTACHMENTS_AWAITED);
	/* Of two at a time the first counts. */
	cr_assert_eq(
	    archive_put_attachments(&f.svc, &id, two, &before), ERR_OK);
	cr_expect_eq(before, ATTACHMENTS_HERE);
	cr_expect(has_rows(ready, &id));
	blob_end(one);
	blob_end(two);
	cr_assert_eq(
	    blob_get(f.svc.blob, &id, BLOB_ATTACHMENTS, f.arena, 9, &p, &n),
	    ERR_OK);
	cr_expect_str_eq(p, "1");
	for (i = 0; i < 16; i++) {
		(void)snprintf(dir, sizeof(dir), "tmp/%x", i & 15);
		cr_expect_eq(entries(dir), 0);
	}
	tick_at(begun + 3700000);
	cr_assert_eq(fixture_take(&f, "q", "a", &job), ERR_OK);
	cr_expect_str_eq(job.attachments, "complete");
}

Test(retention, puts_back_what_it_may_not_remove_after_all)
{
	struct blob_tree *tree;
	struct blob_gone *gone;
	struct id id;
	const char *p;
	size_t n;

	id_make(&id);
	given_file(&id, BLOB_RESULT);
	given_file(&id, BLOB_ARTIFACT);
	cr_assert_eq(blob_tree_open(&tree, f.dir), ERR_OK);
	cr_expect_eq(blob_tree_discard(tree, &id, begun - DAY, &gone),
	    ERR_CONFLICT, "it is young");
	cr_assert_eq(blob_tree_discard(tree, &id, begun + DAY, &gone), ERR_OK);
	cr_expect_not(blob_has(f.svc.blob, &id, BLOB_RESULT));
	/* Meanwhile somebody has posted another. */
	cr_assert_eq(blob_put(f.svc.blob, &id, BLOB_RESULT, "new", 3), ERR_OK);
	blob_gone_undo(gone);
	cr_expect(blob_has(f.svc.blob, &id, BLOB_ARTIFACT));
	cr_assert_eq(
	    blob_get(f.svc.blob, &id, BLOB_RESULT, f.arena, 9, &p, &n), ERR_OK);
	cr_expect_str_eq(p, "new");
	cr_expect_eq(entries("trash"), 0);
	blob_tree_close(tree);
}

Test(retention, empties_the_trash_of_the_dead)
{
	char path[192];
	struct blob_tree *tree;

	(void)snprintf(path, sizeof(path), "%s/trash/x", f.dir);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(blob_tree_open(&tree, f.dir), ERR_OK);
	cr_expect_eq(entries("trash"), 0);
	blob_tree_close(tree);
}
