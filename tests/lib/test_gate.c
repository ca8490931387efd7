/* Few places, many threads. */

#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "gate.h"

#define THREADS 16
#define TURNS 2000
#define PLACES 3

static struct gate *gate;
static atomic_int inside[PLACES], most, now, turns, left;

static void
note_most(int n)
{
	int old = atomic_load(&most);

	while (n > old && !atomic_compare_exchange_weak(&most, &old, n))
		;
}

static void *
come_and_go(void *arg)
{
	int i, place;

	for (i = 0; i < TURNS; i++) {
		place = gate_enter(gate);
		if (gate_enter(gate) != place)
			return arg;
		if (place < 0 || place >= PLACES ||
		    atomic_fetch_add(&inside[place], 1) != 0)
			return arg;
		note_most(atomic_fetch_add(&now, 1) + 1);
		(void)sched_yield();
		(void)atomic_fetch_sub(&now, 1);
		(void)atomic_fetch_sub(&inside[place], 1);
		gate_leave();
		gate_leave();
		(void)atomic_fetch_add(&turns, 1);
	}
	return NULL;
}

Test(gate, gives_each_place_to_one_thread_at_a_time, .timeout = 60)
{
	pthread_t threads[THREADS];
	void *failed;
	int i;

	gate = gate_new(PLACES);
	for (i = 0; i < THREADS; i++)
		cr_assert_eq(
		    pthread_create(&threads[i], NULL, come_and_go, &i), 0);
	for (i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i], &failed);
		cr_expect_null(failed);
	}
	cr_expect_eq(atomic_load(&turns), THREADS * TURNS);
	cr_expect_leq(atomic_load(&most), PLACES);
	gate_free(gate);
}

static void *
wait_for_a_place(void *arg)
{
	(void)arg;
	if (gate_enter(gate) == -1)
		(void)atomic_fetch_add(&left, 1);
	return NULL;
}

Test(gate, lets_all_go_when_it_is_closed, .timeout = 60)
{
	pthread_t threads[THREADS];
	int i;

	gate = gate_new(1);
	cr_assert_eq(gate_enter(gate), 0);
	for (i = 0; i < THREADS; i++)
		cr_assert_eq(
		    pthread_create(&threads[i], NULL, wait_for_a_place, NULL),
		    0);
	gate_close(gate);
	for (i = 0; i < THREADS; i++)
		(void)pthread_join(threads[i], NULL);
	cr_expect_eq(atomic_load(&left), THREADS);
	gate_leave();
	cr_expect_eq(gate_enter(gate), -1);
	gate_free(gate);
}
