#ifndef DB_READERS_H
#define DB_READERS_H

#include "db_driver.h"

/* Reading connections, lent to one thread at a time; for any thread. */

struct db_readers;

/* Open n connections to where, 64 at most.  What the driver's open() gives, or ERR_NOMEM;
 * then none is open. */
enum err db_readers_open(struct db_readers **out,
    const struct db_driver *driver, const char *where, unsigned n)
    __attribute__((warn_unused_result));

/* All must have been returned.  NULL is allowed. */
void db_readers_close(struct db_readers *r);

/* Lend one; waits while none is left. */
struct db_conn *db_readers_borrow(struct db_readers *r);
void db_readers_return(struct db_readers *r, struct db_conn *c);

#endif /* !DB_READERS_H */
