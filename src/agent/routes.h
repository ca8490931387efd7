#ifndef AGENT_ROUTES_H
#define AGENT_ROUTES_H

#include "app.h"

/* tf-agent: what agents tell of themselves. */

extern const struct route_table agent_routes;

int data_post(struct worker *w, struct req *r);
int data_get(struct worker *w, struct req *r);

int data_list(struct worker *w, struct req *r);
int outcome_post(struct worker *w, struct req *r);
int queues_get(struct worker *w, struct req *r);
int queues_post(struct worker *w, struct req *r);
int images_get(struct worker *w, struct req *r);
int images_post(struct worker *w, struct req *r);

/* Write down when agents and queues were last heard of, and forget the silent. */
void agent_background(struct svc *s);

#endif /* !AGENT_ROUTES_H */
