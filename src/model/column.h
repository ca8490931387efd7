#ifndef COLUMN_H
#define COLUMN_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "db.h"

/* Columns of a row: kept beyond it, compared, told. */

/* Column i as text of the arena, ended by NUL; NULL for null.  Without memory it is NULL too,
 * and *failed becomes true.  len may be NULL. */
const char *column_text(
    struct arena *a, struct db_stmt *s, int i, size_t *len, bool *failed);

/* Whether column i is that word, and not one that goes on behind a NUL: a state is any string. */
bool column_is(struct db_stmt *s, int i, const char *word);

/* Append "key":"text", with a comma behind to b; nothing for null. */
void column_put(struct buf *b, const char *key, struct db_stmt *s, int i);

#endif /* !COLUMN_H */
