#ifndef DB_NOTHING_H
#define DB_NOTHING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db_driver.h"

/*
 * Questions for which the store had nothing, each with the state in which it was.  A slot for
 * each, by its hash: a later one takes the place of an earlier, and nothing is ever cleared.
 * For any thread, without a lock.
 */

struct db_nothing;

/* NULL without memory. */
struct db_nothing *db_nothing_new(void);
void db_nothing_free(struct db_nothing *n); /* NULL is allowed */

/* Where the hash of a question begins that is asked in this state; go on from hash with len
 * bytes at p.  Never 0. */
uint64_t db_nothing_begin(
    const struct db_nothing *n, const struct db_stamp *stamp);
uint64_t db_nothing_add(
    const struct db_nothing *n, uint64_t hash, const void *p, size_t len);

/* That the question of this hash found nothing, and whether it did. */
void db_nothing_note(struct db_nothing *n, uint64_t hash);
bool db_nothing_known(const struct db_nothing *n, uint64_t hash);

#endif /* !DB_NOTHING_H */
