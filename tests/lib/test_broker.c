/* Messages to the broker, which misbehaves as told: their form, declarations, confirms. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "publishing.h"

#define THREADS 16

TestSuite(
    broker, .init = publishing_open, .fini = publishing_close, .timeout = 120);

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
