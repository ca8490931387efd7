#ifndef DISPATCH_HOLD_LIMITS_H
#define DISPATCH_HOLD_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/resource.h>

#include "conf.h"

/* How many requests may wait for a job, and what does not go together there. */

/* How many a process with this limit of open files may hold: DISPATCH_HOLDS_MAX, or
 * what is left beside its own files, which may be none. */
size_t hold_limits_room(const struct conf *conf, rlim_t files);

/* As misfit in struct app. */
bool hold_limits_misfit(const struct conf *conf, char *text, size_t size);

#endif /* !DISPATCH_HOLD_LIMITS_H */
