#ifndef LITE_CONN_H
#define LITE_CONN_H

#include <stdbool.h>

#include "err.h"
#include "lite.h"

/* Connections: opened, with their settings, and closed.  WAL mode, synchronous=FULL, and
 * checkpoints by nobody but lite_log.h. */

/* As look in struct db_driver. */
enum err lite_conn_look(const char *where, bool expected);

/*
 * Open one connection to the file where, which one that writes makes if it is missing, for
 * nobody but us.  A damaged store is opened too.  conn.driver is left to the caller, who
 * closes it by lite_conn_close().  ERR_IO, ERR_FULL, ERR_BUSY (logged), ERR_NOMEM.
 */
enum err lite_conn_open(struct lite **out, const char *where, bool writes);

/* Ends its statements too.  No checkpoint is made. */
void lite_conn_close(struct db_conn *c);

#endif /* !LITE_CONN_H */
