#ifndef QUEUE_ROUTES_H
#define QUEUE_ROUTES_H

#include "app.h"

/* tf-queue: queues, their agents, jobs and owners. */

extern const struct route_table queue_routes;

int waits_get(struct worker *w, struct req *r);
int agents_get(struct worker *w, struct req *r);
int jobs_get(struct worker *w, struct req *r);

int restricted_list_get(struct worker *w, struct req *r);
int restricted_get(struct worker *w, struct req *r);
int restricted_post(struct worker *w, struct req *r);
int restricted_delete(struct worker *w, struct req *r);

#endif /* !QUEUE_ROUTES_H */
