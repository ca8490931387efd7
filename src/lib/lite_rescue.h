#ifndef LITE_RESCUE_H
#define LITE_RESCUE_H

#include "lite.h"

/*
 * A log that somebody removed or replaced while it was in use is on the disk as long as a process
 * has it open, and holds what was answered.  Who has it open keeps a copy beside the store.
 */

/* The beginning of its name, behind that of the store; the salts of the log are the end, so that
 * there is one of each log, whoever is the first. */
#define LITE_RESCUE_FILE "-wal.saved."

/* Keep a copy, on disk, of the log that this writing connection has open, if it is no longer the
 * one at its path and the store is; once for each connection.  Logged.  After damage nobody
 * writes, so it is whole. */
void lite_rescue_log(struct lite *l);

#endif /* !LITE_RESCUE_H */
