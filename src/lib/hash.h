#ifndef HASH_H
#define HASH_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a from a random start, mixed at its end: to find things again, where who chooses
 * them does not see where they come to lie.  It proves nothing about who made them. */

/* Go on from h, or from the random start, with n bytes at p. */
static inline uint64_t
hash_add(uint64_t h, const void *p, size_t n)
{
	const unsigned char *c = p;

	while (n-- > 0)
		h = (h ^ *c++) * UINT64_C(0x100000001b3);
	return h;
}

/* What h has come to; never 0. */
static inline uint64_t
hash_end(uint64_t h)
{
	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	h ^= h >> 32;
	return h != 0 ? h : 1;
}

#endif /* !HASH_H */
