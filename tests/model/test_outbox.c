/* What the broker has not confirmed: kept, sent again, forgotten at last. */

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "result.h"
#include "schema.h"
#include "sending.h"

#define BATCH 64
#define AGAIN_MS 2000

TestSuite(outbox, .init = sending_open, .fini = sending_close, .timeout = 120);

Test(outbox, sends_a_job_once_and_forgets_it_when_it_is_confirmed)
{
	struct id id;

	given_sender(PATIENT_MS);
	id = submit_to("q");
	cr_assert_eq(count(FAKE_MESSAGES), 1);
	cr_expect_str_eq(message(0)->message_id, id.text);
	cr_expect_str_eq(message(0)->body, sent_body);
	cr_expect_str_eq(message(0)->headers, "x-request-id=r-1;");
	expect_nothing_left();
	cr_expect_eq(count(FAKE_MESSAGES), 1);
}

Test(outbox, leaves_a_job_to_its_submitter_for_the_first_try)
{
	struct submitter s;

	given_sender(PATIENT_MS);
	fake_broker_order(fake, NULL, FAKE_HOLD, 1);
	begin_submit(&s);
	eventually(count(FAKE_HELD) == 1);
	cr_expect_eq(unconfirmed(), 1);
	later(OUTBOX_FIRST_TRY_MS - 1);
	cr_expect_eq(sweep_outbox(), 0);
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

	given_sender(HASTY_MS);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fake_broker_order(
		    fake, rows[i].queue, rows[i].act, FAKE_ALWAYS);
		id = submit_to(rows[i].queue);
		cr_expect_eq(unconfirmed(), 1);
		fake_broker_order(
		    fake, rows[i].queue, FAKE_CONFIRM, FAKE_ALWAYS);
		eventually(broker_state(lab.svc.broker) == BROKER_UP);
		later(AGAIN_MS);
		cr_expect_eq(sweep_outbox(), 1);
		cr_expect_eq(unconfirmed(), 0);
		m = message(count(FAKE_MESSAGES) - 1);
		cr_expect_str_eq(m->message_id, id.text);
		cr_expect_str_eq(m->body, sent_body);
		cr_expect(m->routed, "after %s", rows[i].queue);
	}
}

Test(outbox, sends_nothing_to_a_blocked_broker_and_everything_afterwards)
{
	struct id id[3];
	int i;

	given_sender(PATIENT_MS);
	id[0] = submit_to("q");
	cr_expect_eq(unconfirmed(), 0);
	fake_broker_block(fake, true);
	eventually(broker_state(lab.svc.broker) == BROKER_BLOCKED);
	id[1] = submit_to("q");
	id[2] = submit_to("q");
	later(OUTBOX_FIRST_TRY_MS);
	cr_expect_eq(sweep_outbox(), -1);
	cr_expect_eq(count(FAKE_MESSAGES), 1);
	cr_expect_eq(unconfirmed(), 2);
	fake_broker_unblock(fake);
	eventually(broker_state(lab.svc.broker) == BROKER_UP);
	later(OUTBOX_FIRST_TRY_MS);
	cr_expect_eq(sweep_outbox(), 2);
	expect_nothing_left();
	for (i = 0; i < 3; i++)
		cr_expect_eq(arrivals(&id[i]), 1);
}

Test(outbox, sends_what_was_left_over_in_order_a_batch_at_a_time)
{
	struct id ids[2 * BATCH + 3];
	unsigned i;

	given_sender(PATIENT_MS);
	given_left_over(ids, NULL, 2 * BATCH + 3);
	given_broker_is_back();
	later(OUTBOX_FIRST_TRY_MS);
	cr_expect_eq(sweep_outbox(), BATCH);
	cr_expect_eq(sweep_outbox(), BATCH);
	cr_expect_eq(sweep_outbox(), 3);
	cr_expect_eq(sweep_outbox(), 0);
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

	given_sender(PATIENT_MS);
	given_left_over(ids, NULL, 5);
	cr_assert_eq(db_write(lab.svc.db, make_big, NULL), ERR_OK);
	later(OUTBOX_FIRST_TRY_MS);
	cr_expect_eq(sweep_outbox(), 0);
	cr_expect_eq(unconfirmed(), 3);
	cr_expect_eq(sweep_outbox(), 0);
	cr_expect_eq(unconfirmed(), 1);
	cr_expect_eq(sweep_outbox(), 0);
	expect_nothing_left();
}

Test(outbox, loses_no_job_and_doubles_none_while_the_broker_is_gone_for_long)
{
	struct id ids[BATCH + 20];
	int i;

	given_sender(PATIENT_MS);
	given_left_over(ids, NULL, BATCH + 20);
	for (i = 0; i < 10; i++) {
		later(600000);
		cr_expect_eq(sweep_outbox(), -1);
		cr_expect_eq(unconfirmed(), BATCH + 20);
	}
	given_broker_is_back();
	later(600000);
	cr_expect_eq(sweep_outbox(), BATCH);
	cr_expect_eq(sweep_outbox(), 20);
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
	given_sender(HASTY_MS);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		given_left_over(ids, queues, BATCH + 4);
		given_broker_is_back();
		fake_broker_order(fake, "bad", bad[i], FAKE_ALWAYS);
		for (round = 0; round < 4; round++) {
			later(AGAIN_MS);
			(void)sweep_outbox();
			eventually(broker_state(lab.svc.broker) == BROKER_UP);
		}
		cr_expect_eq(unconfirmed(), BATCH + 2, "row %zu", i);
		cr_expect_geq(arrivals(&ids[BATCH + 2]), 1, "row %zu", i);
		cr_expect_geq(arrivals(&ids[BATCH + 3]), 1, "row %zu", i);
		fake_broker_order(fake, "bad", FAKE_CONFIRM, FAKE_ALWAYS);
		later(AGAIN_MS);
		cr_expect_eq(sweep_outbox(), BATCH);
		cr_expect_eq(sweep_outbox(), 2);
		cr_expect_eq(unconfirmed(), 0);
	}
}

Test(outbox, does_not_send_a_job_that_has_left_the_queue_meanwhile)
{
	static const char *const queues[] = {"taken", "q", "q", "q"};
	struct result_report r = {.state = "complete", .state_len = 8};
	struct id ids[4];
	struct job job;

	given_sender(PATIENT_MS);
	given_left_over(ids, queues, 4);
	cr_assert_eq(fixture_take(&lab, "taken", "a", &job), ERR_OK);
	cr_assert_eq(job_cancel(&lab.svc, &ids[1]), ERR_OK);
	cr_assert_eq(result_report_put(&lab.svc, &ids[2], &r), ERR_OK);
	given_broker_is_back();
	later(OUTBOX_FIRST_TRY_MS);
	cr_expect_eq(sweep_outbox(), 1, "the number sent");
	cr_assert_eq(count(FAKE_MESSAGES), 1);
	cr_expect_str_eq(message(0)->message_id, ids[3].text);
	expect_nothing_left();
}

Test(outbox, does_not_send_a_job_that_waits_for_attachments)
{
	struct id id;

	given_sender(PATIENT_MS);
	cr_assert_eq(fixture_submit(&lab,
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

	given_sender(PATIENT_MS);
	cr_assert_eq(fixture_submit(&lab, again, &id), JOB_OK);
	cr_assert_eq(fixture_submit(&lab, again, &id), JOB_OK);
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
	struct fixture mine = lab;

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

	given_sender(PATIENT_MS);
	fake_broker_order(fake, "first", FAKE_HOLD, 1);
	fake_broker_order(fake, "second", FAKE_NACK, 1);
	cr_assert_eq(
	    pthread_create(&thread, NULL, submit_first_run, &first), 0);
	eventually(count(FAKE_HELD) == 1);
	cr_assert(id_parse("7be00000-0000-4000-8000-000000000001", 36, &id));
	cr_assert_eq(job_cancel(&lab.svc, &id), ERR_OK);
	later(1);
	cr_assert_eq(fixture_submit(&lab, RUN("second"), &id), JOB_OK);
	fake_broker_release(fake);
	(void)pthread_join(thread, NULL);
	cr_expect_eq(unconfirmed(), 1);
	later(AGAIN_MS);
	cr_expect_eq(sweep_outbox(), 1);
	cr_expect_str_eq(message(2)->routing_key, "second");
	expect_nothing_left();
}

Test(outbox, sends_a_job_that_a_clock_set_back_has_put_into_the_future)
{
	struct id id;

	given_sender(PATIENT_MS);
	given_left_over(&id, NULL, 1);
	given_broker_is_back();
	later(-86400000);
	cr_expect_eq(sweep_outbox(), 1);
	cr_expect_eq(arrivals(&id), 1);
	expect_nothing_left();
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

	given_sender(PATIENT_MS);
	given_left_over(ids, NULL, 3 * BATCH);
	given_broker_is_back();
	cr_assert_eq(svc_open(&second, lab.conf, &model_schema,
			 SVC_DB | SVC_BROKER, "second"),
	    ERR_OK);
	later(OUTBOX_FIRST_TRY_MS);
	for (i = 0; i < 2; i++)
		cr_assert_eq(pthread_create(&threads[i], NULL, sweep_all,
				 i == 0 ? &lab.svc : &second),
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

	given_sender(PATIENT_MS);
	given_left_over(ids, NULL, BATCH + 1);
	later(OUTBOX_FIRST_TRY_MS);
	cr_assert_eq(pthread_create(&thread, NULL, run, &lab.svc), 0);
	given_broker_is_back();
	eventually(outbox_waiting(&lab.svc) == 0);
	atomic_store(&draining, true);
	(void)pthread_join(thread, NULL);
	for (i = 0; i < BATCH + 1; i++)
		cr_expect_eq(arrivals(&ids[i]), 1);
}
