#ifndef BROKER_TAP_H
#define BROKER_TAP_H

#include <stdbool.h>
#include <stdint.h>

#include "broker.h"
#include "err.h"

/*
 * A connection to the broker that looks at queues and takes messages off their heads, apart
 * from the pool that publishes.  Made by one thread, used and closed by it.  Nothing waits
 * longer than the time-outs of the pool: for an answer, and for each part of a long message, no longer
 * than its confirm_timeout_ms.  A message that was taken and neither dropped nor put back is the
 * queue's again once the connection is gone, so whoever dies in between loses none.
 */

struct broker_tap;

#define BROKER_TAP_ID_MAX 64

/* Connect, first to the address that the pool has reached last.  ERR_BROKER, of which the pool
 * tells in the log once it is used; ERR_NOMEM. */
enum err broker_tap_open(struct broker_tap **out, struct broker *b)
    __attribute__((warn_unused_result));

/* NULL is allowed. */
void broker_tap_close(struct broker_tap *t);

/* Keep the heartbeat; never waits.  False: the connection is lost, and the tap of no use but
 * to be closed. */
bool broker_tap_alive(struct broker_tap *t);

/*
 * All that follows: ERR_OK; ERR_NOTFOUND: see there; ERR_CONFLICT: the broker does not let us
 * (broker_tap_why()), and the tap is good; ERR_BROKER: the connection is lost, as told above.
 * After ERR_NOTFOUND of a queue that is not there, and after ERR_CONFLICT, what was taken is
 * back.
 */

/* How many messages wait on the queue, and its consumers.  ERR_NOTFOUND: it is not there. */
enum err broker_tap_look(struct broker_tap *t, const char *queue,
    int64_t *messages, int64_t *consumers) __attribute__((warn_unused_result));

/* Of a message that was taken. */
struct broker_taken {
	uint64_t tag;
	char
	    id[BROKER_TAP_ID_MAX]; /* message_id; "" for none or a longer one */
};

/* Take the first message.  ERR_NOTFOUND: there is none, or, *gone, no queue. */
enum err broker_tap_take(struct broker_tap *t, const char *queue,
    struct broker_taken *out, bool *gone) __attribute__((warn_unused_result));

/* Have done with a message that was taken: the broker forgets it.  It does not answer. */
enum err broker_tap_drop(struct broker_tap *t, uint64_t tag)
    __attribute__((warn_unused_result));

/* Put all that was taken and not dropped back to where it was; tag: the last of these. */
enum err broker_tap_put_back(struct broker_tap *t, uint64_t tag)
    __attribute__((warn_unused_result));

/* The cause of the last ERR_CONFLICT or ERR_BROKER. */
const char *broker_tap_why(const struct broker_tap *t);

#endif /* !BROKER_TAP_H */
