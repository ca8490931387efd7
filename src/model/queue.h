#ifndef QUEUE_H
#define QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db.h"

/* Queues, and what names are allowed for them and for agents. */

#define NAME_LEN_MAX 200

/*
 * What is wrong with the len bytes at s as the name of a queue or an agent, a
 * sentence for the client; NULL: nothing.  1 to 200 bytes of UTF-8 without
 * control characters.
 */
const char *name_fault(const char *s, size_t len);

/* As name_fault(), and the names the broker keeps for itself (amq.…). */
const char *queue_name_fault(const char *s, size_t len);

/* In a change: know the queue from now on.  ERR_LIMIT if max others are known.
 */
enum err queue_know(struct db_conn *c, const char *name, int64_t max,
    int64_t now) __attribute__((warn_unused_result));

/* Whether only its owners may submit to the queue. */
enum err queue_is_restricted(struct db_conn *c, const char *name, bool *out)
    __attribute__((warn_unused_result));

#endif /* !QUEUE_H */
