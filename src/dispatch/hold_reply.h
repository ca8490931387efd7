#ifndef DISPATCH_HOLD_REPLY_H
#define DISPATCH_HOLD_REPLY_H

#include "arena.h"
#include "err.h"
#include "job.h"
#include "parked.h"
#include "svc.h"

/*
 * The answers to requests that were held.  Each ends the request: p->conn is used up, and
 * p still belongs to the caller.  a is for what the answer needs.
 */

/* There was no job.  a is emptied. */
void hold_reply_none(struct parked *p, struct arena *a);

/* What handout_take() has given: the job if e is ERR_OK, else the failure.  A client that
 * has gone meanwhile is logged.  a is not emptied. */
void hold_reply_job(struct svc *svc, struct parked *p, struct arena *a,
    enum err e, const struct job *job);

#endif /* !DISPATCH_HOLD_REPLY_H */
