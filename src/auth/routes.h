#ifndef AUTH_ROUTES_H
#define AUTH_ROUTES_H

#include "app.h"

/* tf-auth: tokens, clients, secrets, sign-in. */

extern const struct route_table auth_routes;

/* What it does beside requests: remove what has expired. */
void auth_background(struct svc *s);

int oauth2_token(struct worker *w, struct req *r);
int oauth2_refresh(struct worker *w, struct req *r);
int oauth2_revoke(struct worker *w, struct req *r);

int permissions_list(struct worker *w, struct req *r);
int permissions_get(struct worker *w, struct req *r);
int permissions_put(struct worker *w, struct req *r);
int permissions_delete(struct worker *w, struct req *r);

int secret_put_one(struct worker *w, struct req *r);
int secret_delete_one(struct worker *w, struct req *r);

#endif /* !AUTH_ROUTES_H */
