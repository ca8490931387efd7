#ifndef LITE_DAMAGE_H
#define LITE_DAMAGE_H

#include <stdbool.h>

#include "lite.h"

/*
 * The word that the store is damaged: a file beside it, for all processes, also later ones,
 * at which whoever is about to write looks.  For any thread.
 */

#define LITE_DAMAGE_FILE ".damaged" /* behind the name of the store */

/* Somebody has met damage. */
bool lite_damage_known(struct db_conn *c);

/* Give the word, and log it once: what was met where.  Where the file cannot be made the
 * word is for this process alone. */
void lite_damage_tell(struct lite *l, const char *what, const char *why);

/* There is none any more: take the word back.  Logged. */
void lite_damage_mended(struct db_conn *c);

/* Look at all of the store once more, as SQLite has met something like damage.  False where
 * nothing is found, or the disk does not give all of it. */
bool lite_damage_found(const struct lite *l);

#endif /* !LITE_DAMAGE_H */
