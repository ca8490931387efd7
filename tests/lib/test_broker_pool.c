/* The connections of the pool: how many, to which host, alive; opened and closed. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "publishing.h"

#define THREADS 16

TestSuite(broker_pool, .init = publishing_open, .fini = publishing_close,
    .timeout = 120);

Test(broker_pool, has_no_more_connections_than_it_may_and_lets_the_others_wait)
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

Test(broker_pool, tries_several_hosts_in_turn)
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

Test(broker_pool, keeps_idle_connections_alive_by_heartbeats)
{
	struct broker_options o = patient();

	o.heartbeat_s = 1;
	open_pool(o);
	cr_assert_eq(publish("q", "id-1"), ERR_OK);
	eventually(count(FAKE_HEARTBEATS) >= 2);
	cr_expect_eq(publish("q", "id-2"), ERR_OK);
	cr_expect_eq(count(FAKE_CONNECTED), 1);
}

Test(broker_pool, misses_the_heartbeats_of_a_broker_that_hangs)
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

Test(broker_pool, connects_at_first_use)
{
	given_pool();
	cr_expect_eq(broker_state(pool), BROKER_UNKNOWN);
	cr_expect_eq(broker_probe(pool), BROKER_UP);
	cr_expect_eq(broker_probe(pool), BROKER_UP);
	cr_expect_eq(count(FAKE_CONNECTED), 1);
	cr_expect_eq(publish("q", "id"), ERR_OK);
	cr_expect_eq(count(FAKE_CONNECTED), 1, "what was found is used");
}

Test(broker_pool, says_what_a_probe_has_found)
{
	fake_broker_stop(fake);
	given_pool();
	cr_expect_eq(broker_state(pool), BROKER_UNKNOWN);
	cr_expect_eq(broker_probe(pool), BROKER_DOWN);
	cr_expect_eq(broker_state(pool), BROKER_DOWN);
}

Test(broker_pool, takes_leave_of_the_broker_when_it_closes)
{
	given_pool();
	cr_assert_eq(publish("q", "id"), ERR_OK);
	broker_close(pool);
	pool = NULL;
	eventually(count(FAKE_OPEN) == 0);
	cr_expect_eq(count(FAKE_LEFT), 1);
}

Test(broker_pool, closes_unused_and_for_nothing)
{
	given_pool();
	broker_close(pool);
	pool = NULL;
	broker_close(NULL);
	cr_expect_eq(count(FAKE_CONNECTED), 0);
}

Test(broker_pool, does_not_wait_for_a_silent_broker_when_it_closes)
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
