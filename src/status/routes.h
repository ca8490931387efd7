#ifndef STATUS_ROUTES_H
#define STATUS_ROUTES_H

#include "app.h"

/* tf-status: who we are and how we are. */

extern const struct route_table status_routes;

/* Before the threads: how the supervisors of all programs are found. */
bool status_prepare(struct svc *s);

/* Looks for damage in the store, at the start and then each STORE_CHECK seconds. */
void status_background(struct svc *s);

int home_get(struct worker *w, struct req *r);
int live_get(struct worker *w, struct req *r);
int ready_get(struct worker *w, struct req *r);

#endif /* !STATUS_ROUTES_H */
