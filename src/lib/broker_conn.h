#ifndef BROKER_CONN_H
#define BROKER_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "amqp_uri.h"
#include "broker_types.h"

/*
 * One connection to one broker, on channel 1 with publisher confirms, used by
 * one thread at a time.  broker_pool has them.
 */

struct broker_conn;

/*
 * Connect and log in, within timeout_ms in all (looking up the name not
 * counted).  NULL with the cause, which holds no password, in why.
 */
struct broker_conn *broker_conn_open(const struct amqp_addr *addr,
    const struct broker_options *o, int timeout_ms, char why[BROKER_WHY]);

/* Close; politely (AMQP 0-9-1, connection.close) if it is not in doubt. */
void broker_conn_close(struct broker_conn *c, bool polite);

/* What has become of one message. */
enum fate {
	FATE_OPEN,
	FATE_CONFIRMED,
	FATE_RETURNED, /* no route */
	FATE_REFUSED, /* a nack */
};

struct outgoing {
	const struct broker_msg *msg;
	enum fate fate;
	uint64_t tag; /* of broker_conn's own */
	bool returned;
};

/* How a publish ended, as far as the connection is concerned. */
enum sent {
	SENT_CONFIRMED, /* all of it */
	SENT_NOT, /* what is open does not count: it may go by another connection */
	SENT_UNKNOWN, /* no confirm in time, or the connection was lost */
	SENT_BLOCKED, /* as SENT_UNKNOWN, and the broker says it is blocked */
	SENT_REFUSED, /* a nack, or no route: the connection is good */
	SENT_CLOSED, /* the broker closed the channel: discard the connection */
};

/*
 * Publish the n messages, all of one queue, one after the other, and wait for
 * their confirms until the monotonic clock shows deadline_ms; declare what the
 * queue needs before, if that is asked for.  Messages that were confirmed or
 * refused before are left alone.  *declared tells that exchange, queue and
 * binding were declared.  For all but SENT_CONFIRMED broker_conn_why() has the
 * cause; whatever it is, the fates tell which of them were confirmed.
 */
enum sent broker_conn_publish(struct broker_conn *c, struct outgoing *out,
    size_t n, bool *declared, int64_t deadline_ms);

/* Read what the broker has sent meanwhile and keep the heartbeat; never waits.
 * False: the connection is lost. */
bool broker_conn_tick(struct broker_conn *c);

/* Whether the broker has said that it takes no messages (connection.blocked).
 */
bool broker_conn_blocked(const struct broker_conn *c);

/* Monotonic time of the last publish or of the opening. */
int64_t broker_conn_used(const struct broker_conn *c);

/* What went wrong last; lives as long as c. */
const char *broker_conn_why(const struct broker_conn *c);

#endif /* !BROKER_CONN_H */
