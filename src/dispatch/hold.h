#ifndef DISPATCH_HOLD_H
#define DISPATCH_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"
#include "svc.h"

/*
 * The way of a poll that waits for a job from the worker that had it to those who keep it
 * (hold_keeper.h).  One for the process; for any thread.
 */

struct parked;
struct parked_list;

/* Changes with each word of a new job: to be read before a poll looks for one. */
unsigned hold_generation(void);

struct hold_poll {
	const char *agent;
	const char *const *queues;
	size_t n;
	int64_t wait_s;
	int64_t applied_s; /* see struct parked */
	unsigned
	    generation; /* before it was looked for a job, and there was none */
};

/*
 * Hold r, for which there was no job, until there is one, until its time is over, its
 * client goes, the agent polls again or is set to take no jobs, or the process drains.
 * True: r is detached and is answered in time.  False: it cannot be held, and is to
 * be answered now.
 */
bool hold_request(struct svc *svc, struct req *r, const struct hold_poll *poll);

/* For those who keep them. */

/* Begin: most are held at a time.  False, with errno, without a descriptor.  Until then
 * none is held. */
bool hold_open(size_t most);

/* Readable when hold_take_in() has something to give. */
int hold_fd(void);

/* Take over those that have arrived since, and those that have come back, in their order.
 * They belong to the caller, who says hold_gone() for each in the end. */
void hold_take_in(struct parked_list *arrived, struct parked_list *back);

/* Give p back to who takes in, with its outcome. */
void hold_back(struct parked *p);

/* A word has come: another generation. */
void hold_heard(void);

/* One that was taken in is there no more. */
void hold_gone(void);

/* From now on a request is answered in hold_request(), and none arrives. */
void hold_close(void);

#endif /* !DISPATCH_HOLD_H */
