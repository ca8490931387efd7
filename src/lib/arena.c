/*
 * Blocks from malloc, filled from the front, each twice as big as the one before.
 * The first block stays over a reset, so a thread that answers small requests
 * settles on a fixed amount of memory; what a big request takes is in few and
 * big blocks, which malloc gives back to the system.
 */

#include "arena.h"

#include <malloc.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE ((size_t)8192)
#define BLOCK_MAX ((size_t)1 << 20)
#define ALIGN alignof(max_align_t)

struct block {
	struct block *next;
	size_t size; /* of data */
	size_t used;
	alignas(max_align_t) char data[];
};

struct deferred {
	struct deferred *next;
	void (*fn)(void *);
	void *p;
};

struct arena {
	struct block *first; /* kept by a reset */
	struct block *current; /* head of the list that ends in first */
	struct deferred *deferred;
};

/* Bytes in big blocks of all arenas, and the most that there may be. */
static _Atomic uint64_t big;
static uint64_t big_max = UINT64_MAX;

void
arena_set_limit(uint64_t bytes)
{
	big_max = bytes;
}

static void
give_back(size_t size)
{
	if (size >= BLOCK_MAX)
		(void)atomic_fetch_sub(&big, size);
}

static bool
may_take(size_t size)
{
	if (size < BLOCK_MAX || atomic_fetch_add(&big, size) + size <= big_max)
		return true;
	give_back(size);
	return false;
}

static struct block *
block_new(size_t size)
{
	struct block *b;

	if (size > SIZE_MAX - sizeof(*b) || !may_take(size))
		return NULL;
	b = malloc(sizeof(*b) + size);
	if (b == NULL) {
		give_back(size);
		return NULL;
	}
	b->next = NULL;
	b->size = size;
	b->used = 0;
	return b;
}

struct arena *
arena_new(void)
{
	struct arena *a;

	a = malloc(sizeof(*a));
	if (a == NULL)
		return NULL;
	a->deferred = NULL;
	a->first = a->current = block_new(BLOCK_SIZE);
	if (a->first == NULL) {
		free(a);
		return NULL;
	}
	return a;
}

void
arena_reset(struct arena *a)
{
	struct deferred *d;
	struct block *b, *next;
	bool was_big = false;

	/* The deferred records live in the blocks: run them first. */
	for (d = a->deferred; d != NULL; d = d->next)
		d->fn(d->p);
	a->deferred = NULL;
	for (b = a->current; b != a->first; b = next) {
		next = b->next;
		was_big = was_big || b->size >= BLOCK_MAX;
		give_back(b->size);
		free(b);
	}
	/* What libraries took beside it in small pieces lies all over the heap. */
	if (was_big)
		(void)malloc_trim(0);
	a->current = a->first;
	a->first->used = 0;
}

void
arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	arena_reset(a);
	free(a->first);
	free(a);
}

void *
arena_alloc(struct arena *a, size_t n)
{
	struct block *b = a->current;
	size_t need, size;
	void *p;

	if (n > SIZE_MAX - ALIGN)
		return NULL;
	need = (n + ALIGN - 1) / ALIGN * ALIGN;
	if (b->size - b->used < need) {
		size = b->size < BLOCK_MAX / 2 ? 2 * b->size : BLOCK_MAX;
		b = block_new(need > size ? need : size);
		if (b == NULL)
			return NULL;
		b->next = a->current;
		a->current = b;
	}
	p = b->data + b->used;
	b->used += need;
	return p;
}

char *
arena_dup(struct arena *a, const void *p, size_t n)
{
	char *out;

	if (n == SIZE_MAX || (out = arena_alloc(a, n + 1)) == NULL)
		return NULL;
	if (n > 0)
		memcpy(out, p, n);
	out[n] = '\0';
	return out;
}

char *
arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;
	char *out;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0 || (out = arena_alloc(a, (size_t)n + 1)) == NULL)
		return NULL;
	(void)vsnprintf(out, (size_t)n + 1, fmt, ap);
	return out;
}

char *
arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *out;

	va_start(ap, fmt);
	out = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return out;
}

bool
arena_defer(struct arena *a, void (*fn)(void *), void *p)
{
	struct deferred *d;

	d = arena_alloc(a, sizeof(*d));
	if (d == NULL) {
		fn(p);
		return false;
	}
	d->fn = fn;
	d->p = p;
	d->next = a->deferred;
	a->deferred = d;
	return true;
}

void
buf_init(struct buf *b, struct arena *a, size_t expected)
{
	*b = (struct buf){.arena = a};
	b->cap = expected > 0 ? expected : 256;
	b->p = arena_alloc(a, b->cap);
	if (b->p == NULL) {
		b->failed = true;
		b->cap = 0;
		return;
	}
	b->p[0] = '\0';
}

/* Room for n more bytes and a NUL.  The old text stays in the arena as waste;
 * doubling bounds it by the length of the text. */
static bool
buf_room(struct buf *b, size_t n)
{
	size_t cap = b->cap;
	char *p;

	if (b->failed || n > SIZE_MAX / 4 - b->len)
		b->failed = true;
	if (b->failed)
		return false;
	if (cap - b->len > n)
		return true;
	while (cap - b->len <= n)
		cap *= 2;
	p = arena_alloc(b->arena, cap);
	if (p == NULL) {
		b->failed = true;
		return false;
	}
	memcpy(p, b->p, b->len);
	b->p = p;
	b->cap = cap;
	return true;
}

void
buf_add(struct buf *b, const void *p, size_t n)
{
	if (!buf_room(b, n))
		return;
	if (n > 0)
		memcpy(b->p + b->len, p, n);
	b->len += n;
	b->p[b->len] = '\0';
}

void
buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void
buf_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || !buf_room(b, (size_t)n)) {
		b->failed = true;
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(b->p + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
}

bool
buf_ok(const struct buf *b)
{
	return !b->failed;
}
