#ifndef PUBLISHING_H
#define PUBLISHING_H

#include <pthread.h>
#include <stdatomic.h>

#include "broker.h"
#include "one_broker.h"

/* A pool that publishes to the fake broker, and how long that takes. */

/* Far less than PATIENT_MS, and enough for a busy machine: "at once". */
#define AT_ONCE_MS 5000

extern struct broker *pool; /* NULL: a case has closed it */
extern struct fake_broker *other; /* a second host of the pool; NULL: none */

/* Of each suite: make the broker; close the pool and end the brokers. */
void publishing_open(void);
void publishing_close(void);

/* Options for what is to succeed, and a pool with these or others for the brokers there are, fake
 * first. */
struct broker_options patient(void);
void open_pool(struct broker_options o);

/* A patient pool; one that waits HASTY_MS for confirms; one that does so for all. */
void given_pool(void);
void given_pool_hasty_for_confirms(void);
void given_hasty_pool(void);

/* Publish "{}". */
enum err publish(const char *queue, const char *id);

/* It is not confirmed, and that is told within ms. */
void expect_failure(const char *queue, const char *id, int64_t ms);

/* A publish in a thread of its own. */
struct publisher {
	pthread_t thread;
	const char *queue;
	const char *id;
	enum err result;
	atomic_bool done;
};

void begin_publish(struct publisher *p, const char *queue, const char *id);
enum err end_publish(struct publisher *p);

#endif /* !PUBLISHING_H */
