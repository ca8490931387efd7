/* Requests that wait: in which order, for what, until when. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dispatch/parked.h"

static struct parked_set *s;

static void
setup(void)
{
	s = parked_set_new();
	cr_assert_not_null(s);
}

static void
teardown(void)
{
	struct parked *p;

	while ((p = parked_next(s)) != NULL) {
		parked_out(s, p);
		parked_free(s, p);
	}
	cr_expect_null(parked_marked(s));
	parked_set_free(s);
}

TestSuite(parked, .init = setup, .fini = teardown);

/* On up to three queues. */
static struct parked *
given(const char *agent, int64_t until, const char *q1, const char *q2)
{
	const char *queues[2] = {q1, q2};
	struct parked *p = parked_new(agent, queues, q2 != NULL ? 2 : 1);

	cr_assert_not_null(p);
	p->until_ms = until;
	cr_assert(parked_put(s, p));
	return p;
}

static void
expect_order(const char *queue, const char *agents)
{
	const struct parked_queue *q = parked_queue(s, queue);
	const struct parked_wait *w;
	char got[256] = "";

	for (w = q != NULL ? q->first : NULL; w != NULL; w = w->next)
		(void)strcat(strcat(got, w->who->agent), " ");
	cr_expect_str_eq(got, agents);
}

Test(parked, waits_in_the_order_of_arrival_on_each_queue)
{
	struct parked *b;

	(void)given("a", 3, "q1", "q2");
	b = given("b", 2, "q2", NULL);
	(void)given("c", 1, "q2", "q1");
	expect_order("q1", "a c ");
	expect_order("q2", "a b c ");
	parked_out(s, b);
	expect_order("q2", "a c ");
	parked_free(s, b);
	cr_expect_eq(parked_count(s), 2);
}

Test(parked, comes_back_into_its_old_place)
{
	struct parked *a = given("a", 1, "q", NULL),
		      *b = given("b", 1, "q", NULL),
		      *c = given("c", 1, "q", NULL);

	(void)given("d", 1, "q", NULL);
	parked_out(s, a);
	parked_out(s, b);
	parked_out(s, c);
	cr_assert(parked_put(s, b));
	expect_order("q", "b d ");
	cr_assert(parked_put(s, c));
	cr_assert(parked_put(s, a));
	expect_order("q", "a b c d ");
}

Test(parked, is_found_by_its_agent)
{
	struct parked *a = given("a", 1, "q", NULL);

	cr_expect_eq(parked_of(s, "a", NULL), a);
	cr_expect_null(parked_of(s, "b", NULL));
	parked_out(s, a);
	cr_expect_null(parked_of(s, "a", NULL));
	parked_free(s, a);
}

Test(parked, takes_nobody_for_an_agent_that_a_client_has_verified)
{
	struct parked *a = given("a", 1, "q", NULL), *other;

	cr_assert_not_null(a->client = strdup("c"));
	cr_expect_null(parked_of(s, "a", NULL));
	cr_expect_null(parked_of(s, "a", "d"));
	cr_expect_eq(parked_of(s, "a", "c"), a);
	other = given("a", 1, "q", NULL);
	cr_expect_eq(parked_of(s, "a", NULL), other);
	cr_expect_eq(parked_of(s, "a", "c"), a);
	cr_expect_not_null(parked_named(s, "a"));
	cr_expect_null(parked_named(s, "b"));
}

Test(parked, ends_by_time_whatever_else_happens)
{
	struct parked *all[500], *p;
	char name[16];
	int64_t last = 0;
	size_t i, n = 0;

	srand(1);
	for (i = 0; i < 500; i++) {
		(void)snprintf(name, sizeof(name), "a%zu", i);
		all[i] = given(name, rand() % 1000, "q", NULL);
	}
	for (i = 0; i < 500; i += 3) {
		parked_out(s, all[i]);
		parked_free(s, all[i]);
	}
	while ((p = parked_next(s)) != NULL) {
		cr_assert_geq(p->until_ms, last);
		last = p->until_ms;
		parked_out(s, p);
		parked_free(s, p);
		n++;
	}
	cr_expect_eq(n, 500 - 167);
}

Test(parked, names_a_queue_once)
{
	struct parked *p = given("a", 1, "q", "q");

	cr_expect_eq(p->n, 1);
	cr_expect_str_eq(parked_name(p, 0), "q");
	expect_order("q", "a ");
}

Test(parked, keeps_a_queue_for_as_long_as_it_is_named)
{
	struct parked *a = given("a", 1, "q", NULL),
		      *b = given("b", 1, "q", NULL);

	parked_out(s, a);
	parked_mark(s, parked_queue(s, "q"));
	parked_free(s, a);
	cr_expect_not_null(parked_queue(s, "q"));
	parked_out(s, b);
	cr_expect_not_null(parked_queue(s, "q"));
	parked_free(s, b);
	cr_expect_null(parked_queue(s, "q"));
	cr_expect_null(parked_marked(s));
}

Test(parked, gives_each_marked_queue_once_and_in_order)
{
	struct parked_queue *q1, *q2, *q3;

	(void)given("a", 1, "q1", "q2");
	(void)given("b", 1, "q3", NULL);
	q1 = parked_queue(s, "q1");
	q2 = parked_queue(s, "q2");
	q3 = parked_queue(s, "q3");
	parked_mark(s, q2);
	parked_mark(s, q1);
	parked_mark(s, q2);
	parked_mark(s, q3);
	cr_expect_eq(parked_marked(s), q2);
	parked_mark(s, q2);
	cr_expect_eq(parked_marked(s), q1);
	cr_expect_eq(parked_marked(s), q3);
	cr_expect_eq(parked_marked(s), q2);
	cr_expect_null(parked_marked(s));
}

Test(parked, walks_through_all_queues_though_some_go_meanwhile)
{
	struct parked *all[9];
	char name[16], queue[16];
	struct parked_queue *q;
	unsigned met = 0;
	size_t i;

	for (i = 0; i < 9; i++) {
		(void)snprintf(name, sizeof(name), "a%zu", i);
		(void)snprintf(queue, sizeof(queue), "q%zu", i);
		all[i] = given(name, 1, queue, NULL);
	}
	parked_walk(s);
	for (i = 0; i < 4; i++) {
		q = parked_walked(s);
		cr_assert_not_null(q);
		met |= 1U << (q->name[1] - '0');
	}
	for (i = 0; i < 9; i += 2) {
		met |= 1U << i;
		parked_out(s, all[i]);
		parked_free(s, all[i]);
	}
	for (i = 0; (q = parked_walked(s)) != NULL; i++)
		met |= 1U << (q->name[1] - '0');
	cr_expect_leq(i, 9);
	cr_expect_eq(met, (1U << 9) - 1, "%x", met);
}

Test(parked, refuses_what_takes_too_much_memory)
{
	const char *queues[2000];
	char names[2000][8];
	size_t i;

	for (i = 0; i < 2000; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "q%zu", i);
		queues[i] = names[i];
	}
	cr_expect_null(parked_new("a", queues, 2000));
	cr_assert(parked_put(s, parked_new("a", queues, 64)));
}
