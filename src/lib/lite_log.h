#ifndef LITE_LOG_H
#define LITE_LOG_H

#include "lite.h"

/*
 * How long the log becomes.  Only who holds the writers' lock makes checkpoints: that keeps
 * clear of the WAL-reset corruption of SQLite before 3.51.3, in which one process writes
 * while another one resets the log.
 */

/* Note from now on what commits of this writing connection add to the log. */
void lite_log_watch(struct lite *l);

/* After commits, with the lock still held: make a checkpoint if the log has become long,
 * else mark that it holds what is nowhere else (db_mark.h). */
void lite_log_tidy(struct db_conn *c);

#endif /* !LITE_LOG_H */
