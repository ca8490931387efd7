#ifndef DISPATCH_TAKE_REPLY_H
#define DISPATCH_TAKE_REPLY_H

#include "http.h"
#include "job.h"
#include "svc.h"

/* The replies to a poll. */

/* The header that tells how long a client's wish has made a request wait. */
#define TAKE_REPLY_APPLIED "Preference-Applied: wait=%lld\r\n"

/* headers: as in reply().  The status, for the handler to return. */
int take_reply_job(
    struct svc *svc, struct req *r, const struct job *job, const char *headers);
int take_reply_none(struct req *r, const char *headers);

#endif /* !DISPATCH_TAKE_REPLY_H */
