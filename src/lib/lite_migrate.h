#ifndef LITE_MIGRATE_H
#define LITE_MIGRATE_H

#include "err.h"
#include "lite.h"

/*
 * Bring the schema up to date, each step as one transaction, alone among all processes, and
 * remember the files that are open.  ERR_IO (logged) if the store is newer than schema;
 * ERR_DAMAGED as lite_lock_take() and lite_verify_log().
 */
enum err lite_migrate(struct db_conn *c, const struct db_schema *schema);

#endif /* !LITE_MIGRATE_H */
