#ifndef AUTH_H
#define AUTH_H

#include <stdbool.h>
#include <stddef.h>

#include "conf.h"

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
};

/* Why somebody may not pass: the status and words of the reply. */
struct auth_denial {
	int status;
	const char *message;
};

/*
 * Tell the caller from the Authorization header (NULL: none) and check that one
 * of the roles may pass; roles = 0 lets everybody pass unread.  True, or false
 * with *denial, whose words live in buf.  anonymous: the roles of
 * ANONYMOUS_ROLES, see auth_anonymous().
 */
bool auth_check(const char *authorization, unsigned anonymous, unsigned roles,
    struct auth_caller *caller, struct auth_denial *denial, char *buf,
    size_t buf_len);

/* ANONYMOUS_ROLES as a set of enum role. */
unsigned auth_anonymous(const struct conf *c);

#endif /* !AUTH_H */
