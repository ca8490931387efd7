#ifndef RESTRICTED_H
#define RESTRICTED_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "err.h"
#include "svc.h"

/* Restricted queues: only clients that own one may submit to it. */

enum restricted_verdict {
	RESTRICTED_OK,
	RESTRICTED_FAILED, /* see *failure */
	RESTRICTED_NO_CLIENT,
	RESTRICTED_NO_AGENT, /* none lists the queue */
	RESTRICTED_NOT, /* the queue is not restricted */
	RESTRICTED_LIMIT, /* MAX_QUEUES others are known */
	RESTRICTED_TOO_MANY /* its token could not hold more names */
};

/* Restrict the queue and make the client an owner of it.  any: also one that no agent
 * lists. */
enum restricted_verdict restricted_add(struct svc *s, const char *queue,
    const char *client, bool any, enum err *failure)
    __attribute__((warn_unused_result));

/* Lift the restriction; nobody owns the queue any more. */
enum restricted_verdict restricted_lift(struct svc *s, const char *queue,
    enum err *failure) __attribute__((warn_unused_result));

/* The queue and its owners as JSON, or all of them as a list.  ERR_NOTFOUND. */
enum err restricted_read(struct svc *s, struct arena *a, const char *queue,
    const char **json, size_t *len) __attribute__((warn_unused_result));
enum err restricted_list(struct svc *s, struct arena *a, const char **json,
    size_t *len) __attribute__((warn_unused_result));

#endif /* !RESTRICTED_H */
