/* Who waits for a job is heard of as long as it waits. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "clock.h"
#include "dispatch/hold_signs.h"
#include "fixture.h"

#define NOW INT64_C(1800000000000)
#define MANY 300

static struct fixture f;
static struct parked_set *set;
static struct hold_signs signs;
static struct parked *held[MANY];

static void
setup(void)
{
	const char *queue = "q";
	char path[128], name[16];
	size_t i;

	fixture_open(&f, "");
	(void)snprintf(path, sizeof(path), "%s/seen", f.dir);
	cr_assert_eq(seen_open(&f.svc.seen, path, MANY), ERR_OK);
	set = parked_set_new();
	cr_assert_not_null(set);
	signs = (struct hold_signs){.set = set};
	for (i = 0; i < MANY; i++) {
		(void)snprintf(name, sizeof(name), "a%zu", i);
		seen_note(f.svc.seen, SEEN_AGENT, name, NOW);
		held[i] = parked_new(name, &queue, 1);
		cr_assert_not_null(held[i]);
		cr_assert(parked_put(set, held[i]));
	}
}

static void
go(size_t i)
{
	parked_out(set, held[i]);
	parked_free(set, held[i]);
	held[i] = NULL;
}

static void
teardown(void)
{
	size_t i;

	for (i = 0; i < MANY; i++)
		if (held[i] != NULL)
			go(i);
	parked_set_free(set);
	clock_set_for_test(0);
	fixture_close(&f);
}

TestSuite(hold_signs, .init = setup, .fini = teardown);

static int64_t
last(size_t i)
{
	char name[16];

	(void)snprintf(name, sizeof(name), "a%zu", i);
	return seen_last(f.svc.seen, SEEN_AGENT, name, clock_now_ms());
}

/* At this moment, a second after the last time; how many steps it takes. */
static unsigned
tell(int64_t at)
{
	unsigned n = 0;

	clock_set_for_test(at);
	signs.due_ms = 0;
	do {
		cr_assert_eq(hold_signs_due_ms(&signs), 0);
		hold_signs_on(&signs, &f.svc);
		n++;
	} while (signs.part > 0);
	return n;
}

Test(hold_signs, tell_of_all_who_wait_a_part_at_a_time)
{
	unsigned first;
	size_t i;

	first = tell(NOW + 5000);
	cr_expect_eq(first, PARKED_PARTS);
	for (i = 0; i < MANY; i++)
		cr_expect_eq(last(i), NOW + 5000, "%zu", i);
	go(7);
	(void)tell(NOW + 6000);
	for (i = 0; i < MANY; i++)
		cr_expect_eq(last(i), NOW + (i == 7 ? 5000 : 6000), "%zu", i);
}

Test(hold_signs, tell_once_a_second)
{
	int64_t begun = clock_mono_ms(), due;

	(void)tell(NOW + 5000);
	due = hold_signs_due_ms(&signs);
	cr_expect_geq(due, begun + 1000);
	cr_expect_leq(due, clock_mono_ms() + 1000);
	signs.due_ms = INT64_MAX - 1;
	clock_set_for_test(NOW + 5500);
	hold_signs_on(&signs, &f.svc);
	cr_expect_eq(signs.part, 0);
	cr_expect_eq(last(0), NOW + 5000);
}

Test(hold_signs, ask_for_no_turn_while_nobody_waits)
{
	size_t i;

	for (i = 0; i < MANY; i++)
		go(i);
	cr_expect_eq(hold_signs_due_ms(&signs), INT64_MAX);
}

/* What nobody has told us of takes no place of the map. */
Test(hold_signs, make_no_agent_known)
{
	const char *queue = "q";
	struct parked *p = parked_new("stranger", &queue, 1);

	cr_assert_not_null(p);
	cr_assert(parked_put(set, p));
	(void)tell(NOW + 5000);
	cr_expect_eq(
	    seen_last(f.svc.seen, SEEN_AGENT, "stranger", NOW + 5000), 0);
	parked_out(set, p);
	parked_free(set, p);
}
