#ifndef LITE_LOCK_H
#define LITE_LOCK_H

#include <stdbool.h>

#include "err.h"
#include "lite.h"

/* The lock file by which the writers of all processes take turns. */

#define LITE_LOCK_FILE ".lock" /* behind the name of the store */

/* The descriptor of the lock file, made if missing; -1 (logged) if it cannot be opened. */
int lite_lock_open(const struct lite *l);

/*
 * Become the only writer of all processes; waits.  ERR_DAMAGED, and it was not taken: the
 * store is damaged, or its files are not those that l has open, or its log was cut short, which
 * is damage too (told, see lite_damage.h).  ERR_IO, logged.  l->locked is the file as it is then.
 */
enum err lite_lock_take(struct db_conn *c);

/* The same at once; false if another writes, or nobody is to, or l has met no log yet. */
bool lite_lock_try(struct lite *l);

void lite_lock_release(struct db_conn *c);

/* Remember that the files which are there now are those that l has open: that of the store and
 * its log.  Call it early, before anybody had cause to replace them. */
void lite_lock_know_files(struct lite *l);

/* The file at path is gone, or not the one that was opened; *now is the one that is there.  False where
 * that cannot be known. */
bool lite_lock_is_another(
    const char *path, const struct stat *open, struct stat *now);

#endif /* !LITE_LOCK_H */
