/*
 * Callers without a token have the roles of ANONYMOUS_ROLES.  No key to verify
 * tokens can be configured, so a token identifies nobody: it is refused in the
 * words clients know, never ignored.
 */

#include "auth.h"

#include <stdio.h>
#include <string.h>

static const struct {
	enum role role;
	const char *name;
} role_names[] = {
    {ROLE_ADMIN, "admin"},
    {ROLE_MANAGER, "manager"},
    {ROLE_CONTRIBUTOR, "contributor"},
    {ROLE_AGENT, "agent"},
};

static const char login_first[] =
    "Authentication is required for specified endpoint";

#define N_ROLES (sizeof(role_names) / sizeof(role_names[0]))

static bool
deny(struct auth_denial *d, int status, const char *message)
{
	d->status = status;
	d->message = message;
	return false;
}

static bool
deny_role(struct auth_denial *d, unsigned roles, char *buf, size_t len)
{
	size_t i, n = 0;
	int w;

	w = snprintf(buf, len, "Specified action requires role: ");
	n = w > 0 ? (size_t)w : 0;
	for (i = 0; i < N_ROLES && n < len; i++) {
		if ((roles & role_names[i].role) == 0)
			continue;
		w = snprintf(buf + n, len - n, "%s%s",
		    buf[n - 2] == ':' ? "" : ", ", role_names[i].name);
		n += w > 0 ? (size_t)w : 0;
	}
	return deny(d, 403, buf);
}

/* A compact JWS has three parts (RFC 7515, section 3.1). */
static bool
has_three_parts(const char *token)
{
	const char *dot = strchr(token, '.');

	dot = dot != NULL ? strchr(dot + 1, '.') : NULL;
	return dot != NULL && strchr(dot + 1, '.') == NULL;
}

bool
auth_check(const char *authorization, unsigned anonymous, unsigned roles,
    struct auth_caller *caller, struct auth_denial *denial, char *buf,
    size_t buf_len)
{
	const char *token;

	*caller = (struct auth_caller){.roles = 0};
	if (roles == 0)
		return true;
	if (authorization == NULL || authorization[0] == '\0') {
		caller->roles = anonymous;
		if (anonymous == 0)
			return deny(denial, 401, login_first);
		if ((anonymous & roles) == 0)
			return deny_role(denial, roles, buf, buf_len);
		return true;
	}
	if (strncmp(authorization, "Bearer", 6) != 0 ||
	    (authorization[6] != ' ' && authorization[6] != '\0')) {
		if (anonymous == 0)
			return deny(denial, 401, login_first);
		return deny_role(denial, roles, buf, buf_len);
	}
	/* A server in front may have cut the space off at the end. */
	token = authorization + 6;
	while (*token == ' ')
		token++;
	if (token[0] == '\0')
		return deny(denial, 401, "Unauthorized");
	if (!has_three_parts(token))
		return deny(denial, 403, "Unable to decode token");
	return deny(denial, 403, "Invalid Token signature");
}

unsigned
auth_anonymous(const struct conf *c)
{
	unsigned roles = 0;
	size_t i;

	for (i = 0; i < N_ROLES; i++)
		if (conf_has_word(c, CONF_ANONYMOUS_ROLES, role_names[i].name))
			roles |= role_names[i].role;
	return roles;
}
