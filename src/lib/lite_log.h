#ifndef LITE_LOG_H
#define LITE_LOG_H

#include <stdbool.h>

#include "lite.h"

/*
 * How long the log becomes.  Only who holds the writers' lock makes checkpoints: that keeps
 * clear of the WAL-reset corruption of SQLite before 3.51.3, in which one process writes
 * while another one resets the log.
 */

/* Until SQLite reads it has not opened the log, and knows of none: let it. */
void lite_log_meet(struct lite *l);

/* The log that l has open; NULL: none. */
sqlite3_file *lite_log_file(struct lite *l);

/* Note from now on what commits of this writing connection add to the log. */
void lite_log_watch(struct lite *l);

/* After commits, with the lock still held: make a checkpoint if the log has become long,
 * and mark that it holds what is nowhere else, and now and then how far it goes (db_mark.h). */
void lite_log_tidy(struct db_conn *c);

/* Before a connection that writes ends: note how far the log is on disk, if nobody else writes
 * just then, who is to note more. */
void lite_log_end(struct lite *l);

/* The log lacks what was noted of it: it was cut while nobody had it open.  False where that is not
 * known.  Needs no lock. */
bool lite_log_lacks(struct lite *l);

/* The log that l has open is shorter than what its index, which all processes share, tells of: it
 * was cut, or removed and made anew.  False where that is not known.  Needs no lock. */
bool lite_log_short(struct lite *l);

/* Find the index of the log that l has open; for lite_log_stamp().  After the first read of l. */
void lite_log_map(struct lite *l);

/* The state of the store as the index tells it, which changes with each commit.  False where it
 * is not known, or just changing.  Needs no lock; for any thread. */
bool lite_log_stamp(const struct lite *l, struct db_stamp *out);

#endif /* !LITE_LOG_H */
