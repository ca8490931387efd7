#ifndef DISPATCH_ROUTES_H
#define DISPATCH_ROUTES_H

#include "app.h"

/* tf-dispatch: agents take jobs. */

extern const struct route_table dispatch_routes;

int take_get(struct worker *w, struct req *r);

#endif /* !DISPATCH_ROUTES_H */
