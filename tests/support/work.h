#ifndef WORK_H
#define WORK_H

#include <stdint.h>

/* How much SQLite works, in steps of its virtual machine, which no other program's load
 * changes. */

/* Count those of all connections that are opened from now on; once, before the first. */
void work_count(void);

/* The steps since the last call, of connections that are open and at rest. */
int64_t work_done(void);

#endif /* !WORK_H */
