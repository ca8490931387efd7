#ifndef BROKER_LINK_H
#define BROKER_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/time.h>

#include "config.h"
#ifdef HAVE_RABBITMQ_C_AMQP_H
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/ssl_socket.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_ssl_socket.h>
#include <amqp_tcp_socket.h>
#endif

#include "broker_types.h"

/*
 * What broker_conn (which publishes) and broker_tap (which looks and takes away) have in
 * common: an AMQP connection with channel 1, on rabbitmq-c, for one thread at a time.
 */

#define BROKER_LINK_CHANNEL 1

/* Connect, log in and open the channel, within timeout_ms in all (looking up the name not
 * counted).  NULL with the cause, which holds no password, in why. */
amqp_connection_state_t broker_link_open(const struct amqp_addr *addr,
    const struct broker_options *o, int timeout_ms, char why[BROKER_WHY]);

/* Close; politely (connection.close) if it is not in doubt. */
void broker_link_close(amqp_connection_state_t c, bool polite);

/* The next RPC ends when the monotonic clock shows deadline_ms, and the connection with
 * it. */
void broker_link_limit(amqp_connection_state_t c, int64_t deadline_ms);

/* So many milliseconds; none if there are less. */
struct timeval broker_link_time(int64_t ms);

/* Whether an RPC ended well; if not, why: "what: …". */
bool broker_link_ok(char *why, const char *what, amqp_rpc_reply_t r);

/* The cause as a text, and with the code of who closed. */
void broker_link_why(char *why, const char *what, const char *text);
void broker_link_closed(
    char *why, const char *what, int code, amqp_bytes_t text);

#endif /* !BROKER_LINK_H */
