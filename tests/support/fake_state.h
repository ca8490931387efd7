#ifndef FAKE_STATE_H
#define FAKE_STATE_H

#include <pthread.h>

#include "fake_broker.h"
#include "fake_queues.h"
#include "wire.h"

/* What the parts of the fake broker share, all of it under its lock; and which order holds. */

#define FAKE_CONNS_MAX 128
#define FAKE_HELD_MAX 64
#define FAKE_ORDERS_MAX 16

struct fake_conn {
	int fd; /* -1: a free place */
	unsigned number; /* from 1 */
	bool greeted;
	bool logged_in;
	bool told; /* connection.blocked */
	bool stalled; /* a message of it is not read while blocked */
	struct wire_bytes in, out;
	uint64_t tag; /* of the last message */
	uint64_t taken; /* of the last message that it got */
	uint64_t held[FAKE_HELD_MAX];
	size_t n_held;
	struct fake_msg *msg; /* under way */
	uint64_t expected; /* bytes of its body */
	bool headed; /* its header is there */
};

struct fake_order {
	char queue[256]; /* "": all others */
	enum fake_act act;
	unsigned left; /* FAKE_ALWAYS: no end */
};

struct fake_broker {
	pthread_t thread;
	pthread_mutex_t lock;
	int wake; /* eventfd */
	int holder; /* keeps the port while nobody listens */
	int listener; /* -1: stopped */
	int port;
	bool ending;
	bool blocked;
	enum fake_manners manners;
	struct fake_conn conns[FAKE_CONNS_MAX];
	struct fake_order orders[FAKE_ORDERS_MAX];
	size_t n_orders;
	struct fake_queues queues;
	unsigned count[FAKE__MAX];
	struct fake_msg **messages;
	char **declared;
};

/* The order for queue alone, "": for all others; NULL: there is none. */
struct fake_order *fake_state_order(struct fake_broker *b, const char *queue);

/* What orders are for. */
enum fake_when { FAKE_PUBLISHING, FAKE_DECLARING, FAKE_TAKING };

/* What to do for queue now, which counts as done. */
enum fake_act fake_state_act(
    struct fake_broker *b, const char *queue, enum fake_when when);

#endif /* !FAKE_STATE_H */
