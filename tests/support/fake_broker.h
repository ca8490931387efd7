#ifndef FAKE_BROKER_H
#define FAKE_BROKER_H

#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include "clock.h"

/*
 * An AMQP 0-9-1 server for tests: one thread on a loopback port that the kernel
 * chose.  It does what a publisher needs and as RabbitMQ does it: it keeps
 * queues and bindings, confirms, and returns what is mandatory and has no
 * queue; and what a tap needs: messages are got, acknowledged and put back.  It notes all that was declared and published, and misbehaves
 * as it is told.  Any thread may call; what a function sets holds once it
 * has returned.  A test that cannot have one is aborted.
 */

struct fake_broker;

/* Listening, without queues. */
struct fake_broker *fake_broker_new(void);

/* Cut all connections; what it noted goes too.  NULL is allowed. */
void fake_broker_free(struct fake_broker *b);

/* Its port on 127.0.0.1, the same for its whole life. */
int fake_broker_port(const struct fake_broker *b);

/* Go away as a broker that is killed: cut all connections, refuse new ones.
 * Queues are kept.  And come back. */
void fake_broker_stop(struct fake_broker *b);
void fake_broker_start(struct fake_broker *b);

/* Cut all connections, and go on listening. */
void fake_broker_cut(struct fake_broker *b);

enum fake_manners {
	FAKE_POLITE,
	FAKE_REFUSES_LOGIN, /* by cutting the connection, as RabbitMQ does */
	FAKE_DEAF, /* takes connections, and reads and says nothing any more */
};

void fake_broker_behave(struct fake_broker *b, enum fake_manners m);

/*
 * Out of memory or disk (connection.blocked).  It reads no more of a message
 * until fake_broker_unblock(); a connection is told when it publishes, as
 * RabbitMQ does, or with at_once all that are open are told now.
 */
void fake_broker_block(struct fake_broker *b, bool at_once);
void fake_broker_unblock(struct fake_broker *b);

/* What becomes of a message. */
enum fake_act {
	FAKE_CONFIRM, /* or its return, if no queue takes it */
	FAKE_CONFIRM_ALL, /* "up to and including this one" */
	FAKE_NO_CONFIRM,
	FAKE_HOLD, /* no confirm before fake_broker_release() or FAKE_RELEASE */
	FAKE_RELEASE, /* none, but those that this connection had held */
	FAKE_NACK,
	FAKE_RETURN, /* no route, though the queue is there */
	FAKE_CLOSE_CHANNEL, /* 406 */
	FAKE_CLOSE_CONNECTION, /* 541 */
	FAKE_CUT, /* after it has come whole */
	FAKE_DIE, /* fake_broker_stop() by itself */
	/* The others act when its queue is declared. */
	FAKE_REFUSE_DECLARE, /* 406, other arguments */
	FAKE_CUT_DECLARE,
	FAKE_HANG_DECLARE,
	/* And these when a message of it is got (basic.get). */
	FAKE_REFUSE_TAKE, /* 403 */
	FAKE_CUT_TAKE,
	FAKE_HANG_TAKE, /* after the begin of the answer */
};

#define FAKE_ALWAYS 0

/* Do act to the messages of queue, NULL: of all queues that have no order of
 * their own; so many times, then FAKE_CONFIRM again.  Replaces the former. */
void fake_broker_order(struct fake_broker *b, const char *queue,
    enum fake_act act, unsigned times);

/* Confirm all that was held. */
void fake_broker_release(struct fake_broker *b);

/* Lose the queue and its bindings, as an operator deletes it. */
void fake_broker_delete(struct fake_broker *b, const char *queue);

/* Let there be the queue, and put so many messages on it, all with that message_id; NULL: with
 * none. */
void fake_broker_put(
    struct fake_broker *b, const char *queue, const char *id, unsigned times);

/* So many consumers it has, as passive declarations tell. */
void fake_broker_consume(struct fake_broker *b, const char *queue, unsigned n);

/* How many messages are on the queue, also those that somebody has got and not
 * acknowledged; and the message_id of the i-th, "" if there are fewer. */
unsigned fake_broker_depth(struct fake_broker *b, const char *queue);
const char *fake_broker_at(
    struct fake_broker *b, const char *queue, unsigned i);

enum fake_count {
	FAKE_CONNECTED, /* connections there ever were */
	FAKE_LOGGED_IN, /* those that got through connection.open */
	FAKE_OPEN, /* now, in whatever state */
	FAKE_OPEN_MAX, /* at one time */
	FAKE_LEFT, /* closed by connection.close */
	FAKE_HEARTBEATS, /* received */
	FAKE_DECLARED, /* lines for fake_broker_declared() */
	FAKE_MESSAGES, /* for fake_broker_message() */
	FAKE_HELD,
	FAKE_TAKEN, /* messages that were got */
	FAKE__MAX
};

unsigned fake_broker_count(struct fake_broker *b, enum fake_count what);

/*
 * Declaration i, from 0, as a line: "exchange NAME TYPE", "queue NAME" or
 * "bind QUEUE EXCHANGE KEY" and the names of the flags that were set, the last
 * of them "arguments".  NULL: there are fewer.  Lives as long as b.
 */
const char *fake_broker_declared(struct fake_broker *b, unsigned i);

/* Bits of the word of property flags, AMQP 0-9-1 section 4.2.6.1. */
#define FAKE_CONTENT_TYPE (1u << 15)
#define FAKE_CONTENT_ENCODING (1u << 14)
#define FAKE_HEADERS (1u << 13)
#define FAKE_DELIVERY_MODE (1u << 12)
#define FAKE_PRIORITY (1u << 11)
#define FAKE_MESSAGE_ID (1u << 7)

/* A message that came whole, whatever became of it. */
struct fake_msg {
	char exchange[256];
	char routing_key[256];
	bool mandatory;
	bool immediate;
	unsigned properties; /* the word of flags: which ones are there */
	char content_type[256];
	char content_encoding[256];
	char headers[512]; /* "name=value;" for each, in order */
	unsigned delivery_mode;
	unsigned priority;
	char message_id[256];
	char *body; /* a NUL after it */
	size_t len;
	unsigned connection; /* by which it came, from 1 */
	bool routed; /* a queue took it */
};

/* Message i, from 0, in the order of arrival; NULL: there are fewer.  Lives as
 * long as b. */
const struct fake_msg *fake_broker_message(struct fake_broker *b, unsigned i);

/* A time-out for what is to succeed; longer than any test takes. */
#define PATIENT_MS 20000

/* Wait until cond holds; the case fails if that takes very long. */
#define eventually(cond)                                                       \
	do {                                                                   \
		int64_t until_ = clock_mono_ms() + 30000;                      \
		while (!(cond)) {                                              \
			cr_assert(                                             \
			    clock_mono_ms() < until_, "never: %s", #cond);     \
			(void)usleep(2000);                                    \
		}                                                              \
	} while (0)

#endif /* !FAKE_BROKER_H */
