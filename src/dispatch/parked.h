#ifndef DISPATCH_PARKED_H
#define DISPATCH_PARKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"

/*
 * Requests that wait for a job: by order of arrival, by queue, by agent and by when
 * they end.  Memory alone; one thread at a time.
 */

/* A poll that would take more memory than this is not held. */
#define PARKED_BYTES_MAX ((size_t)15000)

struct parked_set;
struct parked_wait; /* one request on one queue */

/* A queue that some request names. */
struct parked_queue {
	const char *name;
	unsigned in_hand; /* requests taken out on its account; of the user */
	bool again; /* of the user */
	bool dirty; /* see parked_mark() */
	/* Of the set. */
	unsigned refs;
	struct parked_queue *hash_next;
	struct parked_queue *prev, *next; /* in the ring of all */
	struct parked_queue *next_dirty;
	struct parked_wait *first, *last;
	char text[];
};

struct parked_wait {
	struct parked *who;
	struct parked_queue *queue;
	struct parked_wait *prev, *next; /* in the order of arrival */
};

struct parked {
	struct http_conn conn;
	const char *agent;
	char *
	    client; /* the client id of the token that has verified it; NULL: none */
	char connection[32]; /* of the client to the web server; "" : unknown */
	int64_t until_ms; /* monotonic */
	int64_t applied_s; /* of the preference that it carried; -1: none */
	unsigned generation; /* of the user */
	struct parked_queue *by; /* the one it was taken out for; of the user */
	enum { PARKED_NOTHING, PARKED_OVER } outcome; /* of the user */
	char request_id[40];
	struct parked *next; /* in a struct parked_list */
	/* Of the set. */
	uint64_t number; /* in the order of arrival; 0: has never been in */
	size_t heap_at;
	struct parked *agent_next;
	size_t n;
	struct parked_wait on[];
};

/* Requests on their way from thread to thread.  {NULL} is an empty one. */
struct parked_list {
	struct parked *first;
	struct parked *last; /* unless it is empty */
};

struct parked_set *parked_set_new(void); /* NULL without memory */
void parked_set_free(struct parked_set *s); /* must be empty */

/* A request of agent for the n queues, not yet in a set; NULL without memory, or if it
 * is too big.  Repeated names count once.  Free with parked_free(). */
struct parked *parked_new(
    const char *agent, const char *const *queues, size_t n);

/* p must not be in the set.  s: the one it has been in, or NULL. */
void parked_free(struct parked_set *s, struct parked *p);

/* The names of its queues, p->n of them. */
const char *parked_name(const struct parked *p, size_t i);

/*
 * Put p in: at the end, or, if it has been in before, back in its place.  False without
 * memory.  The agent must have no other in the set: see parked_of().  p->client does not
 * change while it is in.
 */
bool parked_put(struct parked_set *s, struct parked *p)
    __attribute__((warn_unused_result));

/* Take p out. */
void parked_out(struct parked_set *s, struct parked *p);

/* How many are in. */
size_t parked_count(const struct parked_set *s);

/* The one of this agent, which is its name and the client that has verified it, or NULL. */
struct parked *parked_of(
    const struct parked_set *s, const char *agent, const char *client);

/* One of an agent of this name, whatever its client, or NULL. */
struct parked *parked_named(const struct parked_set *s, const char *agent);

/* The one that ends first, or NULL. */
struct parked *parked_next(const struct parked_set *s);

/* Call each(p, arg) for those that are in one part of the set, 0 to PARKED_PARTS - 1: who is in
 * stays in its part.  each must not change the set. */
#define PARKED_PARTS 64
void parked_each(const struct parked_set *s, size_t part,
    void (*each)(const struct parked *p, void *arg), void *arg);

/* The queue of this name, if some request, in or taken out, names it; else NULL. */
struct parked_queue *parked_queue(const struct parked_set *s, const char *name);

/* Note the queue as one to be looked at, once; take the first of those that were noted,
 * or NULL. */
void parked_mark(struct parked_set *s, struct parked_queue *q);
struct parked_queue *parked_marked(struct parked_set *s);

/*
 * Walk through all queues, a few calls at a time, whatever happens between: begin, and
 * then each once, NULL at the end.
 */
void parked_walk(struct parked_set *s);
struct parked_queue *parked_walked(struct parked_set *s);

/* Put p, which is in no list, at the end of l; take the first out, NULL if there is none.
 * A list has nothing to do with the set. */
void parked_append(struct parked_list *l, struct parked *p);
struct parked *parked_shift(struct parked_list *l);

#endif /* !DISPATCH_PARKED_H */
