#ifndef DB_MARK_H
#define DB_MARK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/*
 * Whether files of an SQLite store were removed while nobody had it open, or its log was cut.  A small file
 * beside it, its mark, holds size and time of state.db as they were while the log held
 * changes that were in no other file.  A log that is gone while state.db is still the same
 * was removed; who puts the log's changes into state.db, or restores a backup, changes that.
 * It also holds how far a log was on disk once: the same one never becomes shorter by right.
 * A mark that is missing, stale or torn says nothing, so it needs no sync; that of a cut log
 * is synced.
 * where is the path of state.db.
 */

/* How far a log goes. */
struct db_mark_end {
	uint32_t salt[2]; /* another each time that the log begins anew */
	uint32_t frames;
};

/* Note that the log holds changes beyond what state.db was at st, which was read before they
 * were committed.  Call it with the writers' lock held; once for each st is enough. */
void db_mark_set(const char *where, const struct stat *st);

/* Note, for good, that a part of the log was cut off and its changes are lost: what is left is
 * sound, and tells nothing of it.  Only who restores a backup removes the mark. */
void db_mark_cut(const char *where);

/* Note how far the log is on disk, not less than was noted of it before. */
void db_mark_end(const char *where, const struct db_mark_end *end);

/* What was noted last; false, and out is spoilt, if nothing was.  Needs no lock. */
bool db_mark_read_end(const char *where, struct db_mark_end *out);

/* How changes of the log were lost, or NULL: it was removed, or a cut was noted.  Needs no
 * lock: the whole store is looked through while others write. */
const char *db_mark_lost_log(const char *where);

/* state.db is missing or empty, and there was one: its log or its mark is there, or others
 * have told (expected) before this is called.  Needs no lock. */
bool db_mark_lost_store(const char *where, bool expected);

#endif /* !DB_MARK_H */
