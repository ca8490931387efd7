#ifndef DB_TYPES_H
#define DB_TYPES_H

#include "err.h"

/* What db, the files below it and the dialects tell each other. */

/* What an operator does about a store that is damaged or lost; for all who say so. */
#define DB_REMEDY                                                              \
	"stop the server and restore a backup, or the log that it has kept; "  \
	"see section 6 of docs/STORE.md"

struct db_conn; /* a connection to the store */
struct db_stmt; /* a statement on one */

struct db_schema {
	int version; /* of the last step */
	const char *const *steps; /* steps[v] leads from version v to v + 1 */
};

/* A change: statements on c, all or nothing.  An error undoes this change alone
 * and is what db_write() returns. */
typedef enum err (*db_change)(struct db_conn *c, void *arg);

#endif /* !DB_TYPES_H */
