/* What the broker has not confirmed: kept, sent again, forgotten at last. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "clock.h"
#include "fake_broker.h"
#include "fixture.h"
#include "log.h"
#include "outbox.h"
#include "result.h"
#include "schema.h"

#define BATCH 64
#define AGAIN_MS 2000
/* For what is not answered in time. */
#define HASTY_MS 400

static struct fixture f;
static struct fake_broker *fake;
/* The time, which stands still unless a case lets it pass. */
static int64_t now = 1800000000000;

static void
setup(void)
{
	log_setup("unit", LOG_LVL_ERROR);
	fake = fake_broker_new();
	clock_set_for_test(now);
}

static void
teardown(void)
{
	fixture_close(&f);
	fake_broker_free(fake);
}

TestSuite(outbox, .init = setup, .fini = teardown, .timeout = 120);

static void
given_server(int confirm_ms)
{
	fixture_open_broker(&f, fake, confirm_ms, "");
}

static void
later(int64_t ms)
{
	now += ms;
	clock_set_for_test(now);
}

static const char body[] = "{\"job_queue\":\"q\",\"x\":1.10}";

static struct id
submit(const char *queue)
{
	const struct auth_caller caller = {.token = false};
	struct job_refusal more;
	struct job_new job = {
	    .queue = queue,
	    .body = body,
	    .body_len = sizeof(body) - 1,
	};

	id_make(&job.id);
	cr_assert_eq(
	    job_submit(&f.svc, f.arena, &job, &caller, "r-1", &more), JOB_OK);
	return job.id;
}

/* Submit in a thread of its own, to a broker that does not confirm yet. */
struct submitter {
	pthread_t thread;
	struct id id;
};

static void *
submit_once(void *arg)
{
	((struct submitter *)arg)->id = submit("q");
	return NULL;
}

static void
begin_submit(struct submitter *s)
{
	cr_assert_eq(pthread_create(&s->thread, NULL, submit_once, s), 0);
}

static enum err
change_nothing(struct db_conn *c, void *arg)
{
	(void)c;
	(void)arg;
	return ERR_OK;
}

/* Outcomes are noted without waiting, with the next change at the latest. */
static void
let_outcomes_be_noted(void)
{
	cr_assert_eq(db_write(f.svc.db, change_nothing, NULL), ERR_OK);
}

static int64_t
waiting(void)
{
	let_outcomes_be_noted();
	return outbox_waiting(&f.svc);
}

/* n jobs at n different times, while the broker is away. */
static void
given_left_over(struct id *ids, const char *const *queues, size_t n)
{
	size_t i;

	fake_broker_stop(fake);
	for (i = 0; i < n; i++) {
		ids[i] = submit(queues == NULL ? "q" : queues[i]);
		later(1);
	}
	cr_assert_eq(waiting(), (int64_t)n);
}

static void
given_broker_is_back(void)
{
	fake_broker_start(fake);
	eventually(broker_state(f.svc.broker) == BROKER_UP);
}

static int
sweep(void)
{
	int sent;

	let_outcomes_be_noted();
	sent = outbox_sweep(&f.svc, f.arena);
	arena_reset(f.arena);
	let_outcomes_be_noted();
	return sent;
}

static unsigned
count(enum fake_count what)
{
	return fake_broker_count(fake, what);
}

static const struct fake_msg *
message(unsigned i)
{
	const struct fake_msg *m = fake_broker_message(fake, i);

	cr_assert_not_null(m, "message %u", i);
	return m;
}

/* How often a queue took the message of this job. */
static int
arrivals(const struct id *id)
{
	unsigned i;
	int n = 0;

	for (i = 0; i < count(FAKE_MESSAGES); i++)
		if (message(i)->routed &&
		    strcmp(message(i)->message_id, id->text) == 0)
			n++;
	return n;
}

static void
expect_nothing_left(void)
{
	cr_expect_eq(waiting(), 0);
	later(3 * (int64_t)OUTBOX_FIRST_TRY_MS);
	cr_expect_eq(sweep(), 0);
}

Test(outbox, sends_a_job_once_and_forgets_it_when_it_is_confirmed)
{
	struct id id;

	given_server(PATIENT_MS);
	id = submit("q");
	cr_assert_eq(count(FAKE_MESSAGES), 1);
	cr_expect_str_eq(message(0)->message_id, id.text);
	cr_expect_str_eq(message(0)->body, body);
	cr_expect_str_eq(message(0)->headers, "x-request-id=r-1;");
	expect_nothing_left();
	cr_expect_eq(count(FAKE_MESSAGES), 1);
}

Test(outbox, leaves_a_job_to_its_submitter_for_the_first_try)
{
	struct submitter s;

	given_server(PATIENT_MS);
	fake_broker_order(fake, NULL, FAKE_HOLD, 1);
	begin_submit(&s);
	eventually(count(FAKE_HELD) == 1);
	cr_expect_eq(waiting(), 1);
	later(OUTBOX_FIRST_TRY_MS - 1);
	cr_expect_eq(sweep(), 0);
	fake_broker_release(fake);
	(void)pthread_join(s.thread, NULL);
	expect_nothing_left();
	cr_expect_eq(count(FAKE_MESSAGES), 1);
}

Test(
    outbox, accepts_a_job_that_is_not_confirmed_and_sends_it_again_under_its_id)
{
	static const struct {
		const char *queue;
		enum fake_act act;
	} rows[] = {
	    {"no-confirm", FAKE_NO_CONFIRM},
	    {"nack", FAKE_NACK},
	    {"no-route", FAKE_RETURN},
	    {"close-channel", FAKE_CLOSE_CHANNEL},
	    {"close-connection", FAKE_CLOSE_CONNECTION},
	    {"cut", FAKE_CUT},
	    {"refuse-declare", FAKE_REFUSE_DECLARE},
	    {"cut-declare", FAKE_CUT_DECLARE},
	    {"hang-declare", FAKE_HANG_DECLARE},
	};
	const struct fake_msg *m;
	struct id id;
	size_t i;

	given_server(HASTY_MS);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fake_broker_order(
		    fake, rows[i].queue, rows[i].act, FAKE_ALWAYS);
		id = submit(rows[i].queue);
		cr_expect_eq(waiting(), 1);
		fake_broker_order(
		    fake, rows[i].queue, FAKE_CONFIRM, FAKE_ALWAYS);
		eventually(broker_state(f.svc.broker) == BROKER_UP);
		later(AGAIN_MS);
		cr_expect_eq(sweep(), 1);
		cr_expect_eq(waiting(), 0);
		m = message(count(FAKE_MESSAGES) - 1);
		cr_expect_str_eq(m->message_id, id.text);
		cr_expect_str_eq(m->body, body);
		cr_expect(m->routed, "after %s", rows[i].queue);
	}
}

Test(outbox, sends_nothing_to_a_blocked_broker_and_everything_afterwards)
{
	struct id id[3];
	int i;

	given_server(PATIENT_MS);
	id[0] = submit("q");
	cr_expect_eq(waiting(), 0);
	fake_broker_block(fake, true);
	eventually(broker_state(f.svc.broker) == BROKER_BLOCKED);
	id[1] = submit("q");
	id[2] = submit("q");
	later(OUTBOX_FIRST_TRY_MS);
	cr_expect_eq(sweep(), -1);
	cr_expect_eq(count(FAKE_MESSAGES), 1);
	cr_expect_eq(waiting(), 2);
	fake_broker_unblock(fake);
	eventually(broker_state(f.svc.broker) == BROKER_UP);
	later(OUTBOX_FIRST_TRY_MS);
	cr_expect_eq(sweep(), 2);
	expect_nothing_left();
	for (i = 0; i < 3; i++)
		cr_expect_eq(arrivals(&id[i]), 1);
}

Test(outbox, sends_what_was_left_over_in_order_a_batch_at_a_time)
{
	struct id ids[2 * BATCH + 3];
	unsigned i;

	given_server(PATIENT_MS);
	given_left_over(ids, NULL, 2 * BATCH + 3);
	given_broker_is_back();
	later(OUTBOX_FIRST_TRY_MS);
	cr_expect_eq(sweep(), BATCH);
	cr_expect_eq(sweep(), BATCH);
	cr_expect_eq(sweep(), 3);
	cr_expect_eq(sweep(), 0);
	cr_assert_eq(count(FAKE_MESSAGES), 2 * BATCH + 3);
	for (i = 0; i < 2 * BATCH + 3; i++)
		cr_expect_str_eq(message(i)->message_id, ids[i].text);
	expect_nothing_left();
}

/* Of 20 MB each, ended before they could be sent: the fake broker takes no such
 * messages. */
static enum err
make_big(struct db_conn *c, void *arg)
{
	(void)arg;
	return db_exec(c, NULL,
	    "UPDATE job SET state = 'cancelled', "
	    "body = hex(zeroblob(10000000))",
	    "");
}

Test(outbox, takes_few_big_jobs_at_a_time)
{
	struct id ids[5];

	given_server(PATIENT_MS);
	given_left_over(ids, NULL, 5);
	cr_assert_eq(db_write(f.svc.db, make_big, NULL), ERR_OK);
	later(OUTBOX_FIRST_TRY_MS);
	cr_expect_eq(sweep(), 0);
	cr_expect_eq(waiting(), 3);
	cr_expect_eq(sweep(), 0);
	cr_expect_eq(waiting(), 1);
	cr_expect_eq(sweep(), 0);
	expect_nothing_left();
}

Test(outbox, loses_no_job_and_doubles_none_while_the_broker_is_gone_for_long)
{
	struct id ids[BATCH + 20];
	int i;

	given_server(PATIENT_MS);
	given_left_over(ids, NULL, BATCH + 20);
	for (i = 0; i < 10; i++) {
		later(600000);
		cr_expect_eq(sweep(), -1);
		cr_expect_eq(waiting(), BATCH + 20);
	}
	given_broker_is_back();
	later(600000);
	cr_expect_eq(sweep(), BATCH);
	cr_expect_eq(sweep(), 20);
	for (i = 0; i < BATCH + 20; i++)
		cr_expect_eq(arrivals(&ids[i]), 1);
	expect_nothing_left();
}

/* More jobs of the bad queue than a batch holds, and they are older. */
Test(outbox, does_not_let_one_bad_queue_hold_up_the_others)
{
	static const enum fake_act bad[] = {FAKE_NACK, FAKE_RETURN,
	    FAKE_CLOSE_CHANNEL, FAKE_CLOSE_CONNECTION, FAKE_CUT,
	    FAKE_NO_CONFIRM, FAKE_REFUSE_DECLARE, FAKE_CUT_DECLARE,
	    FAKE_HANG_DECLARE};
	const char *queues[BATCH + 4];
	struct id ids[BATCH + 4];
	size_t i;
	int round;

	for (i = 0; i < BATCH + 4; i++)
		queues[i] = i < BATCH + 2 ? "bad" : "good";
	given_server(HASTY_MS);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		given_left_over(ids, queues, BATCH + 4);
		given_broker_is_back();
		fake_broker_order(fake, "bad", bad[i], FAKE_ALWAYS);
		for (round = 0; round < 4; round++) {
			later(AGAIN_MS);
			(void)sweep();
			eventually(broker_state(f.svc.broker) == BROKER_UP);
		}
		cr_expect_eq(waiting(), BATCH + 2, "row %zu", i);
		cr_expect_geq(arrivals(&ids[BATCH + 2]), 1, "row %zu", i);
		cr_expect_geq(arrivals(&ids[BATCH + 3]), 1, "row %zu", i);
		fake_broker_order(fake, "bad", FAKE_CONFIRM, FAKE_ALWAYS);
		later(AGAIN_MS);
		cr_expect_eq(sweep(), BATCH);
		cr_expect_eq(sweep(), 2);
		cr_expect_eq(waiting(), 0);
	}
}

Test(outbox, does_not_send_a_job_that_has_left_the_queue_meanwhile)
{
	static const char *const queues[] = {"taken", "q", "q", "q"};
	struct result_report r = {.state = "complete", .state_len = 8};
	struct id ids[4];
	struct job job;

	given_server(PATIENT_MS);
	given_left_over(ids, queues, 4);
	cr_assert_eq(fixture_take(&f, "taken", "a", &job), ERR_OK);
	cr_assert_eq(job_cancel(&f.svc, &ids[1]), ERR_OK);
	cr_assert_eq(result_report_put(&f.svc, &ids[2], &r), ERR_OK);
	given_broker_is_back();
	later(OUTBOX_FIRST_TRY_MS);
	cr_expect_eq(sweep(), 1, "the number sent");
	cr_assert_eq(count(FAKE_MESSAGES), 1);
	cr_expect_str_eq(message(0)->message_id, ids[3].text);
	expect_nothing_left();
}

Test(outbox, does_not_send_a_job_that_waits_for_attachments)
{
	struct id id;

	given_server(PATIENT_MS);
	cr_assert_eq(fixture_submit(&f,
			 "{\"job_queue\":\"q\",\"test_data\":"
			 "{\"attachments\":[]}}",
			 &id),
	    JOB_OK);
	expect_nothing_left();
	cr_expect_eq(count(FAKE_MESSAGES), 0);
}

Test(outbox, does_not_send_again_a_job_that_is_posted_again)
{
	static const char again[] =
	    "{\"job_queue\":\"q\","
	    "\"job_id\":\"7be00000-0000-4000-8000-000000000001\"}";
	struct id id;

	given_server(PATIENT_MS);
	cr_assert_eq(fixture_submit(&f, again, &id), JOB_OK);
	cr_assert_eq(fixture_submit(&f, again, &id), JOB_OK);
	expect_nothing_left();
	cr_expect_eq(count(FAKE_MESSAGES), 1);
}

#define RUN(queue)                                                             \
	"{\"job_queue\":\"" queue "\","                                        \
	"\"job_id\":\"7be00000-0000-4000-8000-000000000001\"}"

static void *
submit_first_run(void *arg)
{
	struct arena *own = arena_new();
	struct fixture mine = f;

	mine.arena = own;
	cr_expect_eq(fixture_submit(&mine, RUN("first"), arg), JOB_OK);
	arena_free(own);
	return NULL;
}

/* Its id is the same, and the former run's confirm comes late. */
Test(outbox, does_not_take_the_confirm_of_a_former_run_for_that_of_the_new_one)
{
	struct id first, id;
	pthread_t thread;

	given_server(PATIENT_MS);
	fake_broker_order(fake, "first", FAKE_HOLD, 1);
	fake_broker_order(fake, "second", FAKE_NACK, 1);
	cr_assert_eq(
	    pthread_create(&thread, NULL, submit_first_run, &first), 0);
	eventually(count(FAKE_HELD) == 1);
	cr_assert(id_parse("7be00000-0000-4000-8000-000000000001", 36, &id));
	cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
	later(1);
	cr_assert_eq(fixture_submit(&f, RUN("second"), &id), JOB_OK);
	fake_broker_release(fake);
	(void)pthread_join(thread, NULL);
	cr_expect_eq(waiting(), 1);
	later(AGAIN_MS);
	cr_expect_eq(sweep(), 1);
	cr_expect_str_eq(message(2)->routing_key, "second");
	expect_nothing_left();
}

Test(outbox, sends_a_job_that_a_clock_set_back_has_put_into_the_future)
{
	struct id id;

	given_server(PATIENT_MS);
	given_left_over(&id, NULL, 1);
	given_broker_is_back();
	later(-86400000);
	cr_expect_eq(sweep(), 1);
	cr_expect_eq(arrivals(&id), 1);
	expect_nothing_left();
}

static int
lock_store(void)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/state.db.lock", f.dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	cr_assert_eq(flock(fd, LOCK_EX), 0);
	return fd;
}

/* As a sweeper of its own process, on the same store. */
static void *
sweep_all(void *arg)
{
	struct arena *a = arena_new();
	int sent, all = 0;

	while ((sent = outbox_sweep(arg, a)) > 0) {
		all += sent;
		arena_reset(a);
	}
	arena_free(a);
	return (void *)(intptr_t)(sent < 0 ? -1 : all);
}

Test(outbox, is_swept_by_several_processes_each_job_once)
{
	struct id ids[3 * BATCH];
	pthread_t threads[2];
	struct svc second;
	void *n[2];
	int i;

	given_server(PATIENT_MS);
	given_left_over(ids, NULL, 3 * BATCH);
	given_broker_is_back();
	cr_assert_eq(svc_open(&second, f.conf, &model_schema,
			 SVC_DB | SVC_BROKER, "second"),
	    ERR_OK);
	later(OUTBOX_FIRST_TRY_MS);
	for (i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, sweep_all,
				 i == 0 ? &f.svc : &second),
		    0);
	for (i = 0; i < 2; i++)
		(void)pthread_join(threads[i], &n[i]);
	cr_expect_eq((intptr_t)n[0] + (intptr_t)n[1], 3 * BATCH);
	cr_expect_eq(count(FAKE_MESSAGES), 3 * BATCH);
	for (i = 0; i < 3 * BATCH; i++)
		cr_expect_eq(arrivals(&ids[i]), 1);
	svc_close(&second);
	expect_nothing_left();
}

/* Crashes: what the disk holds at one moment, and a server started on that. */

static void
copy_file(const char *to_dir, const char *from_dir, const char *name)
{
	char path[128], chunk[65536];
	int from, to;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", from_dir, name);
	from = open(path, O_RDONLY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "%s/%s", to_dir, name);
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cr_assert(from != -1 && to != -1, "%s", name);
	while ((n = read(from, chunk, sizeof(chunk))) > 0)
		cr_assert_eq(write(to, chunk, (size_t)n), n);
	(void)close(from);
	(void)close(to);
}

static void
copy_store(const char *to_dir, const char *from_dir)
{
	copy_file(to_dir, from_dir, "state.db");
	copy_file(to_dir, from_dir, "state.db-wal");
}

/* Nobody writes meanwhile. */
static void
copy_disk(char to_dir[64])
{
	int fd = lock_store();

	fixture_mkdir(to_dir);
	copy_store(to_dir, f.dir);
	(void)close(fd);
}

/* From now on f is the server that was started on disk after the crash. */
static void
restart_on(const char *disk)
{
	fixture_close(&f);
	given_server(PATIENT_MS);
	svc_close(&f.svc);
	copy_store(f.dir, disk);
	fixture_rmdir(disk);
	cr_assert_eq(svc_open(&f.svc, f.conf, &model_schema,
			 SVC_DB | SVC_BLOB | SVC_BROKER, "unit"),
	    ERR_OK);
}

static void
expect_sent_after_crash(const struct id *id, unsigned already)
{
	const struct fake_msg *m;

	cr_expect_eq(waiting(), 1);
	cr_assert_eq(count(FAKE_MESSAGES), already);
	later(OUTBOX_FIRST_TRY_MS);
	cr_expect_eq(sweep(), 1);
	cr_assert_eq(count(FAKE_MESSAGES), already + 1);
	m = message(already);
	cr_expect_str_eq(m->message_id, id->text);
	cr_expect_str_eq(m->body, body);
	cr_expect(m->routed);
	expect_nothing_left();
}

Test(outbox, sends_a_job_whose_server_crashed_before_it_had_sent_it)
{
	struct submitter s;
	char disk[64];

	given_server(HASTY_MS);
	fake_broker_order(fake, NULL, FAKE_HANG_DECLARE, 1);
	begin_submit(&s);
	eventually(count(FAKE_DECLARED) == 2);
	copy_disk(disk);
	(void)pthread_join(s.thread, NULL);
	restart_on(disk);
	expect_sent_after_crash(&s.id, 0);
}

Test(outbox, sends_again_a_job_whose_server_crashed_before_the_confirm)
{
	struct submitter s;
	char disk[64];

	given_server(PATIENT_MS);
	fake_broker_order(fake, NULL, FAKE_HOLD, 1);
	begin_submit(&s);
	eventually(count(FAKE_HELD) == 1);
	copy_disk(disk);
	fake_broker_release(fake);
	(void)pthread_join(s.thread, NULL);
	restart_on(disk);
	expect_sent_after_crash(&s.id, 1);
}

Test(outbox,
    sends_again_a_job_whose_server_crashed_before_it_had_noted_the_confirm)
{
	struct submitter s;
	char disk[64];
	int fd;

	given_server(PATIENT_MS);
	fake_broker_order(fake, NULL, FAKE_HOLD, 1);
	begin_submit(&s);
	eventually(count(FAKE_HELD) == 1);
	fixture_mkdir(disk);
	fd = lock_store();
	fake_broker_release(fake);
	(void)pthread_join(s.thread, NULL);
	copy_store(disk, f.dir);
	(void)close(fd);
	restart_on(disk);
	expect_sent_after_crash(&s.id, 1);
}

/* The sweeper's thread. */

static atomic_bool draining;

static bool
stopping(void)
{
	return atomic_load(&draining);
}

static void
sleep_little(int ms)
{
	(void)ms;
	(void)usleep(1000);
}

static void *
run(void *arg)
{
	outbox_run(arg, stopping, sleep_little);
	return NULL;
}

Test(outbox, is_swept_by_a_thread_once_the_broker_is_back_until_the_drain)
{
	struct id ids[BATCH + 1];
	pthread_t thread;
	int i;

	given_server(PATIENT_MS);
	given_left_over(ids, NULL, BATCH + 1);
	later(OUTBOX_FIRST_TRY_MS);
	cr_assert_eq(pthread_create(&thread, NULL, run, &f.svc), 0);
	given_broker_is_back();
	eventually(outbox_waiting(&f.svc) == 0);
	atomic_store(&draining, true);
	(void)pthread_join(thread, NULL);
	for (i = 0; i < BATCH + 1; i++)
		cr_expect_eq(arrivals(&ids[i]), 1);
}
