#ifndef BROKER_H
#define BROKER_H

#include <stddef.h>

#include "broker_types.h"
#include "err.h"

/*
 * RabbitMQ (AMQP 0-9-1), for publishing: over a pool of connections (broker_pool.h),
 * each leased to one thread for one publish, with publisher confirms.  Messages of one
 * queue that come together are one publish.
 */

struct broker;

/* Make the pool and its maintenance thread; connects at first use.
 * ERR_NOMEM. */
enum err broker_open(struct broker **out, const struct broker_options *o)
    __attribute__((warn_unused_result));

/* Close all; callers have returned by then.  NULL is allowed. */
void broker_close(struct broker *b);

/*
 * Publish m, persistent and mandatory, to exchange and queue of its name, which
 * are declared as a 2016-era consumer declares them at the first use of a
 * connection generation.  ERR_OK: the broker has confirmed it, on disk.
 * ERR_BROKER: not confirmed within the time-outs, and the caller must take it
 * that it may yet arrive; at once while the breaker is open or the broker says
 * it is blocked.  The cause is logged once for a change of state.
 */
enum err broker_publish(struct broker *b, const struct broker_msg *m)
    __attribute__((warn_unused_result));

/* What the last contact told; never waits. */
enum broker_state broker_state(struct broker *b);

/* Connect if need be, within the time-out, and say what was found. */
enum broker_state broker_probe(struct broker *b);

/* How its connections are made, and the address (an index into o->uri) that answered last: for
 * broker_tap.  The options live as long as b. */
const struct broker_options *broker_options(struct broker *b, size_t *addr);

#endif /* !BROKER_H */
