#ifndef EVENT_ROUTES_H
#define EVENT_ROUTES_H

#include "app.h"

/* tf-event: events of jobs to their webhooks. */

extern const struct route_table event_routes;

int events_post(struct worker *w, struct req *r);
int journal_get(struct worker *w, struct req *r);

#endif /* !EVENT_ROUTES_H */
