#ifndef FAKE_QUEUES_H
#define FAKE_QUEUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The queues of the fake broker, how they are bound, and the messages on them.  All zero at first.
 */

#define FAKE_QUEUES_MAX 64

/* A message on a queue. */
struct fake_queued {
	char queue[256];
	char id[256];
	size_t len;
	unsigned holder; /* the connection that has got it; 0: none */
	uint64_t tag;
	bool gone;
};

struct fake_binding {
	unsigned consumers;
	char queue[256];
	char exchange[256];
	char key[256];
};

struct fake_queues {
	struct fake_binding bindings[FAKE_QUEUES_MAX];
	size_t n_bindings;
	struct fake_queued **queued;
	size_t n_queued;
};

/* A binding, which makes the queue. */
void fake_queues_bind(struct fake_queues *s, const struct fake_binding *to);

/* Where a message for exchange and key goes, and the binding of a queue; NULL: none. */
struct fake_binding *fake_queues_route(
    struct fake_queues *s, const char *exchange, const char *key);
struct fake_binding *fake_queues_of(struct fake_queues *s, const char *queue);

/* Put a message of len bytes on the queue. */
void fake_queues_add(
    struct fake_queues *s, const char *queue, const char *id, size_t len);

/* The first message that nobody has got; NULL: there is none. */
struct fake_queued *fake_queues_first(
    const struct fake_queues *s, const char *queue);

/* Messages of the queue; all: also those that somebody has got. */
unsigned fake_queues_depth(struct fake_queues *s, const char *queue, bool all);

/* The id of the i-th message, "" if there are fewer. */
const char *fake_queues_at(
    const struct fake_queues *s, const char *queue, unsigned i);

/* What the connection has got, with the tag or multiple up to it, is the queue's again, or gone.
 */
void fake_queues_settle(struct fake_queues *s, unsigned holder, uint64_t tag,
    bool multiple, bool gone);

/* All that the connection has got is back. */
void fake_queues_put_back(struct fake_queues *s, unsigned holder);

/* The queue, its bindings and its messages; one deleted takes nothing back. */
void fake_queues_delete(struct fake_queues *s, const char *queue);

void fake_queues_free(struct fake_queues *s);

#endif /* !FAKE_QUEUES_H */
