#ifndef AGENT_ROUTES_H
#define AGENT_ROUTES_H

#include "app.h"

/* tf-agent: what agents tell of themselves. */

extern const struct route_table agent_routes;

int data_post(struct worker *w, struct req *r);
int data_get(struct worker *w, struct req *r);

#endif /* !AGENT_ROUTES_H */
