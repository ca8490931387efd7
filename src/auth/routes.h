#ifndef AUTH_ROUTES_H
#define AUTH_ROUTES_H

#include "app.h"

/* tf-auth: tokens, clients, secrets, sign-in. */

extern const struct route_table auth_routes;

#endif /* !AUTH_ROUTES_H */
