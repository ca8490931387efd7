#include "db_nothing.h"

#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

/* A power of two: as many agents as poll one process while nothing changes, in 32 KiB. */
#define SLOTS 4096

struct db_nothing {
	uint64_t seed;
	_Atomic uint64_t slots[SLOTS];
};

struct db_nothing *
db_nothing_new(void)
{
	struct db_nothing *n = calloc(1, sizeof(*n));

	if (n != NULL && getrandom(&n->seed, sizeof(n->seed), 0) !=
			     (ssize_t)sizeof(n->seed)) {
		free(n);
		return NULL;
	}
	return n;
}

void
db_nothing_free(struct db_nothing *n)
{
	free(n);
}

uint64_t
db_nothing_begin(const struct db_nothing *n, const struct db_stamp *stamp)
{
	return db_nothing_add(n, 0, stamp, sizeof(*stamp));
}

/* SipHash.  Two questions of one hash would be one, and who asks chooses the names in them: so
 * nobody must be able to find two, which for a plain hash takes a second. */
uint64_t
db_nothing_add(
    const struct db_nothing *n, uint64_t hash, const void *p, size_t len)
{
	uint64_t key[2] = {n->seed, hash};

	_Static_assert(sizeof(key) == crypto_shorthash_KEYBYTES &&
			   sizeof(hash) == crypto_shorthash_BYTES,
	    "of SipHash");
	(void)crypto_shorthash(
	    (unsigned char *)&hash, p, len, (const unsigned char *)key);
	return hash != 0 ? hash : 1;
}

void
db_nothing_note(struct db_nothing *n, uint64_t hash)
{
	atomic_store_explicit(
	    &n->slots[hash % SLOTS], hash, memory_order_relaxed);
}

bool
db_nothing_known(const struct db_nothing *n, uint64_t hash)
{
	return atomic_load_explicit(
		   &n->slots[hash % SLOTS], memory_order_relaxed) == hash;
}
