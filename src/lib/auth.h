#ifndef AUTH_H
#define AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "conf.h"
#include "jwt.h"

/* From an Authorization header to a caller and its roles. */

enum role {
	ROLE_ADMIN = 1 << 0,
	ROLE_MANAGER = 1 << 1,
	ROLE_CONTRIBUTOR = 1 << 2,
	ROLE_AGENT = 1 << 3
};

struct auth_caller {
	unsigned roles; /* enum role, or-ed */
	bool token; /* identified by a token */
	const char *client_id; /* NULL: anonymous */
	const char *permissions; /* JSON object, as in the token; NULL: none */
	size_t permissions_len;
};

/* Who asks, and for what. */
struct auth_ask {
	const char *authorization; /* the header, NULL: none */
	unsigned
	    roles; /* that may pass, enum role, or-ed; 0: everybody, unread */
	unsigned anonymous; /* roles of a caller without a token */
	const struct jwt_keys *keys; /* NULL: no token is good */
	int64_t now_ms;
	bool agent_cookie; /* the request carries an agent's name */
	bool upward; /* a refusal names the lowest role first */
};

/* Why somebody may not pass: the status and words of the reply. */
struct auth_denial {
	int status;
	const char *message; /* a constant, or of the arena */
};

/*
 * Tell the caller, and whether it may pass.  True, or false with *denial.  An agent
 * whose token is lost is known by its cookie and told 401, which makes it fetch a new
 * one; 403 is final for clients.
 */
bool auth_check(const struct auth_ask *ask, struct arena *a,
    struct auth_caller *caller, struct auth_denial *denial);

/* True if people sign in by OIDC: OIDC_PROVIDER_ISSUER, OIDC_CLIENT_ID and WEB_SECRET_KEY are
 * all set. */
bool auth_has_oidc(const struct conf *c);

/* ANONYMOUS_ROLES as a set of enum role; none, unless it is set, where people sign in by
 * OIDC. */
unsigned auth_anonymous(const struct conf *c);

/* The role called name in any case of letters, or 0. */
unsigned auth_role(const char *name);

/* The name of one role. */
const char *auth_role_name(unsigned role);

/* True if the role a ranks below b: admin, manager, contributor, agent. */
bool auth_below(unsigned a, unsigned b);

/* What the caller's permissions allow in the map called name, such as
 * "max_priority": the greater of the entries for "*" and for queue; 0 without. */
int64_t auth_limit(const struct auth_caller *c, struct arena *a,
    const char *name, const char *queue);

/* True if the queue stands in the caller's allowed_queues. */
bool auth_owns(const struct auth_caller *c, struct arena *a, const char *queue);

#endif /* !AUTH_H */
