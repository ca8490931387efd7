/* Last-seen times reach the store, and who is silent is forgotten, but not at once. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "advert.h"
#include "agent.h"
#include "agent/routes.h"
#include "agent_times.h"
#include "clock.h"
#include "fixture.h"

#define NOW INT64_C(1795338103000)
#define DAY INT64_C(86400000)

static struct fixture f;
static int rounds, pauses[16];

static void
open_with(const char *ages)
{
	char path[128];

	fixture_open(&f, ages);
	(void)snprintf(path, sizeof(path), "%s/seen", f.dir);
	cr_assert_eq(seen_open(&f.svc.seen, path, 100), ERR_OK);
	clock_set_for_test(NOW);
}

static void
teardown(void)
{
	fixture_close(&f);
}

TestSuite(tidy, .fini = teardown);

static void
given_agent_and_queue(void)
{
	struct agent_report r = {.n_log = 0};
	struct advert item = {"q", "words", 5};
	struct adverts a = {&item, 1};

	cr_assert_eq(agent_put(&f.svc, "a", &r), ERR_OK);
	cr_assert_eq(advert_put_queues(&f.svc, &a), ERR_OK);
}

static bool
are_known(void)
{
	struct name_page p = {.any = false};
	const char *json;
	struct buf b;
	size_t len;

	buf_init(&b, f.arena, 64);
	cr_assert_eq(advert_list_page(&f.svc, &p, &b), ERR_OK);
	return agent_read(&f.svc, f.arena, "a", &json, &len) == ERR_OK && p.any;
}

static bool
stop_after_three(void)
{
	return rounds >= 3;
}

static void
no_sleep(int ms)
{
	pauses[rounds++] = ms;
}

static void
real_sleep(int ms)
{
	const struct timespec t = {ms / 1000, ms % 1000 * 1000000L};

	pauses[rounds++] = ms;
	(void)nanosleep(&t, NULL);
}

Test(tidy, gives_agents_time_to_be_heard_of_again_after_a_start)
{
	open_with("");
	given_agent_and_queue();
	clock_set_for_test(NOW + 100 * DAY);
	tidy_run(&f.svc, stop_after_three, no_sleep);
	cr_expect(are_known());
}

Test(tidy, forgets_the_silent_later)
{
	open_with("AGENT_MAX_AGE = 1\nQUEUE_MAX_AGE = 2\n");
	given_agent_and_queue();
	clock_set_for_test(NOW + 100 * DAY);
	tidy_run(&f.svc, stop_after_three, real_sleep);
	cr_expect_not(are_known());
	cr_expect_eq(pauses[0], 500);
}

Test(tidy, forgets_nothing_where_it_is_told_so)
{
	open_with("AGENT_MAX_AGE = 0\nQUEUE_MAX_AGE = 0\n");
	given_agent_and_queue();
	clock_set_for_test(NOW + 10000 * DAY);
	cr_assert_eq(agent_times_forget_silent(&f.svc), ERR_OK);
	cr_assert_eq(advert_tidy(&f.svc, true), ERR_OK);
	cr_expect(are_known());
}

Test(tidy, writes_times_down_once_a_minute_and_once_more_at_the_end)
{
	const char *json;
	size_t len;

	open_with("");
	given_agent_and_queue();
	clock_set_for_test(NOW + 60000);
	given_agent_and_queue();
	rounds = 2;
	tidy_run(&f.svc, stop_after_three, no_sleep);
	cr_expect_eq(pauses[2], 60000);
	/* The map is lost; what was written down is not. */
	seen_close(f.svc.seen);
	f.svc.seen = NULL;
	cr_assert_eq(agent_read(&f.svc, f.arena, "a", &json, &len), ERR_OK);
	cr_expect_not_null(strstr(json, "2026-11-22T09:02:43Z"), "%s", json);
}
