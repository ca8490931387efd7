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

/*
 * Until stopping(), about once a minute, write down when agents and queues were last
 * heard of, and forget the silent, but nobody in the first five minutes: a server that
 * did not run heard of nobody.  sleep_ms returns early once it is to stop.
 */
void tidy_run(struct svc *s, bool (*stopping)(void), void (*sleep_ms)(int));
void agent_background(struct svc *s);

#endif /* !AGENT_ROUTES_H */
