#ifndef AUTH_ROUTES_H
#define AUTH_ROUTES_H

#include "app.h"
#include "client.h"
#include "oidc.h"
#include "user.h"

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

int oidc_init(struct worker *w, struct req *r);
int oidc_poll(struct worker *w, struct req *r);

int web_login(struct worker *w, struct req *r);
int web_callback(struct worker *w, struct req *r);
int web_logout(struct worker *w, struct req *r);

/* Both tokens for a client that has just proved who it is. */
int oauth2_reply_login(struct worker *w, struct req *r, const struct client *c);

#define SIGN_IN_TAKEN                                                          \
	"The email address is the id of another client of this server"

/* Make or find the client of somebody whom the provider names; the security log is
 * told. */
enum user_verdict sign_in(struct worker *w, struct req *r,
    const struct oidc_user *who, enum err *failure);

#endif /* !AUTH_ROUTES_H */
