#ifndef OFFERS_H
#define OFFERS_H

#include "lab.h"

/* The hand-out of the lab, under clocks that go on as the case says. */

#define NOW INT64_C(1800000000000)
#define DAY INT64_C(86400000)

/* Of each suite: open the lab with OFFER_TIMEOUT 900 and RETURN_GRACE 600 at the time NOW, and
 * close it. */
void offers_open(void);
void offers_close(void);

/* Time goes on, by all clocks. */
void pass(int64_t ms);

/* ... until so long after the begin. */
void pass_until(int64_t ms);

/* The wall clock is set, while no time passes and nobody looks. */
void set_clock_unseen(int64_t by);

/* A job of the queue, and one with that queue_timeout. */
struct id given(const char *queue);
struct id given_until(const char *queue, int timeout_s);

/* The agent asks one queue for a job, and has it in *out. */
enum err poll_as(const char *queue, const char *agent, const char *client,
    const char *connection, struct job *out);

/* On a new connection each time, so that it is not known whether an answer arrived. */
enum err polls(const char *queue, const char *agent, struct job *out);

void expect_offer(const char *queue, const char *agent, struct id want);
void expect_nothing(const char *queue, const char *agent);

/* What is late goes back or ends now. */
void sweep(void);

#endif /* !OFFERS_H */
