/* The pool of broker connections, against a broker that misbehaves as told. */

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "clock.h"
#include "fake_broker.h"
#include "log.h"

/* For what is not answered in time. */
#define HASTY_MS 400
/* Far less than PATIENT_MS, and enough for a busy machine: "at once". */
#define AT_ONCE_MS 5000

static struct fake_broker *fake, *other;
static struct broker *pool;

static void
setup(void)
{
	log_setup("unit", LOG_LVL_ERROR);
	fake = fake_broker_new();
}

static void
teardown(void)
{
	broker_close(pool);
	fake_broker_free(fake);
	fake_broker_free(other);
}

TestSuite(broker, .init = setup, .fini = teardown, .timeout = 120);

static struct broker_options
patient(void)
{
	return (struct broker_options){
	    .ca_file = "",
	    .name = "unit",
	    .connections = 4,
	    .connect_timeout_ms = PATIENT_MS,
	    .confirm_timeout_ms = PATIENT_MS,
	    .heartbeat_s = 30,
	};
}

/* A pool for the brokers there are, fake first. */
static void
open_pool(struct broker_options o)
{
	struct amqp_uri uri;
	const char *why;
	char text[128];
	size_t at;
	int n;

	n = snprintf(
	    text, sizeof(text), "amqp://127.0.0.1:%d/", fake_broker_port(fake));
	if (other != NULL)
		(void)snprintf(text + n, sizeof(text) - (size_t)n,
		    ";127.0.0.1:%d", fake_broker_port(other));
	cr_assert_eq(amqp_uri_parse(&uri, text, &why, &at), ERR_OK, "%s", why);
	o.uri = &uri;
	cr_assert_eq(broker_open(&pool, &o), ERR_OK);
}

static void
given_pool(void)
{
	open_pool(patient());
}

static void
given_pool_hasty_for_confirms(void)
{
	struct broker_options o = patient();

	o.confirm_timeout_ms = HASTY_MS;
	open_pool(o);
}

static void
given_hasty_pool(void)
{
	struct broker_options o = patient();

	o.confirm_timeout_ms = o.connect_timeout_ms = HASTY_MS;
	open_pool(o);
}

static enum err
publish(const char *queue, const char *id)
{
	struct broker_msg m = {
	    .queue = queue,
	    .body = "{}",
	    .len = 2,
	    .message_id = id,
	};

	return broker_publish(pool, &m);
}

/* Not confirmed, and told within ms. */
static void
expect_failure(const char *queue, const char *id, int64_t ms)
{
	int64_t start = clock_mono_ms();

	cr_expect_eq(publish(queue, id), ERR_BROKER);
	cr_expect_lt(clock_mono_ms() - start, ms, "it took %lld ms",
	    (long long)(clock_mono_ms() - start));
}

static const struct fake_msg *
message(unsigned i)
{
	const struct fake_msg *m = fake_broker_message(fake, i);

	cr_assert_not_null(m, "message %u", i);
	return m;
}

static unsigned
count(enum fake_count what)
{
	return fake_broker_count(fake, what);
}

/* A publish in a thread of its own. */
struct publisher {
	pthread_t thread;
	const char *queue;
	const char *id;
	enum err result;
	atomic_bool done;
};

static void *
publish_once(void *arg)
{
	struct publisher *p = arg;

	p->result = publish(p->queue, p->id);
	atomic_store(&p->done, true);
	return NULL;
}

static void
begin_publish(struct publisher *p, const char *queue, const char *id)
{
	p->queue = queue;
	p->id = id;
	atomic_init(&p->done, false);
	cr_assert_eq(pthread_create(&p->thread, NULL, publish_once, p), 0);
}

static enum err
end_publish(struct publisher *p)
{
	(void)pthread_join(p->thread, NULL);
	return p->result;
}

/* The form of messages. */

static void
expect_form(const struct fake_msg *m)
{
	cr_expect_str_eq(m->exchange, "lab");
	cr_expect_str_eq(m->routing_key, "lab");
	cr_expect(m->mandatory);
	cr_expect_not(m->immediate);
	cr_expect_eq(m->properties, FAKE_CONTENT_TYPE | FAKE_CONTENT_ENCODING |
					FAKE_HEADERS | FAKE_DELIVERY_MODE |
					FAKE_PRIORITY | FAKE_MESSAGE_ID);
	cr_expect_str_eq(m->content_type, "text/plain");
	cr_expect_str_eq(m->content_encoding, "utf-8");
	cr_expect_eq(m->delivery_mode, 2);
	cr_expect_eq(m->priority, 0);
	cr_expect_str_eq(m->message_id, "id-1");
	cr_expect_eq(m->len, 7);
	cr_expect_arr_eq(m->body, "{\"x\":1}", 7);
	cr_expect(m->routed);
}

Test(broker, sends_messages_of_this_form)
{
	static const struct {
		const char *request_id, *headers;
	} rows[] = {
	    {NULL, ""},
	    {"", ""},
	    {"r-1", "x-request-id=r-1;"},
	};
	struct broker_msg m = {"lab", "{\"x\":1}", 7, "id-1", NULL};
	unsigned i;

	given_pool();
	for (i = 0; i < 3; i++) {
		m.request_id = rows[i].request_id;
		cr_assert_eq(broker_publish(pool, &m), ERR_OK);
		expect_form(message(i));
		cr_expect_str_eq(message(i)->headers, rows[i].headers);
	}
}

Test(broker, sends_bodies_of_any_length_byte_for_byte)
{
	static const size_t lens[] = {0, 1, 131064, 131065, 3000000};
	struct broker_msg m = {"lab", NULL, 0, "id", NULL};
	char *body = malloc(3000000);
	unsigned i;

	cr_assert_not_null(body);
	for (i = 0; i < 3000000; i++)
		body[i] = (char)(i % 251);
	m.body = body;
	given_pool();
	for (i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		m.len = lens[i];
		cr_assert_eq(broker_publish(pool, &m), ERR_OK);
		cr_assert_eq(message(i)->len, lens[i]);
		cr_expect_eq(memcmp(message(i)->body, body, lens[i]), 0);
	}
	free(body);
}

/* Declarations. */

static void
expect_declared(unsigned first, const char *queue)
{
	char want[3][128];
	unsigned i;

	(void)snprintf(
	    want[0], sizeof(want[0]), "exchange %s direct durable", queue);
	(void)snprintf(want[1], sizeof(want[1]), "queue %s durable", queue);
	(void)snprintf(
	    want[2], sizeof(want[2]), "bind %s %s %s", queue, queue, queue);
	for (i = 0; i < 3; i++) {
		cr_assert_lt(first + i, count(FAKE_DECLARED));
		cr_expect_str_eq(
		    fake_broker_declared(fake, first + i), want[i]);
	}
}

Test(broker, declares_what_a_queue_needs_once)
{
	int i;

	given_pool();
	for (i = 0; i < 3; i++) {
		cr_assert_eq(publish("one", "id"), ERR_OK);
		cr_assert_eq(publish("two", "id"), ERR_OK);
	}
	cr_assert_eq(count(FAKE_DECLARED), 6);
	expect_declared(0, "one");
	expect_declared(3, "two");
	cr_expect_eq(count(FAKE_LOGGED_IN), 1);
}

Test(broker, declares_anew_after_a_reconnect)
{
	given_pool();
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	fake_broker_cut(fake);
	/* What is published before the loss shows is not confirmed. */
	eventually(publish("q", "id-2") == ERR_OK);
	cr_assert_geq(count(FAKE_DECLARED), 6);
	expect_declared(3, "q");
}

Test(broker, declares_anew_a_queue_that_was_deleted_and_sends_again)
{
	given_pool();
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	fake_broker_delete(fake, "q");
	cr_expect_eq(publish("q", "id-2"), ERR_OK);
	cr_assert_eq(count(FAKE_MESSAGES), 3);
	cr_expect_not(message(1)->routed);
	cr_expect(message(2)->routed);
	cr_expect_str_eq(message(2)->message_id, "id-2");
	expect_declared(3, "q");
	cr_expect_eq(count(FAKE_LOGGED_IN), 1, "the connection is good");
}

Test(broker, goes_on_by_a_fresh_connection_if_nothing_was_sent)
{
	given_pool();
	fake_broker_order(fake, "q", FAKE_CUT_DECLARE, 1);
	cr_expect_eq(publish("q", "id"), ERR_OK);
	cr_expect_eq(count(FAKE_LOGGED_IN), 2);
	cr_expect_eq(count(FAKE_MESSAGES), 1);
}

/* Confirms. */

Test(broker, says_ok_only_after_the_confirm)
{
	struct publisher p;

	given_pool();
	fake_broker_order(fake, NULL, FAKE_HOLD, FAKE_ALWAYS);
	begin_publish(&p, "q", "id");
	eventually(count(FAKE_HELD) == 1);
	cr_expect_not(atomic_load(&p.done));
	fake_broker_release(fake);
	cr_expect_eq(end_publish(&p), ERR_OK);
}

Test(broker, takes_a_confirm_up_to_and_including_its_message)
{
	given_pool();
	fake_broker_order(fake, NULL, FAKE_CONFIRM_ALL, FAKE_ALWAYS);
	cr_expect_eq(publish("q", "id-1"), ERR_OK);
	cr_expect_eq(publish("q", "id-2"), ERR_OK);
}

Test(broker, gives_up_a_message_that_is_not_confirmed_in_time)
{
	int64_t start;

	given_pool_hasty_for_confirms();
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	fake_broker_order(fake, NULL, FAKE_NO_CONFIRM, FAKE_ALWAYS);
	start = clock_mono_ms();
	expect_failure("q", "id-2", AT_ONCE_MS);
	cr_expect_geq(clock_mono_ms() - start, HASTY_MS - 1);
	cr_expect_eq(count(FAKE_MESSAGES), 2);
}

Test(broker, never_uses_again_a_connection_that_owes_a_confirm)
{
	given_pool_hasty_for_confirms();
	fake_broker_order(fake, "a", FAKE_HOLD, 1);
	fake_broker_order(fake, "b", FAKE_RELEASE, FAKE_ALWAYS);
	expect_failure("a", "id-1", AT_ONCE_MS);
	eventually(broker_state(pool) == BROKER_UP);
	expect_failure("b", "id-2", AT_ONCE_MS);
	cr_expect_neq(message(0)->connection, message(1)->connection);
}

/* While it was blocked the broker owed a confirm, and that is no reason to part
 * with a good connection. */
Test(broker, never_takes_a_late_confirm_for_that_of_the_next_message)
{
	given_pool_hasty_for_confirms();
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	fake_broker_order(fake, NULL, FAKE_HOLD, 1);
	fake_broker_block(fake, false);
	expect_failure("q", "id-2", AT_ONCE_MS);
	fake_broker_unblock(fake);
	eventually(count(FAKE_HELD) == 1);
	eventually(broker_state(pool) == BROKER_UP);
	fake_broker_order(fake, NULL, FAKE_RELEASE, 1);
	expect_failure("q", "id-3", AT_ONCE_MS);
	cr_assert_eq(count(FAKE_MESSAGES), 3);
	cr_expect_eq(message(1)->connection, message(2)->connection);
}

Test(broker, fails_when_the_broker_does_not_take_the_message)
{
	static const struct {
		const char *what;
		enum fake_act act;
	} rows[] = {
	    {"nack", FAKE_NACK},
	    {"no-route", FAKE_RETURN},
	    {"close-channel", FAKE_CLOSE_CHANNEL},
	    {"close-connection", FAKE_CLOSE_CONNECTION},
	    {"cut", FAKE_CUT},
	    {"refuse-declare", FAKE_REFUSE_DECLARE},
	    {"cut-declare", FAKE_CUT_DECLARE},
	};
	size_t i;

	given_pool();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fake_broker_order(fake, rows[i].what, rows[i].act, FAKE_ALWAYS);
		expect_failure(rows[i].what, "id", AT_ONCE_MS);
		eventually(broker_state(pool) == BROKER_UP);
		cr_expect_eq(
		    publish("good", "id"), ERR_OK, "after %s", rows[i].what);
		fake_broker_order(
		    fake, rows[i].what, FAKE_CONFIRM, FAKE_ALWAYS);
		cr_expect_eq(publish(rows[i].what, "id"), ERR_OK,
		    "%s has ended", rows[i].what);
	}
}

Test(broker, keeps_its_connection_when_one_message_is_refused)
{
	given_pool();
	fake_broker_order(fake, NULL, FAKE_NACK, 1);
	expect_failure("q", "id-1", AT_ONCE_MS);
	cr_expect_eq(broker_state(pool), BROKER_UP);
	fake_broker_order(fake, NULL, FAKE_RETURN, 2);
	expect_failure("q", "id-2", AT_ONCE_MS);
	cr_expect_eq(broker_state(pool), BROKER_UP);
	cr_expect_eq(publish("q", "id-3"), ERR_OK);
	cr_expect_eq(count(FAKE_LOGGED_IN), 1);
}

Test(broker, does_not_wait_for_a_declaration_longer_than_for_a_confirm)
{
	given_pool_hasty_for_confirms();
	fake_broker_order(fake, "q", FAKE_HANG_DECLARE, FAKE_ALWAYS);
	expect_failure("q", "id", AT_ONCE_MS);
	cr_expect_eq(count(FAKE_MESSAGES), 0);
}

/* A blocked broker. */

static void
expect_blocked(void)
{
	cr_expect_eq(broker_state(pool), BROKER_BLOCKED);
	expect_failure("q", "meanwhile", AT_ONCE_MS);
	cr_expect_eq(broker_probe(pool), BROKER_BLOCKED);
}

static void
expect_open_again(void)
{
	fake_broker_unblock(fake);
	eventually(broker_state(pool) == BROKER_UP);
	cr_expect_eq(publish("q", "afterwards"), ERR_OK);
}

Test(broker, fails_at_once_when_it_is_told_that_the_broker_is_blocked)
{
	given_pool();
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	fake_broker_block(fake, false);
	expect_failure("q", "id-2", AT_ONCE_MS);
	expect_blocked();
	expect_open_again();
	cr_expect_eq(count(FAKE_LOGGED_IN), 1);
}

Test(broker, learns_of_blocking_while_it_is_idle)
{
	given_pool();
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	fake_broker_block(fake, true);
	eventually(broker_state(pool) == BROKER_BLOCKED);
	expect_blocked();
	cr_expect_eq(count(FAKE_MESSAGES), 1, "nothing was sent meanwhile");
	expect_open_again();
}

/* Idle for some time, a connection is looked at before it is used: what shows
 * then counts as well.  The heartbeat tells that the time has passed. */
Test(broker, sends_nothing_by_a_connection_that_is_found_to_be_blocked)
{
	struct broker_options o = patient();

	o.heartbeat_s = 1;
	open_pool(o);
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	eventually(count(FAKE_HEARTBEATS) > 0);
	fake_broker_block(fake, true);
	expect_failure("q", "id-2", AT_ONCE_MS);
	expect_blocked();
	cr_expect_eq(count(FAKE_MESSAGES), 1);
	expect_open_again();
	cr_expect_eq(count(FAKE_MESSAGES), 2);
}

Test(broker, stays_blocked_though_an_older_message_is_confirmed)
{
	struct publisher p;

	given_pool();
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	fake_broker_order(fake, NULL, FAKE_HOLD, 1);
	begin_publish(&p, "q", "id-2");
	eventually(count(FAKE_HELD) == 1);
	fake_broker_block(fake, false);
	expect_failure("q", "id-3", AT_ONCE_MS);
	fake_broker_release(fake);
	cr_expect_eq(end_publish(&p), ERR_OK);
	expect_blocked();
	expect_open_again();
}

/* A broker that is gone. */

static void
expect_all_fail_at_once(void)
{
	unsigned connected = count(FAKE_CONNECTED);
	int64_t start = clock_mono_ms();
	int i;

	for (i = 0; i < 1000; i++)
		cr_assert_eq(publish("q", "meanwhile"), ERR_BROKER);
	cr_expect_lt(clock_mono_ms() - start, AT_ONCE_MS);
	cr_expect_eq(count(FAKE_CONNECTED), connected);
}

Test(broker, fails_at_once_while_the_broker_is_gone_and_finds_it_by_itself)
{
	given_pool();
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	fake_broker_order(fake, NULL, FAKE_DIE, 1);
	expect_failure("q", "id-2", AT_ONCE_MS);
	cr_expect_eq(broker_state(pool), BROKER_DOWN);
	expect_all_fail_at_once();
	cr_expect_eq(broker_probe(pool), BROKER_DOWN);
	fake_broker_start(fake);
	eventually(broker_state(pool) == BROKER_UP);
	cr_expect_eq(count(FAKE_LOGGED_IN), 2, "nobody had to publish");
	cr_expect_eq(publish("q", "id-3"), ERR_OK);
}

Test(broker, survives_a_connection_that_is_cut_before_the_confirm)
{
	given_pool();
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	fake_broker_order(fake, NULL, FAKE_CUT, 1);
	expect_failure("q", "id-2", AT_ONCE_MS);
	eventually(broker_state(pool) == BROKER_UP);
	cr_expect_eq(publish("q", "id-3"), ERR_OK);
	cr_expect_eq(count(FAKE_LOGGED_IN), 2);
}

Test(broker, learns_that_the_broker_is_gone_while_it_is_idle)
{
	given_pool();
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	fake_broker_stop(fake);
	eventually(broker_state(pool) == BROKER_DOWN);
	fake_broker_start(fake);
	eventually(broker_state(pool) == BROKER_UP);
	cr_expect_eq(publish("q", "id-2"), ERR_OK);
}

Test(broker, is_down_while_the_broker_refuses_the_login)
{
	given_pool();
	fake_broker_behave(fake, FAKE_REFUSES_LOGIN);
	expect_failure("q", "id-1", AT_ONCE_MS);
	cr_expect_eq(broker_state(pool), BROKER_DOWN);
	fake_broker_behave(fake, FAKE_POLITE);
	eventually(broker_state(pool) == BROKER_UP);
	cr_expect_eq(publish("q", "id-2"), ERR_OK);
}

Test(broker, waits_for_a_silent_broker_no_longer_than_to_connect)
{
	struct broker_options o = patient();

	o.connect_timeout_ms = HASTY_MS;
	fake_broker_behave(fake, FAKE_DEAF);
	open_pool(o);
	expect_failure("q", "id-1", AT_ONCE_MS);
	cr_expect_eq(broker_state(pool), BROKER_DOWN);
	expect_all_fail_at_once();
}

Test(broker, waits_for_a_broker_that_reads_no_more_no_longer_than_for_a_confirm)
{
	struct broker_msg m = {"q", NULL, 64 << 20, "id-2", NULL};
	int64_t start;

	given_hasty_pool();
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	fake_broker_behave(fake, FAKE_DEAF);
	m.body = calloc(1, m.len);
	cr_assert_not_null(m.body);
	start = clock_mono_ms();
	cr_expect_eq(broker_publish(pool, &m), ERR_BROKER);
	cr_expect_lt(clock_mono_ms() - start, AT_ONCE_MS);
	free((void *)(uintptr_t)m.body);
	fake_broker_behave(fake, FAKE_POLITE);
	eventually(broker_state(pool) == BROKER_UP);
}

/* Connections. */

#define THREADS 16

Test(broker, has_no_more_connections_than_it_may_and_lets_the_others_wait)
{
	struct publisher p[THREADS];
	char queues[THREADS][8];
	unsigned i;

	given_pool();
	fake_broker_order(fake, NULL, FAKE_HOLD, 4);
	for (i = 0; i < THREADS; i++) {
		(void)snprintf(queues[i], sizeof(queues[i]), "q-%u", i);
		begin_publish(&p[i], queues[i], "id");
	}
	eventually(count(FAKE_HELD) == 4);
	cr_expect_eq(count(FAKE_MESSAGES), 4);
	fake_broker_release(fake);
	for (i = 0; i < THREADS; i++)
		cr_expect_eq(end_publish(&p[i]), ERR_OK);
	cr_expect_eq(count(FAKE_MESSAGES), THREADS);
	cr_expect_eq(count(FAKE_OPEN_MAX), 4);
	cr_expect_eq(count(FAKE_LOGGED_IN), 4);
}

/* Messages of one queue. */

/* Two on their way, without a confirm, and n behind them. */
static void
given_a_row(struct publisher *p, unsigned n)
{
	static const char *const ids[] = {
	    "id-0", "id-1", "id-2", "id-3", "id-4", "id-5", "id-6", "id-7"};
	unsigned i;

	fake_broker_order(fake, "q", FAKE_HOLD, 2);
	for (i = 0; i < 2; i++) {
		begin_publish(&p[i], "q", ids[i]);
		eventually(count(FAKE_HELD) == i + 1);
	}
	for (i = 2; i < 2 + n; i++)
		begin_publish(&p[i], "q", ids[i]);
}

Test(broker, sends_the_messages_of_a_queue_by_few_connections)
{
	struct publisher p[8];
	unsigned i;

	given_pool();
	given_a_row(p, 6);
	cr_expect_eq(publish("other", "id"), ERR_OK, "it does not wait");
	cr_expect_eq(count(FAKE_MESSAGES), 3);
	fake_broker_release(fake);
	for (i = 0; i < 8; i++)
		cr_expect_eq(end_publish(&p[i]), ERR_OK);
	cr_expect_eq(count(FAKE_MESSAGES), 9);
	cr_expect_leq(count(FAKE_OPEN_MAX), 3);
}

Test(broker, tells_each_thread_what_became_of_its_message)
{
	static const struct {
		enum fake_act act;
		unsigned times, refused, messages;
	} rows[] = {
	    {FAKE_NACK, 2, 2, 8},
	    {FAKE_RETURN, 1, 0, 9}, /* only that one is sent again */
	    {FAKE_CONFIRM_ALL, FAKE_ALWAYS, 0, 8},
	};
	unsigned i, j, refused, before;
	struct publisher p[8];

	given_pool();
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		before = count(FAKE_MESSAGES);
		given_a_row(p, 6);
		fake_broker_order(fake, "q", rows[i].act, rows[i].times);
		fake_broker_release(fake);
		for (j = 0, refused = 0; j < 8; j++)
			refused += end_publish(&p[j]) != ERR_OK;
		cr_expect_eq(refused, rows[i].refused, "row %u", i);
		cr_expect_eq(count(FAKE_MESSAGES) - before, rows[i].messages,
		    "row %u", i);
	}
}

static void *
publish_often(void *arg)
{
	atomic_int *confirmed = arg;
	int i;

	for (i = 0; i < 25; i++)
		if (publish("q", "id") == ERR_OK)
			(void)atomic_fetch_add(confirmed, 1);
	return NULL;
}

Test(broker, confirms_each_message_of_many_threads)
{
	pthread_t threads[THREADS];
	atomic_int confirmed;
	int i;

	atomic_init(&confirmed, 0);
	given_pool();
	for (i = 0; i < THREADS; i++)
		cr_assert_eq(pthread_create(
				 &threads[i], NULL, publish_often, &confirmed),
		    0);
	for (i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	cr_expect_eq(atomic_load(&confirmed), THREADS * 25);
	cr_expect_eq(count(FAKE_MESSAGES), THREADS * 25);
	cr_expect_leq(count(FAKE_OPEN_MAX), 4);
}

Test(
    broker, confirms_nothing_that_was_not_taken_while_the_broker_comes_and_goes)
{
	pthread_t threads[4];
	atomic_int confirmed;
	unsigned i, routed = 0;

	atomic_init(&confirmed, 0);
	given_pool();
	for (i = 0; i < 4; i++)
		cr_assert_eq(pthread_create(
				 &threads[i], NULL, publish_often, &confirmed),
		    0);
	for (i = 0; i < 5; i++) {
		fake_broker_stop(fake);
		fake_broker_start(fake);
		eventually(broker_probe(pool) == BROKER_UP);
	}
	for (i = 0; i < 4; i++)
		(void)pthread_join(threads[i], NULL);
	for (i = 0; i < count(FAKE_MESSAGES); i++)
		routed += message(i)->routed;
	cr_expect_leq((unsigned)atomic_load(&confirmed), routed);
	eventually(publish("q", "id") == ERR_OK);
}

Test(broker, tries_several_hosts_in_turn)
{
	other = fake_broker_new();
	given_pool();
	fake_broker_stop(fake);
	eventually(publish("q", "id-1") == ERR_OK);
	cr_expect_eq(fake_broker_count(other, FAKE_LOGGED_IN), 1);
	fake_broker_start(fake);
	cr_expect_eq(publish("q", "id-2"), ERR_OK);
	cr_expect_eq(count(FAKE_CONNECTED), 0, "the one that works is kept");
	fake_broker_stop(other);
	eventually(publish("q", "id-3") == ERR_OK);
	cr_expect_str_eq(message(0)->message_id, "id-3");
}

Test(broker, keeps_idle_connections_alive_by_heartbeats)
{
	struct broker_options o = patient();

	o.heartbeat_s = 1;
	open_pool(o);
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	eventually(count(FAKE_HEARTBEATS) >= 2);
	cr_expect_eq(publish("q", "id-2"), ERR_OK);
	cr_expect_eq(count(FAKE_CONNECTED), 1);
}

Test(broker, misses_the_heartbeats_of_a_broker_that_hangs)
{
	struct broker_options o = patient();

	o.heartbeat_s = 1;
	o.connect_timeout_ms = HASTY_MS;
	open_pool(o);
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	fake_broker_behave(fake, FAKE_DEAF);
	eventually(broker_state(pool) == BROKER_DOWN);
}

/* Opening, looking, closing. */

Test(broker, connects_at_first_use)
{
	given_pool();
	cr_expect_eq(broker_state(pool), BROKER_UNKNOWN);
	cr_expect_eq(broker_probe(pool), BROKER_UP);
	cr_expect_eq(broker_probe(pool), BROKER_UP);
	cr_expect_eq(count(FAKE_CONNECTED), 1);
	cr_expect_eq(publish("q", "id"), ERR_OK);
	cr_expect_eq(count(FAKE_CONNECTED), 1, "what was found is used");
}

Test(broker, says_what_a_probe_has_found)
{
	fake_broker_stop(fake);
	given_pool();
	cr_expect_eq(broker_state(pool), BROKER_UNKNOWN);
	cr_expect_eq(broker_probe(pool), BROKER_DOWN);
	cr_expect_eq(broker_state(pool), BROKER_DOWN);
}

Test(broker, takes_leave_of_the_broker_when_it_closes)
{
	given_pool();
	cr_assert_eq(publish("q", "id"), ERR_OK);
	broker_close(pool);
	pool = NULL;
	eventually(count(FAKE_OPEN) == 0);
	cr_expect_eq(count(FAKE_LEFT), 1);
}

Test(broker, closes_unused_and_for_nothing)
{
	given_pool();
	broker_close(pool);
	pool = NULL;
	broker_close(NULL);
	cr_expect_eq(count(FAKE_CONNECTED), 0);
}

Test(broker, does_not_wait_for_a_silent_broker_when_it_closes)
{
	int64_t start;

	given_pool();
	cr_assert_eq(publish("q", "id"), ERR_OK);
	fake_broker_behave(fake, FAKE_DEAF);
	start = clock_mono_ms();
	broker_close(pool);
	pool = NULL;
	cr_expect_lt(clock_mono_ms() - start, AT_ONCE_MS);
}
