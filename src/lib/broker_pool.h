#ifndef BROKER_POOL_H
#define BROKER_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "broker_conn.h"
#include "broker_types.h"
#include "err.h"

/*
 * A pool of whole connections to one broker, each leased to one thread at a time.
 * Idle ones are kept alive by heartbeats; one in any doubt is closed.  A breaker
 * keeps a dead broker from costing each caller its time-out.
 */

struct broker_pool;

/* Make the pool and its maintenance thread; connects at first use.  ERR_NOMEM. */
enum err broker_pool_open(struct broker_pool **out,
    const struct broker_options *o) __attribute__((warn_unused_result));

/* Close all; none is leased by then. */
void broker_pool_close(struct broker_pool *p);

/* A connection for the caller alone, opened if need be before deadline_ms of the
 * monotonic clock.  NULL: the breaker is open, or the broker blocked, or all are in
 * use until wait_ms. */
struct broker_conn *broker_pool_lease(
    struct broker_pool *p, int64_t wait_ms, int64_t deadline_ms);

/* As broker_conn_publish(), declaring what was not, on a connection that is leased; it is
 * the pool's again afterwards.  The cause of a failure is logged once for a change of
 * state. */
enum sent broker_pool_publish(struct broker_pool *p, struct broker_conn *c,
    struct outgoing *out, size_t n, int64_t deadline_ms);

/* What the last contact told; never waits. */
enum broker_state broker_pool_state(struct broker_pool *p);

/* Connect if need be, within the time-out, and say what was found. */
enum broker_state broker_pool_probe(struct broker_pool *p);

/* How its connections are made, and the address (an index into o->uri) that answered
 * last.  The options live as long as p. */
const struct broker_options *broker_pool_options(
    struct broker_pool *p, size_t *addr);

#endif /* !BROKER_POOL_H */
