#ifndef JOB_ROUTES_H
#define JOB_ROUTES_H

#include "app.h"

/* tf-job: submit a job, read it, cancel it, claim it. */

extern const struct route_table job_routes;

int submit_post(struct worker *w, struct req *r);
int read_get(struct worker *w, struct req *r);
int search_get(struct worker *w, struct req *r);
int position_get(struct worker *w, struct req *r);
int explain_get(struct worker *w, struct req *r);
int action_post(struct worker *w, struct req *r);
int claim_post(struct worker *w, struct req *r);

#endif /* !JOB_ROUTES_H */
