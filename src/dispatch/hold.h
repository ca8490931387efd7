#ifndef DISPATCH_HOLD_H
#define DISPATCH_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"
#include "svc.h"

/* Polls that wait for a job.  One for the process. */

/* What struct app wants to know of it. */
bool hold_prepare(struct svc *svc);
void hold_run(struct svc *svc);

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

#endif /* !DISPATCH_HOLD_H */
