/* Memory of a request. */

#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "arena.h"

static int runs;

static void
count_run(void *p)
{
	runs += *(int *)p;
}

Test(arena, gives_aligned_pieces_that_keep_their_bytes)
{
	struct arena *a = arena_new();
	char *p[100];
	size_t i;

	for (i = 0; i < 100; i++) {
		p[i] = arena_alloc(a, i * 7 + 1);
		cr_assert_eq((uintptr_t)p[i] % _Alignof(max_align_t), 0);
		memset(p[i], (int)i, i * 7 + 1);
	}
	for (i = 0; i < 100; i++)
		cr_expect_eq(p[i][i * 7], (char)i);
	arena_free(a);
}

Test(arena, refuses_what_no_memory_can_hold)
{
	struct arena *a = arena_new();

	cr_expect_null(arena_alloc(a, SIZE_MAX - 1));
	cr_expect_null(arena_dup(a, "x", SIZE_MAX));
	cr_expect_not_null(arena_alloc(a, 100000));
	arena_free(a);
}

/* Many big requests at a time are refused rather than taken to the end of memory;
 * small ones go on. */
Test(arena, bounds_the_big_pieces_of_all_arenas_together)
{
	struct arena *a = arena_new(), *b = arena_new();
	size_t i;

	arena_set_limit((uint64_t)40 << 20);
	cr_expect_not_null(arena_alloc(a, (size_t)30 << 20));
	cr_expect_null(arena_alloc(b, (size_t)11 << 20));
	cr_expect_not_null(arena_alloc(b, (size_t)9 << 20));
	cr_expect_null(arena_alloc(a, (size_t)2 << 20));
	for (i = 0; i < 100; i++)
		cr_expect_not_null(arena_alloc(b, 1000));
	arena_reset(a);
	cr_expect_not_null(arena_alloc(b, (size_t)30 << 20));
	arena_free(b);
	cr_expect_not_null(arena_alloc(a, (size_t)40 << 20));
	cr_expect_null(arena_alloc(a, SIZE_MAX / 2));
	arena_free(a);
	a = arena_new();
	cr_expect_not_null(arena_alloc(a, (size_t)40 << 20));
	arena_free(a);
}

Test(arena, runs_what_was_deferred_at_reset_and_once)
{
	struct arena *a = arena_new();
	int one = 1, ten = 10;

	cr_assert(arena_defer(a, count_run, &one));
	cr_assert(arena_defer(a, count_run, &ten));
	arena_reset(a);
	cr_expect_eq(runs, 11);
	arena_reset(a);
	arena_free(a);
	cr_expect_eq(runs, 11);
}

Test(buf, grows_and_keeps_all_that_was_added)
{
	struct arena *a = arena_new();
	struct buf b;
	int i;

	buf_init(&b, a, 4);
	for (i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i);
	cr_assert(buf_ok(&b));
	cr_expect_eq(b.len, 10 * 2 + 90 * 3 + 900 * 4);
	cr_expect_eq(strncmp(b.p, "0,1,2,3,", 8), 0);
	cr_expect_str_eq(b.p + b.len - 8, "998,999,");
	arena_free(a);
}
