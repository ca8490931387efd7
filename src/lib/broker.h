#ifndef BROKER_H
#define BROKER_H

#include <stdbool.h>
#include <stddef.h>

#include "amqp_uri.h"
#include "err.h"

/*
 * RabbitMQ (AMQP 0-9-1), for publishing: a pool of whole connections, each
 * leased to one thread for one publish on channel 1, with publisher confirms.
 * Messages of one queue that come together are one publish.
 * Idle ones are kept alive by heartbeats; one in any doubt is closed.  A
 * breaker keeps a dead broker from costing each caller its time-out.
 */

struct broker;

struct broker_options {
	const struct amqp_uri *uri; /* copied */
	const char *ca_file; /* for amqps */
	const char *name; /* shown by the broker as connection_name */
	unsigned connections; /* at most */
	unsigned connect_timeout_ms;
	unsigned confirm_timeout_ms;
	unsigned heartbeat_s;
};

struct broker_msg {
	const char *queue; /* checked by queue_name_ok() before */
	const char *body;
	size_t len;
	const char *message_id; /* the job id */
	const char *request_id; /* header x-request-id; "" or NULL: no header */
};

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

enum broker_state { BROKER_UNKNOWN, BROKER_UP, BROKER_BLOCKED, BROKER_DOWN };

/* What the last contact told; never waits. */
enum broker_state broker_state(struct broker *b);

/* Connect if need be, within the time-out, and say what was found. */
enum broker_state broker_probe(struct broker *b);

/* How its connections are made, and the address (an index into o->uri) that answered last: for
 * broker_tap.  The options live as long as b. */
const struct broker_options *broker_options(struct broker *b, size_t *addr);

#endif /* !BROKER_H */
