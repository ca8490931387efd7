#ifndef HEAL_H
#define HEAL_H

#include "broker_tap.h"
#include "queue.h"

/*
 * A broker that has lost messages: its waiting jobs are to be published again.  Whatever comes
 * twice by that is told by its message_id, and a claim of it is refused.
 */

/*
 * Look at a queue.  If it is not on the broker, or has fewer messages than jobs wait that were
 * published, and no consumer, these are published again by the outbox; but not if it is
 * unclaimed.  ERR_BROKER: the tap is of no use any more.
 */
enum err heal_queue(struct svc *s, struct broker_tap *t, const char *queue)
    __attribute__((warn_unused_result));

/* The same for the next queue behind the name *after, which goes on, that has waiting jobs.
 * ERR_NOTFOUND: there is none. */
enum err heal_next(struct svc *s, struct broker_tap *t,
    char after[NAME_LEN_MAX + 1]) __attribute__((warn_unused_result));

#endif /* !HEAL_H */
