/* Looking at queues and taking messages off them, against a broker that misbehaves as told. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "broker_tap.h"
#include "clock.h"
#include "fake_broker.h"
#include "log.h"

/* For what is not answered in time. */
#define HASTY_MS 400

static struct fake_broker *fake;
static struct broker *pool;
static struct broker_tap *tap;

static void
setup(void)
{
	log_setup("unit", LOG_LVL_ERROR);
	fake = fake_broker_new();
}

static void
teardown(void)
{
	broker_tap_close(tap);
	broker_close(pool);
	fake_broker_free(fake);
}

TestSuite(broker_tap, .init = setup, .fini = teardown, .timeout = 120);

static void
given_pool(unsigned ms)
{
	struct broker_options o = {
	    .ca_file = "",
	    .name = "unit",
	    .connections = 4,
	    .connect_timeout_ms = ms,
	    .confirm_timeout_ms = ms,
	    .heartbeat_s = 30,
	};
	struct amqp_uri uri;
	const char *why;
	char text[64];
	size_t at;

	(void)snprintf(
	    text, sizeof(text), "amqp://127.0.0.1:%d/", fake_broker_port(fake));
	cr_assert_eq(amqp_uri_parse(&uri, text, &why, &at), ERR_OK);
	o.uri = &uri;
	cr_assert_eq(broker_open(&pool, &o), ERR_OK);
}

static void
given_tap(unsigned ms)
{
	given_pool(ms);
	cr_assert_eq(broker_tap_open(&tap, pool), ERR_OK);
}

static enum err
takes(const char *queue, struct broker_taken *m)
{
	bool gone;

	return broker_tap_take(tap, queue, m, &gone);
}

static void
expect_taken(const char *id, struct broker_taken *m)
{
	cr_assert_eq(takes("q", m), ERR_OK);
	cr_expect_str_eq(m->id, id);
}

Test(broker_tap, takes_messages_in_order_and_drops_them)
{
	struct broker_taken m;
	bool gone;

	fake_broker_put(fake, "q", "one", 1);
	fake_broker_put(fake, "q", "two", 1);
	given_tap(PATIENT_MS);
	expect_taken("one", &m);
	cr_expect_eq(broker_tap_drop(tap, m.tag), ERR_OK);
	expect_taken("two", &m);
	cr_expect_eq(broker_tap_drop(tap, m.tag), ERR_OK);
	cr_expect_eq(broker_tap_take(tap, "q", &m, &gone), ERR_NOTFOUND);
	cr_expect_not(gone);
	cr_expect_eq(fake_broker_depth(fake, "q"), 0);
}

Test(broker_tap, puts_back_what_it_did_not_drop_to_where_it_was)
{
	struct broker_taken m;

	fake_broker_put(fake, "q", "one", 1);
	fake_broker_put(fake, "q", "two", 1);
	fake_broker_put(fake, "q", "three", 1);
	given_tap(PATIENT_MS);
	expect_taken("one", &m);
	expect_taken("two", &m);
	cr_expect_eq(broker_tap_drop(tap, m.tag), ERR_OK);
	expect_taken("three", &m);
	cr_expect_eq(broker_tap_put_back(tap, m.tag), ERR_OK);
	expect_taken("one", &m);
	cr_expect_eq(fake_broker_depth(fake, "q"), 2);
	cr_expect_str_eq(fake_broker_at(fake, "q", 1), "three");
}

Test(broker_tap, takes_messages_without_a_name_or_with_a_long_one)
{
	struct broker_taken m;
	char name[201];

	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	fake_broker_put(fake, "q", NULL, 1);
	fake_broker_put(fake, "q", name, 1);
	given_tap(PATIENT_MS);
	expect_taken("", &m);
	expect_taken("", &m);
}

Test(broker_tap, takes_a_message_of_many_frames)
{
	static char text[1000000];
	const struct broker_msg big = {
	    .queue = "q", .body = text, .len = sizeof(text), .message_id = "b"};
	struct broker_taken m;

	memset(text, 'x', sizeof(text));
	given_tap(PATIENT_MS);
	cr_assert_eq(broker_publish(pool, &big), ERR_OK);
	fake_broker_put(fake, "q", "next", 1);
	expect_taken("b", &m);
	expect_taken("next", &m);
}

Test(broker_tap, tells_messages_and_consumers)
{
	int64_t messages, consumers;

	fake_broker_put(fake, "q", "one", 3);
	fake_broker_consume(fake, "q", 2);
	given_tap(PATIENT_MS);
	cr_assert_eq(broker_tap_look(tap, "q", &messages, &consumers), ERR_OK);
	cr_expect_eq(messages, 3);
	cr_expect_eq(consumers, 2);
}

Test(broker_tap, goes_on_after_a_queue_that_is_not_there)
{
	int64_t messages, consumers;
	struct broker_taken m;
	bool gone;

	fake_broker_put(fake, "q", "one", 1);
	given_tap(PATIENT_MS);
	cr_expect_eq(
	    broker_tap_look(tap, "none", &messages, &consumers), ERR_NOTFOUND);
	cr_expect_eq(broker_tap_take(tap, "none", &m, &gone), ERR_NOTFOUND);
	cr_expect(gone);
	expect_taken("one", &m);
	cr_expect_eq(fake_broker_count(fake, FAKE_CONNECTED), 1);
}

Test(broker_tap, goes_on_after_a_queue_that_is_not_ours)
{
	struct broker_taken m;

	fake_broker_put(fake, "q", "one", 1);
	fake_broker_put(fake, "secret", "two", 1);
	fake_broker_order(fake, "secret", FAKE_REFUSE_TAKE, FAKE_ALWAYS);
	given_tap(PATIENT_MS);
	cr_expect_eq(takes("secret", &m), ERR_CONFLICT);
	cr_expect_not_null(strstr(broker_tap_why(tap), "403 ACCESS_REFUSED"));
	expect_taken("one", &m);
}

Test(broker_tap, loses_no_message_with_its_connection)
{
	struct broker_taken m;

	fake_broker_put(fake, "q", "one", 1);
	given_tap(PATIENT_MS);
	expect_taken("one", &m);
	broker_tap_close(tap);
	eventually(fake_broker_count(fake, FAKE_OPEN) == 0);
	cr_assert_eq(broker_tap_open(&tap, pool), ERR_OK);
	expect_taken("one", &m);
}

Test(broker_tap, waits_no_longer_than_its_time)
{
	struct broker_taken m;
	int64_t begun;

	fake_broker_put(fake, "q", "one", 1);
	fake_broker_order(fake, "q", FAKE_HANG_TAKE, 1);
	given_tap(HASTY_MS);
	begun = clock_mono_ms();
	cr_expect_eq(takes("q", &m), ERR_BROKER);
	cr_expect_lt(clock_mono_ms() - begun, PATIENT_MS / 2);
	broker_tap_close(tap);
	cr_assert_eq(broker_tap_open(&tap, pool), ERR_OK);
	fake_broker_behave(fake, FAKE_DEAF);
	cr_expect_eq(takes("q", &m), ERR_BROKER);
	broker_tap_close(tap);
	cr_expect_eq(broker_tap_open(&tap, pool), ERR_BROKER);
	cr_expect_null(tap);
	fake_broker_behave(fake, FAKE_POLITE);
}

Test(broker_tap, knows_a_connection_that_is_lost)
{
	int64_t messages, consumers;

	given_tap(PATIENT_MS);
	cr_expect(broker_tap_alive(tap));
	fake_broker_cut(fake);
	eventually(!broker_tap_alive(tap));
	cr_expect_eq(
	    broker_tap_look(tap, "q", &messages, &consumers), ERR_BROKER);
}
