#ifndef BROKER_TYPES_H
#define BROKER_TYPES_H

#include <stddef.h>

#include "amqp_uri.h"

/* What broker and the files below it tell each other. */

/* Room for the cause of a failure, a text that holds no password. */
#define BROKER_WHY 256

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

/* What the last contact with the broker told. */
enum broker_state { BROKER_UNKNOWN, BROKER_UP, BROKER_BLOCKED, BROKER_DOWN };

#endif /* !BROKER_TYPES_H */
