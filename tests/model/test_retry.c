/* Jobs of agents that are lost, once more as new ones. */

#include <criterion/criterion.h>
#include <string.h>

#include "agent.h"
#include "archive.h"
#include "job_view.h"
#include "secret.h"
#include "watch.h"

TestSuite(retry, .init = watch_open, .fini = watch_close);

static const char *
view(struct id id)
{
	struct job job = fixture_job(&lab, &id);
	struct buf b;

	buf_init(&b, lab.arena, 256);
	cr_assert_eq(job_view(&b, &job, true, id.text), ERR_OK);
	return b.p;
}

Test(retry, runs_a_job_once_more_as_a_new_one)
{
	struct id id = started("{\"job_queue\":\"q\",\"tags\":[\"t\"],"
			       "\"agent_lost_policy\":\"retry\","
			       "\"parent_job_id\":\"p\","
			       "\"test_data\":{\"test_cmds\":\"x\"}}",
		      "test"),
		  again;
	struct job job, old;

	watch_for(60);
	old = fixture_job(&lab, &id);
	expect_state(id, "cancelled");
	again = retry_of(id);
	expect_state(again, "waiting");
	expect_told(id, again.text);
	cr_expect_eq(events_of(id, "job.retried"), 1);
	expect_event(again, id.text);
	cr_expect_not_null(strstr(view(id), again.text));
	cr_expect_not_null(strstr(view(again), "\"retry_of\":\""));
	cr_expect_not_null(strstr(view(again), id.text));
	/* Its agent gets the same but for the id. */
	cr_assert_eq(fixture_take(&lab, "q", "b", &job), ERR_OK);
	cr_expect_str_eq(job.id.text, again.text);
	cr_expect_eq(job.body_len, old.body_len);
	cr_expect_not_null(strstr(job.body, again.text));
	cr_expect_null(strstr(job.body, id.text));
	cr_expect_not_null(strstr(job.body, "\"parent_job_id\":\"p\""));
	/* The former may still end, and changes nothing of it. */
	cr_assert_eq(reports(id, "a", "complete"), ERR_OK);
	expect_state(id, "complete");
	expect_state(again, "running");
}

static int64_t
number(const char *query, struct id id)
{
	struct db_conn *c = db_read(lab.svc.db);
	struct db_stmt *s;
	int64_t n = -1;

	if (db_query(c, &s, query, "t", id.text) == ERR_OK) {
		n = db_int(s, 0);
		db_end(s);
	}
	db_read_end(lab.svc.db, c);
	return n;
}

Test(retry, keeps_what_the_submission_decided)
{
	struct id id, again;
	struct agent_report report = {.n_log = 0};
	const char *queue = "q";

	report.queues = (struct js_span){"[\"q\"]", 5};
	report.queue_names = &queue;
	report.n_queues = 1;
	cr_assert_eq(agent_put(&lab.svc, "a", &report), ERR_OK);
	id = started("{\"job_queue\":\"q\",\"tags\":[\"t\"],"
		     "\"exclude_agents\":[\"x\",\"y\"],"
		     "\"queue_timeout\":500,\"test_data\":{},"
		     "\"agent_lost_policy\":\"retry\"}",
	    "test");
	fixture_sql(&lab, "UPDATE job SET priority = 7");
	lab.svc.has_broker = true;
	watch_for(60);
	again = retry_of(id);
#define OF_IT "WHERE id = $1"
#define IN_IT "WHERE job = (SELECT seq FROM job WHERE id = $1)"
	cr_expect_eq(number("SELECT priority FROM job " OF_IT, again), 7);
	cr_expect_eq(number("SELECT ready FROM job " OF_IT, again), 1);
	cr_expect_eq(
	    number("SELECT publish_at FROM job " OF_IT, again), watch.wall);
	cr_expect_eq(number("SELECT deadline_at FROM job " OF_IT, again),
	    watch.wall + 500 * 1000);
	cr_expect_eq(
	    number("SELECT count(*) FROM job_exclude " IN_IT, again), 2);
	cr_expect_eq(number("SELECT count(*) FROM job_tag " IN_IT, again), 1);
	lab.svc.has_broker = false;
}

Test(retry, runs_it_three_times_more_and_then_fails)
{
	struct id id = started(
	    "{\"job_queue\":\"q\",\"agent_lost_policy\":\"retry\"}", "test");
	struct job job;
	int i;

	for (i = 0; i < LOST_RETRIES_MAX; i++) {
		watch_for(60);
		id = retry_of(id);
		cr_assert_eq(fixture_take(&lab, "q", "a", &job), ERR_OK);
		cr_expect_str_eq(job.id.text, id.text);
		cr_assert_eq(reports(id, "a", "test"), ERR_OK);
		look();
	}
	watch_for(60);
	expect_state(id, "cancelled");
	cr_expect_null(fixture_job(&lab, &id).retried_as);
	expect_told(id, "after three retries");
	cr_expect_eq(fixture_take(&lab, "q", "a", &job), ERR_NOTFOUND);
}

static const char with_attachments[] =
    "{\"job_queue\":\"q\",\"agent_lost_policy\":\"retry\","
    "\"test_data\":{\"attachments\":[{\"agent\":\"x\"}]}}";

static struct id
started_with_attachments(void)
{
	struct id id = given_job(with_attachments);
	enum attachments before;
	struct blob_file *file;
	struct job job;

	cr_assert_eq(
	    blob_begin(lab.svc.blob, &id, BLOB_ATTACHMENTS, &file), ERR_OK);
	cr_assert_eq(blob_write(file, "tar", 3), ERR_OK);
	cr_assert_eq(
	    archive_put_attachments(&lab.svc, &id, file, &before), ERR_OK);
	blob_end(file);
	cr_assert_eq(fixture_take(&lab, "q", "a", &job), ERR_OK);
	cr_assert_eq(reports(id, "a", "test"), ERR_OK);
	look();
	return id;
}

Test(retry, gives_its_attachments_to_the_new_one)
{
	struct id id = started_with_attachments(), again;
	enum attachments state;
	struct job job;
	const char *buf;
	size_t len;

	watch_for(60);
	again = retry_of(id);
	cr_assert_eq(archive_attachments(&lab.svc, &again, &state), ERR_OK);
	cr_expect_eq(state, ATTACHMENTS_HERE);
	cr_assert_eq(blob_remove(lab.svc.blob, &id, BLOB_ATTACHMENTS), ERR_OK);
	cr_assert_eq(blob_get(lab.svc.blob, &again, BLOB_ATTACHMENTS, lab.arena,
			 10, &buf, &len),
	    ERR_OK);
	cr_expect_str_eq(buf, "tar");
	cr_assert_eq(fixture_take(&lab, "q", "b", &job), ERR_OK);
	cr_expect_str_eq(job.attachments, "complete");
}

Test(retry, fails_where_the_attachments_are_gone)
{
	struct id id = started_with_attachments();
	struct job job;

	cr_assert_eq(blob_remove(lab.svc.blob, &id, BLOB_ATTACHMENTS), ERR_OK);
	watch_for(60);
	expect_state(id, "cancelled");
	expect_told(id, "its attachments cannot be given");
	cr_expect_null(fixture_job(&lab, &id).retried_as);
	cr_expect_eq(fixture_take(&lab, "q", "b", &job), ERR_NOTFOUND);
}

/* A job with a secret of client c, to be handed out. */
static struct id
given_with_a_secret(bool ephemeral)
{
	struct secret_new secret = {"c", "p/x", "v", 1, ephemeral, 0};
	struct id id =
	    given_job("{\"job_queue\":\"q\",\"agent_lost_policy\":\"retry\"}");

	cr_assert_eq(secret_put(&lab.svc, lab.arena, &secret), ERR_OK);
	/* As if it had come with a token. */
	fixture_sql(&lab, "UPDATE job SET secrets = 1, client_id = 'c', body = "
			  "'{\"job_queue\":\"q\",\"test_data\":{\"secrets\":"
			  "{\"X\":\"p/x\"}},\"job_id\":\"' || id || '\"}'");
	return id;
}

static struct id
started_with_a_secret(bool ephemeral)
{
	struct id id = given_with_a_secret(ephemeral);
	const struct handout_ask ask = {
	    (const char *const[]){"q"}, 1, "a", "c", NULL};
	struct job job;

	cr_assert_eq(handout_take(&lab.svc, lab.arena, &ask, &job), ERR_OK);
	cr_expect_str_eq(job.id.text, id.text);
	cr_assert_eq(reports(id, "a", "test"), ERR_OK);
	look();
	return id;
}

#define SEALED                                                                 \
	"AGENT_LOST_TIMEOUT = 60\nAGENT_LOST_TIMEOUT_QUIET = 300\n"            \
	"SECRETS_MASTER_KEY = "                                                \
	"'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='\n"

static void
open_sealed(void)
{
	struct conf_fault fault;

	watch_again_with(SEALED);
	cr_assert_eq(seal_open(&lab.svc.seal, lab.conf, &fault), ERR_OK);
}

Test(retry, runs_one_with_secrets_once_more_while_they_are_there)
{
	struct id id, again;

	open_sealed();
	id = started_with_a_secret(false);
	watch_for(60);
	again = retry_of(id);
	cr_expect_eq(number("SELECT secrets FROM job " OF_IT, again), 1);
	cr_expect_eq(
	    number("SELECT client_id = 'c' FROM job " OF_IT, again), 1);
	cr_expect_eq(number("SELECT secrets_spent FROM job " OF_IT, again), 0);
}

Test(retry, fails_where_an_ephemeral_secret_is_spent)
{
	struct id id;

	open_sealed();
	id = started_with_a_secret(true);
	watch_for(60);
	expect_state(id, "cancelled");
	expect_told(id, "a secret that it names is gone");
	cr_expect_null(fixture_job(&lab, &id).retried_as);
}

/* A claim is the start, but leaves the secret to the next sign. */
Test(retry, fails_where_an_ephemeral_secret_was_told_to_a_claim_alone)
{
	struct claim claim = {.agent = "a", .client = "c"};
	struct job job;
	struct id id;
	enum err e;

	open_sealed();
	id = given_with_a_secret(true);
	claim.id = &id;
	cr_assert_eq(
	    handout_claim(&lab.svc, lab.arena, &claim, &job, &e), CLAIM_OK);
	look();
	watch_for(300);
	expect_state(id, "cancelled");
	expect_told(id, "a secret that it names is gone");
	cr_expect_null(fixture_job(&lab, &id).retried_as);
}
