#ifndef SENDING_H
#define SENDING_H

#include <pthread.h>

#include "lab.h"
#include "one_broker.h"
#include "outbox.h"

/* The lab with a broker, and what its outbox sends, while the clock stands still unless a case
 * lets time pass. */

/* Of each suite: make the broker; close the lab and end the broker. */
void sending_open(void);
void sending_close(void);

/* Open the lab with that time-out of confirms. */
void given_sender(int confirm_ms);

/* The time goes on. */
void later(int64_t ms);

/* A job of the queue, as a request with the id r-1 makes it, with this for its definition. */
extern const char sent_body[];
struct id submit_to(const char *queue);

/* Submit to q in a thread of its own, to a broker that does not confirm yet. */
struct submitter {
	pthread_t thread;
	struct id id; /* once it has ended */
};

void begin_submit(struct submitter *s);

/* How many jobs the outbox has yet to send, or to hear of. */
int64_t unconfirmed(void);

/* n jobs at n different times, while the broker is away; queues: NULL: all of q. */
void given_left_over(struct id *ids, const char *const *queues, size_t n);
void given_broker_is_back(void);

/* One sweep, and what it noted is in the store; its result. */
int sweep_outbox(void);

/* How often a queue took the message of this job. */
int arrivals(const struct id *id);

/* The outbox is done, and sends no more however long it waits. */
void expect_nothing_left(void);

#endif /* !SENDING_H */
