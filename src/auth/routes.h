#ifndef AUTH_ROUTES_H
#define AUTH_ROUTES_H

#include "app.h"

/* tf-auth: tokens, clients, secrets, sign-in. */

extern const struct route_table auth_routes;

/* What it does beside requests: remove what has expired. */
void auth_background(struct svc *s);

#endif /* !AUTH_ROUTES_H */
