#ifndef BROKER_CONN_H
#define BROKER_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "amqp_uri.h"
#include "broker.h"

/*
 * One connection to one broker, on channel 1 with publisher confirms, used by
 * one thread at a time.  broker.c pools them.
 */

struct broker_conn;

#define BROKER_CONN_WHY 256

/*
 * Connect and log in, within timeout_ms in all (looking up the name not
 * counted).  NULL with the cause, which holds no password, in why.
 */
struct broker_conn *broker_conn_open(const struct amqp_addr *addr,
    const struct broker_options *o, int timeout_ms, char why[BROKER_CONN_WHY]);

/* Close; politely (AMQP 0-9-1, connection.close) if it is not in doubt. */
void broker_conn_close(struct broker_conn *c, bool polite);

/* How a publish ended. */
enum sent {
	SENT_CONFIRMED,
	SENT_NOT, /* nothing of it counts: it may go by another connection */
	SENT_UNKNOWN, /* no confirm in time, or the connection was lost */
	SENT_BLOCKED, /* as SENT_UNKNOWN, and the broker says it is blocked */
	SENT_REFUSED, /* a nack, or no route: the connection is good */
	SENT_CLOSED, /* the broker closed the channel: discard the connection */
};

/*
 * Declare what m needs if that is asked for, publish it and wait for its
 * confirm until the monotonic clock shows deadline_ms.  *declared tells that
 * exchange, queue and binding were declared.  For all but SENT_CONFIRMED
 * broker_conn_why() has the cause.
 */
enum sent broker_conn_publish(struct broker_conn *c, const struct broker_msg *m,
    bool *declared, int64_t deadline_ms);

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
