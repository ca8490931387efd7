/* A wall clock that is set: it gives back, ends and freezes no job. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <sys/stat.h>

#include "clock.h"
#include "offers.h"

TestSuite(handout_clock, .init = offers_open, .fini = offers_close);

static void
expect_settled(int64_t by)
{
	int64_t seen;

	cr_assert_eq(handout_clock(&lab.svc, &seen), ERR_OK);
	/* The clock that is not set goes on during a test. */
	cr_expect(seen <= by && seen > by - CLOCK_STEP_MS);
}

static void
set_clock(int64_t by)
{
	set_clock_unseen(by);
	expect_settled(by);
	sweep();
}

Test(handout_clock, lets_no_clock_that_is_set_end_or_give_back_a_job)
{
	struct id offered = given("q"), marked, waits = given_until("w", 60);
	static const int64_t steps[] = {DAY, -DAY, -DAY, DAY};
	size_t i;

	expect_offer("q", "a", offered);
	marked = given("m");
	expect_offer("m", "b", marked);
	cr_assert_eq(reports(marked, "b", "test"), ERR_OK);
	expect_nothing("m", "b");
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		set_clock(steps[i]);
		expect_state(offered, "running");
		expect_nothing("q", "other");
		expect_state(marked, "test");
		expect_state(waits, "waiting");
	}
}

Test(handout_clock, freezes_nothing_when_the_clock_is_set_back)
{
	struct id offered, marked, waits;

	pass(DAY);
	offered = given("q");
	expect_offer("q", "a", offered);
	marked = given("m");
	expect_offer("m", "b", marked);
	cr_assert_eq(reports(marked, "b", "test"), ERR_OK);
	expect_nothing("m", "b");
	waits = given_until("w", 60);
	set_clock(-DAY);
	expect_state(waits, "waiting");
	pass(901 * 1000);
	sweep();
	expect_state(offered, "waiting");
	expect_state(marked, "cancelled");
	expect_state(waits, "cancelled");
}

/* What it moves forward it moves back: the job ends when its time is over, not a day later. */
Test(handout_clock, ends_what_nobody_took_in_time_after_the_clock_was_wrong)
{
	struct id waits = given_until("w", 60);

	set_clock(DAY);
	pass(5000);
	set_clock(-DAY);
	expect_state(waits, "waiting");
	pass(61 * 1000);
	sweep();
	expect_state(waits, "cancelled");
}

/* From that a retry has its own. */
Test(handout_clock, keeps_the_length_of_a_queue_timeout_when_the_clock_is_set)
{
	static const int64_t steps[] = {DAY, -DAY};
	size_t i;

	(void)given_until("w", 60);
	for (i = 0; i < 2; i++) {
		set_clock(steps[i]);
		cr_expect_eq(fixture_number(&lab,
				 "SELECT deadline_at - created_at FROM job"),
		    60 * 1000);
	}
}

Test(handout_clock, keeps_a_queue_timeout_when_the_clock_is_set_during_an_offer)
{
	struct id id = given_until("w", 1000);

	expect_offer("w", "a", id);
	set_clock(DAY);
	expect_nothing("other", "a");
	sweep();
	expect_state(id, "waiting");
	pass(1000 * 1000);
	sweep();
	expect_state(id, "cancelled");
}

/* Where something would be due by the clock the sweep is the first to look. */
Test(handout_clock,
    lets_an_offer_last_its_time_also_when_the_clock_is_set_unseen)
{
	static const int64_t steps[] = {DAY, -DAY, 400000, -20000};
	struct id id;
	size_t i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		id = given("q");
		expect_offer("q", "a", id);
		pass(600 * 1000);
		set_clock_unseen(steps[i]);
		sweep();
		expect_state(id, "running");
		expect_settled(steps[i] > 0 ? 0 : steps[i]);
		pass(280 * 1000);
		sweep();
		expect_state(id, "running");
		expect_nothing("q", "b");
		/* Not much longer either, unless it could be of after a small step back. */
		pass(steps[i] == -20000 ? 50 * 1000 : 30 * 1000);
		sweep();
		expect_state(id, "waiting");
		cr_assert_eq(job_cancel(&lab.svc, &id), ERR_OK);
	}
}

Test(handout_clock, makes_the_times_fit_once_however_many_see_the_clock_set)
{
	struct id waits = given_until("w", 60);
	struct id offered = given("q");

	expect_offer("q", "a", offered);
	set_clock_unseen(DAY);
	expect_settled(DAY);
	expect_settled(0);
	expect_settled(0);
	sweep();
	expect_state(waits, "waiting");
	pass(61 * 1000);
	sweep();
	expect_state(waits, "cancelled");
	expect_state(offered, "running");
	pass(840 * 1000);
	sweep();
	expect_state(offered, "waiting");
}

Test(handout_clock, leaves_alone_what_came_since_the_clock_was_set)
{
	struct id before = given_until("w", 60), since, offered = given("q");

	set_clock_unseen(DAY);
	since = given_until("w", 60);
	expect_offer("q", "a", offered);
	expect_settled(DAY);
	pass(61 * 1000);
	sweep();
	expect_state(before, "cancelled");
	expect_state(since, "cancelled");
	expect_state(offered, "running");
	pass(840 * 1000);
	sweep();
	expect_state(offered, "waiting");
}

/* How long the host was off, and whether its clock is right, nobody knows. */
Test(handout_clock,
    begins_an_offer_and_a_return_anew_when_the_host_was_started_anew)
{
	struct id offered = given("q"), marked;

	expect_offer("q", "a", offered);
	marked = given("m");
	expect_offer("m", "b", marked);
	cr_assert_eq(reports(marked, "b", "test"), ERR_OK);
	expect_nothing("m", "b");
	pass(500 * 1000);
	clock_boot_for_test("another");
	set_clock_unseen(DAY);
	sweep();
	expect_settled(0);
	pass(599 * 1000);
	sweep();
	expect_state(offered, "running");
	expect_state(marked, "test");
	pass(2 * 1000);
	sweep();
	expect_state(marked, "cancelled");
	pass(300 * 1000);
	sweep();
	expect_state(offered, "waiting");
}

/* As in a container that hides it: what may have been a start is one, and what may have been a
 * clock that was set ends nothing sooner. */
Test(
    handout_clock, begins_an_offer_anew_where_the_host_does_not_tell_its_starts)
{
	static const char *const before[] = {"", "one", ""};
	static const char *const after[] = {"", "", "two"};
	static const int64_t steps[] = {5 * DAY, -5 * DAY};
	struct id offered, waits;
	size_t i;

	for (i = 0; i < 6; i++) {
		clock_boot_for_test(before[i % 3]);
		set_clock_unseen(DAY);
		expect_settled(0);
		offered = given("q");
		expect_offer("q", "a", offered);
		waits = given_until("w", 2000);
		pass(500 * 1000);
		/* Off for 20 minutes, and up only since then. */
		clock_boot_for_test(after[i % 3]);
		set_clock_unseen(steps[i / 3] + 1200 * 1000);
		expect_settled(0);
		sweep();
		pass(890 * 1000);
		sweep();
		expect_state(offered, "running");
		pass(20 * 1000);
		sweep();
		expect_state(offered, "waiting");
		pass(1000 * 1000);
		sweep();
		expect_state(waits, "cancelled");
		cr_assert_eq(job_cancel(&lab.svc, &offered), ERR_OK);
	}
}

Test(handout_clock,
    ends_no_job_for_a_clock_set_where_the_host_does_not_tell_its_starts)
{
	static const int64_t steps[] = {DAY, -DAY, DAY / 2, -DAY / 2};
	struct id waits;
	size_t i;

	clock_boot_for_test("");
	set_clock_unseen(DAY);
	expect_settled(0);
	waits = given_until("w", 60);
	for (i = 0; i < 4; i++) {
		set_clock_unseen(steps[i]);
		expect_settled(0);
		sweep();
		expect_state(waits, "waiting");
	}
	pass(61 * 1000);
	sweep();
	expect_state(waits, "cancelled");
}

/* Some of the processes may be where it is hidden. */
Test(handout_clock,
    does_not_begin_an_offer_anew_for_those_who_are_not_told_of_the_start)
{
	struct id id = given("q");
	int i;

	expect_offer("q", "a", id);
	for (i = 0; i < 91; i++) {
		clock_boot_for_test(i % 2 == 0 ? "" : NULL);
		pass(10 * 1000);
		expect_settled(0);
		sweep();
	}
	expect_state(id, "waiting");
}

Test(handout_clock, writes_nothing_while_the_clock_is_not_set)
{
	struct stat before, after;
	char path[128];
	int i;

	(void)snprintf(path, sizeof(path), "%s/state.db-wal", lab.dir);
	(void)given("q");
	cr_assert_eq(stat(path, &before), 0);
	for (i = 0; i < 3; i++) {
		pass(3600 * 1000);
		expect_settled(0);
		sweep();
	}
	cr_assert_eq(stat(path, &after), 0);
	cr_expect_eq(after.st_size, before.st_size);
}
