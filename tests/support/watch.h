#ifndef WATCH_H
#define WATCH_H

#include "lab.h"
#include "lost.h"

/* The watch over the agents of the lab, under clocks that go on as the case says. */

extern struct watch {
	struct lost *lost;
	int64_t wall, mono; /* what the clocks say */
} watch;

/* Of each suite: open the lab, with AGENT_LOST_TIMEOUT 60 and AGENT_LOST_TIMEOUT_QUIET 300, and
 * close it. */
void watch_open(void);
void watch_close(void);

/* Anew, with a configuration of the case's own. */
void watch_again_with(const char *conf);

/* Look once, as each LOST_LOOK_MS. */
void look(void);

/* Both clocks go on by so many seconds, with a look at each step. */
void watch_for(int64_t s);

/* The process that watches begins anew. */
void restart(void);

/* A job with this body. */
struct id given_job(const char *body);

/* A job of queue q that agent a works on in that phase, as the watch has seen; NULL: it has said
 * nothing of its own. */
struct id started(const char *body, const char *phase);

/* The agent is heard of now. */
void asks(const char *agent);

/* This text stands in what explains the state of the job. */
void expect_told(struct id id, const char *text);

/* The job that runs it once more, which there must be. */
struct id retry_of(struct id id);

#endif /* !WATCH_H */
