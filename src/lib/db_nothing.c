#include "db_nothing.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>

#include "hash.h"

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
	return hash_add(n->seed, stamp, sizeof(*stamp));
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
