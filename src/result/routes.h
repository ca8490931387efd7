#ifndef RESULT_ROUTES_H
#define RESULT_ROUTES_H

#include "app.h"

/* tf-result: results and logs, posted and read. */

extern const struct route_table result_routes;

int result_post(struct worker *w, struct req *r);
int result_get(struct worker *w, struct req *r);
int logs_post_output(struct worker *w, struct req *r);
int logs_post_serial(struct worker *w, struct req *r);
int logs_get_output(struct worker *w, struct req *r);
int logs_get_serial(struct worker *w, struct req *r);

#endif /* !RESULT_ROUTES_H */
