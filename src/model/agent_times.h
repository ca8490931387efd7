#ifndef AGENT_TIMES_H
#define AGENT_TIMES_H

#include "err.h"
#include "svc.h"

/* When agents were last heard of: the map of times (seen.h) is ahead of the store. */

/* Write down in the store when agents were last heard of. */
enum err agent_times_write(struct svc *s) __attribute__((warn_unused_result));

/* Remove agents that have said nothing for AGENT_MAX_AGE. */
enum err agent_times_forget_silent(struct svc *s)
    __attribute__((warn_unused_result));

#endif /* !AGENT_TIMES_H */
