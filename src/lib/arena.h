#ifndef ARENA_H
#define ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory with the life of one request: taken piece by piece, given back whole.
 * Not to be shared by threads. */

struct arena;

/* A new, empty arena; NULL without memory.  Free with arena_free(). */
struct arena *arena_new(void);

/* Give back everything.  NULL is allowed. */
void arena_free(struct arena *a);

/* Forget every piece; one first block stays for the next request, so that
 * a quiet request takes nothing from the system. */
void arena_reset(struct arena *a);

/*
 * From now on the big pieces of all arenas together take at most so many bytes, and
 * what is beyond is as if there were no memory: many big requests at a time cannot
 * use up the machine.  What requests of ordinary size take is not counted.
 */
void arena_set_limit(uint64_t bytes);

/* n bytes, aligned for any type, not cleared; NULL without memory. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((malloc));

/* The n bytes at p and a final NUL; NULL without memory. */
char *arena_dup(struct arena *a, const void *p, size_t n);

/* As printf; NULL without memory. */
char *arena_printf(struct arena *a, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Run fn(p) when the arena is reset or freed, for objects of libraries;
 * false without memory, and then fn(p) has been run already. */
bool arena_defer(struct arena *a, void (*fn)(void *), void *p);

/*
 * A text that grows in an arena.  A failed allocation is remembered: build the
 * whole text, then look at it once with buf_ok().
 */
struct buf {
	struct arena *arena;
	char *p; /* always ended by NUL once something was added */
	size_t len;
	size_t cap;
	bool failed;
};

void buf_init(struct buf *b, struct arena *a, size_t expected);
void buf_add(struct buf *b, const void *p, size_t n);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
bool buf_ok(const struct buf *b);

#endif /* !ARENA_H */
