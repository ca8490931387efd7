/* Agents that fall silent: called lost after the time of their phase and never before, and
 * what becomes of their jobs. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "agent.h"
#include "archive.h"
#include "cause.h"
#include "clock.h"
#include "explain.h"
#include "fixture.h"
#include "job_view.h"
#include "journal.h"
#include "lost.h"
#include "result.h"
#include "secret.h"

#define NOW INT64_C(1800000000000)
#define STEP ((int64_t)LOST_LOOK_MS)

static struct fixture f;
static struct lost *lost;
static int64_t wall, mono;
static struct cause cause;

static void
open_with(const char *conf)
{
	char path[128];

	fixture_open(&f, conf);
	(void)snprintf(path, sizeof(path), "%s/seen", f.dir);
	cr_assert_eq(seen_open(&f.svc.seen, path, 100), ERR_OK);
	lost = lost_new();
	cr_assert_not_null(lost);
	wall = NOW;
	mono = 1000;
	clock_set_for_test(wall);
}

static void
setup(void)
{
	open_with("AGENT_LOST_TIMEOUT = 60\nAGENT_LOST_TIMEOUT_QUIET = 300\n"
		  "RETURN_GRACE = 600\n");
}

static void
teardown(void)
{
	clock_set_for_test(0);
	lost_free(lost);
	fixture_close(&f);
}

TestSuite(lost, .init = setup, .fini = teardown);

static void
again_with(const char *conf)
{
	teardown();
	open_with(conf);
}

/* --- what is done */

static void
look(void)
{
	int64_t n;

	cr_assert_eq(lost_look(lost, &f.svc, mono, &n), ERR_OK);
}

/* Both clocks go on by so many seconds, with a look at each step. */
static void
pass(int64_t s)
{
	int64_t left = s * 1000, step;

	for (; left > 0; left -= step) {
		step = left < STEP ? left : STEP;
		mono += step;
		clock_set_for_test(wall += step);
		look();
	}
}

static void
restart(void)
{
	lost_free(lost);
	lost = lost_new();
	cr_assert_not_null(lost);
	look();
}

static struct id
given(const char *body)
{
	struct id id;

	cr_assert_eq(fixture_submit(&f, body, &id), JOB_OK);
	return id;
}

static enum err
reports(struct id id, const char *agent, const char *state)
{
	const struct result_report r = {
	    .state = state, .state_len = strlen(state)};
	enum err e;

	cause = (struct cause){.agent = agent};
	cause_set(&cause);
	e = result_report_put(&f.svc, &id, &r);
	cause_set(NULL);
	return e;
}

/* A job of queue q that agent a works on in that phase, as the watch has seen. */
static struct id
started(const char *body, const char *phase)
{
	struct id id = given(body);
	struct job job;

	cr_assert_eq(fixture_take(&f, "q", "a", &job), ERR_OK);
	cr_expect_str_eq(job.id.text, id.text);
	if (phase != NULL)
		cr_assert_eq(reports(id, "a", phase), ERR_OK);
	look();
	return id;
}

static void
asks(const char *agent)
{
	seen_touch(f.svc.seen, SEEN_AGENT, agent, wall);
}

/* --- what is seen of it */

static const char *
journal_of(struct id id)
{
	const struct journal_query q = {.subject = id.text, .limit = 100};
	const char *json;
	size_t len;

	cr_assert_eq(journal_read(&f.svc, f.arena, &q, &json, &len), ERR_OK);
	return json;
}

static unsigned
events(struct id id, const char *kind)
{
	const char *at = journal_of(id);
	char want[64];
	unsigned n = 0;

	(void)snprintf(want, sizeof(want), "\"kind\":\"%s\"", kind);
	for (; (at = strstr(at, want)) != NULL; at++)
		n++;
	return n;
}

static const char *
explained(struct id id)
{
	const char *json;
	size_t len;

	cr_assert_eq(explain_job(&f.svc, f.arena, &id, &json, &len), ERR_OK);
	return json;
}

static void
expect_state(struct id id, const char *state)
{
	cr_expect_str_eq(fixture_job(&f, &id).state, state);
}

static void
expect_told(struct id id, const char *text)
{
	cr_expect_not_null(strstr(explained(id), text), "%s is not in %s", text,
	    explained(id));
}

static const char *
view(struct id id)
{
	struct job job = fixture_job(&f, &id);
	struct buf b;

	buf_init(&b, f.arena, 256);
	cr_assert_eq(job_view(&b, &job, true, id.text), ERR_OK);
	return b.p;
}

/* The job that runs it once more. */
static struct id
retry_of(struct id id)
{
	const char *text = fixture_job(&f, &id).retried_as;
	struct id out;

	cr_assert_not_null(text);
	cr_assert(id_parse(text, strlen(text), &out));
	return out;
}

/* --- who is lost, and when */

Test(lost, calls_an_agent_lost_after_the_time_of_its_phase)
{
	struct id id = started("{\"job_queue\":\"q\"}", "test");

	pass(59);
	cr_expect_eq(events(id, "job.lost"), 0);
	expect_told(id, "\"code\":\"running\"");
	pass(1);
	cr_expect_eq(events(id, "job.lost"), 1);
	cr_expect_not_null(strstr(journal_of(id),
	    "{\"agent\":\"a\",\"state\":\"test\",\"silent_s\":60}"));
	expect_told(id, "\"code\":\"agent_lost\"");
	/* It is marked, once, and waits. */
	pass(600);
	cr_expect_eq(events(id, "job.lost"), 1);
	expect_state(id, "test");
}

Test(lost, gives_the_phases_in_which_agents_are_quiet_more_time)
{
	static const char *const quiet[] = {
	    NULL, "provision", "reserve", "some word of its own"};
	static const char *const agents[] = {"a", "b", "c", "d"};
	struct id ids[4];
	struct job job;
	size_t i;

	for (i = 0; i < 4; i++) {
		ids[i] = given("{\"job_queue\":\"q\"}");
		cr_assert_eq(fixture_take(&f, "q", agents[i], &job), ERR_OK);
		if (quiet[i] != NULL)
			cr_assert_eq(
			    reports(ids[i], agents[i], quiet[i]), ERR_OK);
	}
	look();
	pass(299);
	for (i = 0; i < 4; i++)
		cr_expect_eq(events(ids[i], "job.lost"), 0, "%zu", i);
	pass(1);
	for (i = 0; i < 4; i++)
		cr_expect_eq(events(ids[i], "job.lost"), 1, "%zu", i);
}

Test(lost, never_calls_one_lost_that_asks_as_ordinary_agents_do)
{
	struct id id = started("{\"job_queue\":\"q\"}", "allocated");
	int i;

	for (i = 0; i < 20; i++) {
		pass(55);
		asks("a");
	}
	cr_expect_eq(events(id, "job.lost"), 0);
}

Test(lost, hears_a_job_of_which_somebody_without_a_name_posts)
{
	struct id id = started("{\"job_queue\":\"q\"}", "test");
	int i;

	for (i = 0; i < 5; i++) {
		pass(55);
		seen_touch(f.svc.seen, SEEN_JOB, id.text, wall);
	}
	cr_expect_eq(events(id, "job.lost"), 0);
	/* What others say is no word of it. */
	pass(STEP / 1000);
	seen_note(f.svc.seen, SEEN_AGENT, "b", wall);
	pass(60);
	cr_expect_eq(events(id, "job.lost"), 1);
}

Test(lost, does_not_judge_what_was_only_offered_or_has_ended_or_returned)
{
	const struct handout_ask ask = {
	    (const char *const[]){"q"}, 1, "a", NULL, NULL};
	struct id returned = started("{\"job_queue\":\"q\"}", "test"), ended,
		  offered = given("{\"job_queue\":\"q\"}");
	struct job job;

	/* The poll marks the first and is offered the second. */
	cr_assert_eq(handout_take(&f.svc, f.arena, &ask, &job), ERR_OK);
	cr_expect_str_eq(job.id.text, offered.text);
	ended = given("{\"job_queue\":\"q2\"}");
	cr_assert_eq(fixture_take(&f, "q2", "c", &job), ERR_OK);
	cr_assert_eq(reports(ended, "c", "complete"), ERR_OK);
	pass(1000);
	cr_expect_eq(events(returned, "job.agent_returned"), 1);
	cr_expect_eq(events(returned, "job.lost"), 0);
	cr_expect_eq(events(offered, "job.lost"), 0);
	cr_expect_eq(events(ended, "job.lost"), 0);
}

Test(lost, takes_a_step_of_the_wall_clock_for_no_silence)
{
	struct id id = started("{\"job_queue\":\"q\"}", "test");

	asks("a");
	look();
	pass(30);
	clock_set_for_test(wall += INT64_C(86400000));
	look();
	pass(29);
	cr_expect_eq(events(id, "job.lost"), 0);
	clock_set_for_test(wall -= 2 * INT64_C(86400000));
	look();
	pass(59);
	cr_expect_eq(events(id, "job.lost"), 0);
	pass(1);
	cr_expect_eq(events(id, "job.lost"), 1);
}

Test(lost, takes_a_time_in_which_nobody_watched_for_no_silence)
{
	struct id id = started("{\"job_queue\":\"q\"}", "test");

	pass(30);
	/* The host was asleep, and so was the agent's word of it. */
	mono += INT64_C(86400000);
	look();
	cr_expect_eq(events(id, "job.lost"), 0);
	pass(10);
	restart();
	pass(59);
	cr_expect_eq(events(id, "job.lost"), 0);
	pass(1);
	cr_expect_eq(events(id, "job.lost"), 1);
}

Test(lost, takes_a_map_that_was_lost_for_no_silence)
{
	struct id id = started("{\"job_queue\":\"q\"}", "test");
	char path[128];

	asks("a");
	pass(55);
	seen_close(f.svc.seen);
	(void)snprintf(path, sizeof(path), "%s/seen", f.dir);
	(void)remove(path);
	cr_assert_eq(seen_open(&f.svc.seen, path, 100), ERR_OK);
	pass(55);
	/* And hears the agent by the new one, which has never heard its name. */
	asks("a");
	pass(55);
	cr_expect_eq(events(id, "job.lost"), 0);
	/* Without any, nobody is judged. */
	seen_close(f.svc.seen);
	f.svc.seen = NULL;
	pass(600);
	cr_expect_eq(events(id, "job.lost"), 0);
}

Test(lost, can_be_switched_off)
{
	struct id id;

	again_with("AGENT_LOST_TIMEOUT = 0\nAGENT_LOST_TIMEOUT_QUIET = 60\n");
	id = started("{\"job_queue\":\"q\"}", "test");
	pass(600);
	cr_expect_eq(events(id, "job.lost"), 0);
	cr_assert_eq(reports(id, "a", "reserve"), ERR_OK);
	look();
	pass(60);
	cr_expect_eq(events(id, "job.lost"), 1);
}

Test(lost, costs_no_write_while_nothing_changes)
{
	struct id waits = started("{\"job_queue\":\"q\"}", "test");
	char path[128];
	struct stat before, after;

	(void)snprintf(path, sizeof(path), "%s/state.db-wal", f.dir);
	cr_assert_eq(stat(path, &before), 0);
	pass(59);
	asks("a");
	pass(59);
	cr_assert_eq(stat(path, &after), 0);
	cr_expect_eq(after.st_size, before.st_size);
	pass(60);
	cr_expect_eq(events(waits, "job.lost"), 1);
	cr_assert_eq(stat(path, &before), 0);
	cr_expect_gt(before.st_size, after.st_size);
	/* Nor when it has been marked. */
	pass(600);
	cr_assert_eq(stat(path, &after), 0);
	cr_expect_eq(after.st_size, before.st_size);
}

/* --- wait */

Test(lost, takes_the_mark_away_when_the_agent_is_heard_of_again)
{
	struct id id = started("{\"job_queue\":\"q\"}", "test");

	pass(60);
	asks("a");
	pass(5);
	cr_expect_eq(events(id, "job.heard"), 1);
	expect_told(id, "\"code\":\"running\"");
	pass(60);
	cr_expect_eq(events(id, "job.lost"), 2);
	/* Also of what was said while the server was down. */
	wall += 1000;
	asks("a");
	restart();
	cr_expect_eq(events(id, "job.heard"), 2);
	pass(50);
	cr_expect_eq(events(id, "job.heard"), 2);
	cr_assert_eq(reports(id, "a", "complete"), ERR_OK);
	expect_state(id, "complete");
}

Test(lost, lets_the_return_of_the_agent_go_before_the_mark)
{
	const struct handout_ask ask = {
	    (const char *const[]){"q"}, 1, "a", NULL, NULL};
	struct id id;
	struct job job;
	unsigned i;

	again_with("AGENT_LOST_TIMEOUT = 60\nAGENT_LOST_POLICY = 'wait'\n");
	id = started("{\"job_queue\":\"q\"}", "test");
	pass(60);
	expect_told(id, "\"code\":\"agent_lost\"");
	asks("a");
	cr_expect_eq(handout_take(&f.svc, f.arena, &ask, &job), ERR_NOTFOUND);
	expect_told(id, "\"code\":\"agent_returned\"");
	pass(5);
	cr_expect_eq(events(id, "job.heard"), 1);
	expect_told(id, "\"code\":\"agent_returned\"");
	/* It waits for the next one, and is heard of all the time. */
	for (i = 0; i < 20; i++) {
		asks("a");
		pass(5);
	}
	cr_expect_eq(events(id, "job.heard"), 1);
	cr_expect_eq(events(id, "job.lost"), 1);
	expect_told(id, "\"code\":\"agent_returned\"");
}

/* --- fail */

Test(lost, ends_a_job_that_says_fail_and_takes_a_late_outcome_once)
{
	struct id id = started(
	    "{\"job_queue\":\"q\",\"agent_lost_policy\":\"fail\"}", "test");

	pass(60);
	expect_state(id, "cancelled");
	expect_told(id, ": agent lost.\"");
	cr_expect_eq(events(id, "job.lost"), 1);
	cr_expect_eq(events(id, "job.ended"), 1);
	cr_assert_eq(reports(id, "a", "cleanup"), ERR_OK);
	expect_state(id, "cancelled");
	cr_assert_eq(reports(id, "a", "complete"), ERR_OK);
	expect_state(id, "complete");
	cr_assert_eq(reports(id, "a", "cancelled"), ERR_OK);
	expect_state(id, "complete");
}

Test(lost, ends_by_the_policy_of_the_server_unless_the_job_has_one)
{
	struct id own, other;

	again_with("AGENT_LOST_TIMEOUT = 60\nAGENT_LOST_POLICY = 'fail'\n");
	own = started(
	    "{\"job_queue\":\"q\",\"agent_lost_policy\":\"wait\"}", "test");
	/* In open mode other values mean nothing. */
	other =
	    started("{\"job_queue\":\"q\",\"agent_lost_policy\":[7]}", "test");
	pass(60);
	expect_state(own, "test");
	expect_state(other, "cancelled");
}

Test(lost, applies_a_policy_that_was_changed_to_what_is_marked_already)
{
	struct id id = started("{\"job_queue\":\"q\"}", "test");
	struct conf *wait = f.conf;
	struct conf_fault fault;
	static const char text[] =
	    "AGENT_LOST_TIMEOUT = 60\nAGENT_LOST_POLICY = 'fail'\n";

	pass(60);
	expect_state(id, "test");
	cr_assert_eq(
	    conf_parse(&f.conf, "t", text, sizeof(text) - 1, &fault), ERR_OK);
	f.svc.conf = f.conf;
	restart();
	pass(59);
	expect_state(id, "test");
	pass(1);
	expect_state(id, "cancelled");
	cr_expect_eq(events(id, "job.lost"), 1);
	f.svc.conf = wait;
	conf_free(f.conf);
	f.conf = wait;
}

/* --- retry */

Test(lost, runs_a_job_once_more_as_a_new_one)
{
	struct id id = started("{\"job_queue\":\"q\",\"tags\":[\"t\"],"
			       "\"agent_lost_policy\":\"retry\","
			       "\"parent_job_id\":\"p\","
			       "\"test_data\":{\"test_cmds\":\"x\"}}",
		      "test"),
		  again;
	struct job job, old;

	pass(60);
	old = fixture_job(&f, &id);
	expect_state(id, "cancelled");
	again = retry_of(id);
	expect_state(again, "waiting");
	expect_told(id, again.text);
	cr_expect_eq(events(id, "job.retried"), 1);
	cr_expect_not_null(strstr(journal_of(again), id.text));
	cr_expect_not_null(strstr(view(id), again.text));
	cr_expect_not_null(strstr(view(again), "\"retry_of\":\""));
	cr_expect_not_null(strstr(view(again), id.text));
	/* Its agent gets the same but for the id. */
	cr_assert_eq(fixture_take(&f, "q", "b", &job), ERR_OK);
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
	struct db_conn *c = db_read(f.svc.db);
	struct db_stmt *s;
	int64_t n = -1;

	if (db_query(c, &s, query, "t", id.text) == ERR_OK) {
		n = db_int(s, 0);
		db_end(s);
	}
	db_read_end(f.svc.db, c);
	return n;
}

static enum err
alter(struct db_conn *c, void *arg)
{
	return db_exec(c, NULL, arg, "");
}

static void
change(const char *statement)
{
	cr_assert_eq(
	    db_write(f.svc.db, alter, (void *)(uintptr_t)statement), ERR_OK);
}

Test(lost, keeps_what_the_submission_decided)
{
	struct id id, again;
	struct agent_report report = {.n_log = 0};
	const char *queue = "q";

	report.queues = (struct js_span){"[\"q\"]", 5};
	report.queue_names = &queue;
	report.n_queues = 1;
	cr_assert_eq(agent_put(&f.svc, "a", &report), ERR_OK);
	id = started("{\"job_queue\":\"q\",\"tags\":[\"t\"],"
		     "\"exclude_agents\":[\"x\",\"y\"],"
		     "\"queue_timeout\":500,\"test_data\":{},"
		     "\"agent_lost_policy\":\"retry\"}",
	    "test");
	change("UPDATE job SET priority = 7");
	f.svc.has_broker = true;
	pass(60);
	again = retry_of(id);
#define OF_IT "WHERE id = $1"
#define IN_IT "WHERE job = (SELECT seq FROM job WHERE id = $1)"
	cr_expect_eq(number("SELECT priority FROM job " OF_IT, again), 7);
	cr_expect_eq(number("SELECT ready FROM job " OF_IT, again), 1);
	cr_expect_eq(number("SELECT publish_at FROM job " OF_IT, again), wall);
	cr_expect_eq(number("SELECT deadline_at FROM job " OF_IT, again),
	    wall + 500 * 1000);
	cr_expect_eq(
	    number("SELECT count(*) FROM job_exclude " IN_IT, again), 2);
	cr_expect_eq(number("SELECT count(*) FROM job_tag " IN_IT, again), 1);
	f.svc.has_broker = false;
}

Test(lost, runs_it_three_times_more_and_then_fails)
{
	struct id id = started(
	    "{\"job_queue\":\"q\",\"agent_lost_policy\":\"retry\"}", "test");
	struct job job;
	int i;

	for (i = 0; i < LOST_RETRIES_MAX; i++) {
		pass(60);
		id = retry_of(id);
		cr_assert_eq(fixture_take(&f, "q", "a", &job), ERR_OK);
		cr_expect_str_eq(job.id.text, id.text);
		cr_assert_eq(reports(id, "a", "test"), ERR_OK);
		look();
	}
	pass(60);
	expect_state(id, "cancelled");
	cr_expect_null(fixture_job(&f, &id).retried_as);
	expect_told(id, "after three retries");
	cr_expect_eq(fixture_take(&f, "q", "a", &job), ERR_NOTFOUND);
}

static const char with_attachments[] =
    "{\"job_queue\":\"q\",\"agent_lost_policy\":\"retry\","
    "\"test_data\":{\"attachments\":[{\"agent\":\"x\"}]}}";

static struct id
started_with_attachments(void)
{
	struct id id = given(with_attachments);
	enum attachments before;
	struct blob_file *file;
	struct job job;

	cr_assert_eq(blob_begin(f.svc.blob, &file), ERR_OK);
	cr_assert_eq(blob_write(file, "tar", 3), ERR_OK);
	cr_assert_eq(
	    archive_put_attachments(&f.svc, &id, file, &before), ERR_OK);
	blob_end(file);
	cr_assert_eq(fixture_take(&f, "q", "a", &job), ERR_OK);
	cr_assert_eq(reports(id, "a", "test"), ERR_OK);
	look();
	return id;
}

Test(lost, gives_its_attachments_to_the_new_one)
{
	struct id id = started_with_attachments(), again;
	enum attachments state;
	struct job job;
	const char *buf;
	size_t len;

	pass(60);
	again = retry_of(id);
	cr_assert_eq(archive_attachments(&f.svc, &again, &state), ERR_OK);
	cr_expect_eq(state, ATTACHMENTS_HERE);
	cr_assert_eq(blob_remove(f.svc.blob, &id, BLOB_ATTACHMENTS), ERR_OK);
	cr_assert_eq(blob_get(f.svc.blob, &again, BLOB_ATTACHMENTS, f.arena, 10,
			 &buf, &len),
	    ERR_OK);
	cr_expect_str_eq(buf, "tar");
	cr_assert_eq(fixture_take(&f, "q", "b", &job), ERR_OK);
	cr_expect_str_eq(job.attachments, "complete");
}

Test(lost, fails_where_the_attachments_are_gone)
{
	struct id id = started_with_attachments();
	struct job job;

	cr_assert_eq(blob_remove(f.svc.blob, &id, BLOB_ATTACHMENTS), ERR_OK);
	pass(60);
	expect_state(id, "cancelled");
	expect_told(id, "its attachments cannot be given");
	cr_expect_null(fixture_job(&f, &id).retried_as);
	cr_expect_eq(fixture_take(&f, "q", "b", &job), ERR_NOTFOUND);
}

/* A job with a secret of client c, to be handed out. */
static struct id
given_with_a_secret(bool ephemeral)
{
	struct secret_new secret = {"c", "p/x", "v", 1, ephemeral, 0};
	struct id id =
	    given("{\"job_queue\":\"q\",\"agent_lost_policy\":\"retry\"}");

	cr_assert_eq(secret_put(&f.svc, f.arena, &secret), ERR_OK);
	/* As if it had come with a token. */
	change("UPDATE job SET secrets = 1, client_id = 'c', body = "
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

	cr_assert_eq(handout_take(&f.svc, f.arena, &ask, &job), ERR_OK);
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

	again_with(SEALED);
	cr_assert_eq(seal_open(&f.svc.seal, f.conf, &fault), ERR_OK);
}

Test(lost, runs_one_with_secrets_once_more_while_they_are_there)
{
	struct id id, again;

	open_sealed();
	id = started_with_a_secret(false);
	pass(60);
	again = retry_of(id);
	cr_expect_eq(number("SELECT secrets FROM job " OF_IT, again), 1);
	cr_expect_eq(
	    number("SELECT client_id = 'c' FROM job " OF_IT, again), 1);
	cr_expect_eq(number("SELECT secrets_spent FROM job " OF_IT, again), 0);
}

Test(lost, fails_where_an_ephemeral_secret_is_spent)
{
	struct id id;

	open_sealed();
	id = started_with_a_secret(true);
	pass(60);
	expect_state(id, "cancelled");
	expect_told(id, "a secret that it names is gone");
	cr_expect_null(fixture_job(&f, &id).retried_as);
}

/* A claim is the start, but leaves the secret to the next sign. */
Test(lost, fails_where_an_ephemeral_secret_was_told_to_a_claim_alone)
{
	struct claim claim = {.agent = "a", .client = "c"};
	struct job job;
	struct id id;
	enum err e;

	open_sealed();
	id = given_with_a_secret(true);
	claim.id = &id;
	cr_assert_eq(
	    handout_claim(&f.svc, f.arena, &claim, &job, &e), CLAIM_OK);
	look();
	pass(300);
	expect_state(id, "cancelled");
	expect_told(id, "a secret that it names is gone");
	cr_expect_null(fixture_job(&f, &id).retried_as);
}

Test(lost, goes_on_behind_a_job_with_which_it_fails)
{
	static const char body[] =
	    "{\"job_queue\":\"q\",\"agent_lost_policy\":\"retry\"}";
	struct id broken = started(body, "test"), good;
	struct job job;
	int64_t n;

	/* What is no JSON cannot be run once more. */
	change("UPDATE job SET secrets = 1, client_id = 'c', body = '{'");
	good = given(body);
	cr_assert_eq(fixture_take(&f, "q", "b", &job), ERR_OK);
	cr_assert_eq(reports(good, "b", "test"), ERR_OK);
	look();
	pass(55);
	mono += STEP;
	clock_set_for_test(wall += STEP);
	cr_expect_eq(lost_look(lost, &f.svc, mono, &n), ERR_NOMEM);
	cr_expect_eq(n, 1);
	expect_state(broken, "test");
	expect_state(good, "cancelled");
	expect_state(retry_of(good), "waiting");
}

/* A look that may fail with some. */
static void
look_in_vain(void)
{
	int64_t n;
	enum err e;

	clock_set_for_test(wall += STEP);
	e = lost_look(lost, &f.svc, mono += STEP, &n);
	cr_expect(e == ERR_OK || e == ERR_NOMEM);
}

/* So many jobs of queue q that agents of their own are at, in the order of their start. */
static void
many_started(const char *body, int n)
{
	char agent[16];
	struct job job;
	int i;

	for (i = 0; i < n; i++) {
		(void)given(body);
		(void)snprintf(agent, sizeof(agent), "m%d", i);
		cr_assert_eq(fixture_take(&f, "q", agent, &job), ERR_OK);
		cr_assert_eq(reports(job.id, agent, "test"), ERR_OK);
	}
}

/* A look does something about a hundred. */
Test(lost, lets_many_with_which_it_fails_step_back_behind_the_others)
{
	static const char body[] =
	    "{\"job_queue\":\"q\",\"agent_lost_policy\":\"retry\"}";
	struct id good;
	int i;

	many_started(body, 120);
	change("UPDATE job SET secrets = 1, client_id = 'c', body = '{'");
	good = started(body, "test");
	pass(55);
	for (i = 0; i < 2; i++)
		look_in_vain();
	expect_state(good, "cancelled");
	expect_state(retry_of(good), "waiting");
	/* And those have their turn once more. */
	change("UPDATE job SET secrets = 0, body = '{\"job_queue\":\"q\"}' "
	       "WHERE body = '{'");
	for (i = 0; i < 3; i++)
		look_in_vain();
	cr_expect_eq(
	    fixture_number(&f, "SELECT count(*) FROM job WHERE reason IS NULL "
			       "AND state = 'test'"),
	    0);
}

Test(lost, is_done_with_those_that_it_has_marked_and_that_wait)
{
	struct id last;
	int64_t n;

	many_started("{\"job_queue\":\"q\"}", 120);
	last = started("{\"job_queue\":\"q\"}", "test");
	pass(65);
	cr_expect_eq(events(last, "job.lost"), 1);
	cr_expect_eq(
	    fixture_number(
		&f, "SELECT count(*) FROM journal WHERE kind = 'job.lost'"),
	    121);
	cr_assert_eq(lost_look(lost, &f.svc, mono += STEP, &n), ERR_OK);
	cr_expect_eq(n, 0);
}

Test(lost, hears_also_those_for_which_a_look_has_no_room)
{
	char agent[16];
	int i;

	many_started("{\"job_queue\":\"q\"}", 120);
	pass(70);
	for (i = 0; i < 120; i++) {
		(void)snprintf(agent, sizeof(agent), "m%d", i);
		asks(agent);
	}
	pass(15);
	cr_expect_eq(
	    fixture_number(
		&f, "SELECT count(*) FROM journal WHERE kind = 'job.heard'"),
	    120);
}
