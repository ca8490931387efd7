#ifndef WAIT_H
#define WAIT_H

#include <stddef.h>

#include "arena.h"
#include "queue.h"
#include "svc.h"

/* How long jobs have waited: the last thousand of each queue. */

/* In a change: a job of the queue was handed out after so many seconds. */
enum err wait_note(struct db_conn *c, const char *queue, int64_t seconds)
    __attribute__((warn_unused_result));

/* {"from_s":N,"to_s":M}: between the 10th and the 90th of a hundred waits of the queue, in
 * arena memory; "null" where there are none. */
enum err wait_range(struct svc *s, struct arena *a, const char *queue,
    const char **json) __attribute__((warn_unused_result));

/* Append the next page of all queues that have any to b, members of a JSON object by
 * queue: percentiles 5, 10, 50, 90 and 95. */
enum err wait_list_page(struct svc *s, struct name_page *p, struct buf *b)
    __attribute__((warn_unused_result));

/* Likewise those of the n queues, whole. */
enum err wait_read(struct svc *s, struct arena *a, const char *const *queues,
    size_t n, const char **json, size_t *len)
    __attribute__((warn_unused_result));

#endif /* !WAIT_H */
