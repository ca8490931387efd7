/* Whether the broker is worth a try: it blocks, it is gone, it hangs, and is found again. */

#include <criterion/criterion.h>
#include <stdlib.h>

#include "publishing.h"

TestSuite(broker_breaker, .init = publishing_open, .fini = publishing_close,
    .timeout = 120);

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

Test(broker_breaker, fails_at_once_when_it_is_told_that_the_broker_is_blocked)
{
	given_pool();
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	fake_broker_block(fake, false);
	expect_failure("q", "id-2", AT_ONCE_MS);
	expect_blocked();
	expect_open_again();
	cr_expect_eq(count(FAKE_LOGGED_IN), 1);
}

Test(broker_breaker, learns_of_blocking_while_it_is_idle)
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
Test(broker_breaker, sends_nothing_by_a_connection_that_is_found_to_be_blocked)
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

Test(broker_breaker, stays_blocked_though_an_older_message_is_confirmed)
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

Test(broker_breaker,
    fails_at_once_while_the_broker_is_gone_and_finds_it_by_itself)
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

Test(broker_breaker, survives_a_connection_that_is_cut_before_the_confirm)
{
	given_pool();
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	fake_broker_order(fake, NULL, FAKE_CUT, 1);
	expect_failure("q", "id-2", AT_ONCE_MS);
	eventually(broker_state(pool) == BROKER_UP);
	cr_expect_eq(publish("q", "id-3"), ERR_OK);
	cr_expect_eq(count(FAKE_LOGGED_IN), 2);
}

Test(broker_breaker, learns_that_the_broker_is_gone_while_it_is_idle)
{
	given_pool();
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	fake_broker_stop(fake);
	eventually(broker_state(pool) == BROKER_DOWN);
	fake_broker_start(fake);
	eventually(broker_state(pool) == BROKER_UP);
	cr_expect_eq(publish("q", "id-2"), ERR_OK);
}

Test(broker_breaker, is_down_while_the_broker_refuses_the_login)
{
	given_pool();
	fake_broker_behave(fake, FAKE_REFUSES_LOGIN);
	expect_failure("q", "id-1", AT_ONCE_MS);
	cr_expect_eq(broker_state(pool), BROKER_DOWN);
	fake_broker_behave(fake, FAKE_POLITE);
	eventually(broker_state(pool) == BROKER_UP);
	cr_expect_eq(publish("q", "id-2"), ERR_OK);
}

Test(broker_breaker, waits_for_a_silent_broker_no_longer_than_to_connect)
{
	struct broker_options o = patient();

	o.connect_timeout_ms = HASTY_MS;
	fake_broker_behave(fake, FAKE_DEAF);
	open_pool(o);
	expect_failure("q", "id-1", AT_ONCE_MS);
	cr_expect_eq(broker_state(pool), BROKER_DOWN);
	expect_all_fail_at_once();
}

Test(broker_breaker,
    waits_for_a_broker_that_reads_no_more_no_longer_than_for_a_confirm)
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
