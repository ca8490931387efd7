#ifndef LITE_VERIFY_H
#define LITE_VERIFY_H

#include <stdbool.h>

#include "err.h"
#include "lite.h"

/* Looks for damage.  What is found is told to all (lite_damage.h) and is ERR_DAMAGED. */

/* Read the whole store; deep: also whether indexes and tables agree. */
enum err lite_verify(struct db_conn *c, bool deep);

/* Whether the log was removed or cut short while nobody had it open, or was cut short once.  Call it with the writers' lock held,
 * or while nobody may write. */
enum err lite_verify_log(struct lite *l);

#endif /* !LITE_VERIFY_H */
