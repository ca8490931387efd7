#ifndef DB_WRITER_H
#define DB_WRITER_H

#include <stdbool.h>

#include "db_driver.h"

/* The thread with the only writing connection, which commits the waiting changes of all
 * threads as one group. */

struct db_writer;

/* Start it with the connection c, which nobody else uses until db_writer_stop(), and which
 * stays the caller's.  A change not begun within wait_ms is refused.  ERR_NOMEM. */
enum err db_writer_start(struct db_writer **out, struct db_conn *c,
    unsigned wait_ms) __attribute__((warn_unused_result));

/* Finish what is waiting, then end.  Nobody may call the functions below any more. */
void db_writer_stop(struct db_writer *w);

/* As db_write() and db_write_later(). */
enum err db_writer_run(struct db_writer *w, db_change fn, void *arg)
    __attribute__((warn_unused_result));
bool db_writer_later(struct db_writer *w, db_change fn, void *arg);

#endif /* !DB_WRITER_H */
