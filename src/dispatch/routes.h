#ifndef DISPATCH_ROUTES_H
#define DISPATCH_ROUTES_H

#include "app.h"
#include "job.h"

/* tf-dispatch: agents take jobs. */

extern const struct route_table dispatch_routes;

int take_get(struct worker *w, struct req *r);

/* The header that tells how long a client's wish has made a request wait. */
#define TAKE_APPLIED "Preference-Applied: wait=%lld\r\n"

/* The replies to a poll.  headers: as in reply(). */
int take_reply_job(
    struct svc *svc, struct req *r, const struct job *job, const char *headers);
int take_reply_none(struct req *r, const char *headers);

#endif /* !DISPATCH_ROUTES_H */
