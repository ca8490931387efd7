/*
 * Callers without a token have the roles of ANONYMOUS_ROLES.  A token is what it
 * says, without a look at the store; one that is no good is refused in the words
 * clients know, never ignored.
 */

#include "auth.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "js.h"

/* From the highest rank to the lowest. */
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
deny_role(struct auth_denial *d, const struct auth_ask *ask, struct arena *a)
{
	const char *between = "Specified action requires role: ";
	struct buf b;
	size_t i, k;

	buf_init(&b, a, 128);
	for (k = 0; k < N_ROLES; k++) {
		i = ask->upward ? N_ROLES - 1 - k : k;
		if ((ask->roles & role_names[i].role) == 0)
			continue;
		buf_str(&b, between);
		buf_str(&b, role_names[i].name);
		between = ", ";
	}
	return deny(d, 403, buf_ok(&b) ? b.p : login_first);
}

/* Of the roles of a caller that nothing identifies. */
static bool
check_anonymous(const struct auth_ask *ask, struct arena *a,
    struct auth_caller *caller, struct auth_denial *denial)
{
	caller->roles = ask->anonymous;
	if ((ask->anonymous & ask->roles) != 0)
		return true;
	if (ask->anonymous == 0 ||
	    (ask->agent_cookie && (ask->roles & ROLE_AGENT) != 0))
		return deny(denial, 401, login_first);
	return deny_role(denial, ask, a);
}

static bool
is_map_of_integers(struct arena *a, const struct js_member *m)
{
	struct js_fault where;
	struct js_doc in;
	size_t i;

	if (m == NULL)
		return true;
	if (m->kind != JS_OBJECT ||
	    js_scan(&in, a, m->value.p, m->value.len, &where) != ERR_OK)
		return false;
	for (i = 0; i < in.n_members; i++)
		if (in.members[i].kind != JS_NUMBER)
			return false;
	return true;
}

static bool
is_list_of_strings(const struct js_member *m)
{
	struct js_member element;
	struct js_span rest;

	if (m == NULL)
		return true;
	rest = m->value;
	if (m->kind != JS_ARRAY)
		return false;
	while (js_element(&rest, &element))
		if (element.kind != JS_STRING)
			return false;
	return true;
}

/* The caller that a verified token tells of; false if it tells nonsense. */
static bool
read_caller(
    struct arena *a, const char *text, size_t len, struct auth_caller *caller)
{
	const struct js_member *id, *role;
	struct js_fault where;
	struct js_doc doc;
	const char *name;
	size_t n = 0;

	if (js_scan(&doc, a, text, len, &where) != ERR_OK)
		return false;
	id = js_find(&doc, "client_id");
	role = js_find(&doc, "role");
	if (id == NULL || id->kind != JS_STRING ||
	    (role != NULL && role->kind != JS_STRING) ||
	    !is_map_of_integers(a, js_find(&doc, "max_priority")) ||
	    !is_map_of_integers(a, js_find(&doc, "max_reservation_time")) ||
	    !is_list_of_strings(js_find(&doc, "allowed_queues")))
		return false;
	caller->client_id = js_string(a, id, &n);
	name = role != NULL ? js_string(a, role, &len) : "contributor";
	if (caller->client_id == NULL || n == 0 ||
	    strlen(caller->client_id) != n || name == NULL)
		return false;
	caller->roles = auth_role(name);
	caller->token = true;
	caller->permissions = doc.text.p;
	caller->permissions_len = doc.text.len;
	return caller->roles != 0;
}

static bool
check_token(const struct auth_ask *ask, struct arena *a, const char *token,
    struct auth_caller *caller, struct auth_denial *denial)
{
	const char *permissions;
	struct jwt_fault fault;
	size_t len;
	enum err e;

	e = jwt_verify(ask->keys, a, token, strlen(token), ask->now_ms,
	    &permissions, &len, &fault);
	if (e == ERR_INVALID)
		return deny(denial, fault.status, fault.message);
	if (e != ERR_OK)
		return deny(denial, 503, ERR_UNAVAILABLE);
	if (!read_caller(a, permissions, len, caller)) {
		*caller = (struct auth_caller){.roles = 0};
		return deny(denial, 403, "Invalid Token");
	}
	if ((caller->roles & ask->roles) == 0)
		return deny_role(denial, ask, a);
	return true;
}

bool
auth_check(const struct auth_ask *ask, struct arena *a,
    struct auth_caller *caller, struct auth_denial *denial)
{
	const char *header = ask->authorization, *token;

	*caller = (struct auth_caller){.roles = 0};
	if (ask->roles == 0)
		return true;
	if (header == NULL || header[0] == '\0')
		return check_anonymous(ask, a, caller, denial);
	if (strncmp(header, "Bearer", 6) != 0 ||
	    (header[6] != ' ' && header[6] != '\0')) {
		if (ask->anonymous == 0)
			return deny(denial, 401, login_first);
		return deny_role(denial, ask, a);
	}
	/* A server in front may have cut the space off at the end. */
	token = header[6] == ' ' ? header + 7 : header + 6;
	if (token[0] == '\0')
		return deny(denial, 401, "Unauthorized");
	return check_token(ask, a, token, caller, denial);
}

bool
auth_has_oidc(const struct conf *c)
{
	return conf_str(c, CONF_OIDC_PROVIDER_ISSUER)[0] != '\0' &&
	       conf_str(c, CONF_OIDC_CLIENT_ID)[0] != '\0' &&
	       conf_str(c, CONF_WEB_SECRET_KEY)[0] != '\0';
}

unsigned
auth_anonymous(const struct conf *c)
{
	unsigned roles = 0;
	size_t i;

	if (auth_has_oidc(c) && !conf_is_set(c, CONF_ANONYMOUS_ROLES))
		return 0;
	for (i = 0; i < N_ROLES; i++)
		if (conf_has_word(c, CONF_ANONYMOUS_ROLES, role_names[i].name))
			roles |= role_names[i].role;
	return roles;
}

unsigned
auth_role(const char *name)
{
	size_t i;

	for (i = 0; i < N_ROLES; i++)
		if (strcasecmp(role_names[i].name, name) == 0)
			return role_names[i].role;
	return 0;
}

const char *
auth_role_name(unsigned role)
{
	size_t i;

	for (i = 0; i < N_ROLES - 1; i++)
		if (role_names[i].role == role)
			break;
	return role_names[i].name;
}

static size_t
rank_of(unsigned role)
{
	size_t i;

	for (i = 0; i < N_ROLES - 1; i++)
		if ((role_names[i].role & role) != 0)
			break;
	return i;
}

bool
auth_below(unsigned a, unsigned b)
{
	return rank_of(a) > rank_of(b);
}

/* A member of the permissions. */
static const struct js_member *
permission(const struct auth_caller *c, struct arena *a, const char *name,
    struct js_doc *doc)
{
	struct js_fault where;

	if (c->permissions == NULL || js_scan(doc, a, c->permissions,
					  c->permissions_len, &where) != ERR_OK)
		return NULL;
	return js_find(doc, name);
}

static int64_t
entry(const struct js_doc *map, const char *name)
{
	const struct js_member *m = js_find(map, name);
	char *text;

	if (m == NULL ||
	    (text = arena_dup(map->arena, m->value.p, m->value.len)) == NULL)
		return 0;
	return strtoll(text, NULL, 10);
}

int64_t
auth_limit(const struct auth_caller *c, struct arena *a, const char *name,
    const char *queue)
{
	const struct js_member *m;
	struct js_fault where;
	struct js_doc doc, map;
	int64_t all, one;

	m = permission(c, a, name, &doc);
	if (m == NULL ||
	    js_scan(&map, a, m->value.p, m->value.len, &where) != ERR_OK)
		return 0;
	all = entry(&map, "*");
	one = entry(&map, queue);
	return all > one ? all : one;
}

bool
auth_owns(const struct auth_caller *c, struct arena *a, const char *queue)
{
	const struct js_member *m;
	struct js_member element;
	struct js_span rest;
	struct js_doc doc;
	const char *name;
	size_t len;

	m = permission(c, a, "allowed_queues", &doc);
	if (m == NULL)
		return false;
	rest = m->value;
	while (js_element(&rest, &element)) {
		name = js_string(a, &element, &len);
		if (name != NULL && strlen(queue) == len &&
		    memcmp(name, queue, len) == 0)
			return true;
	}
	return false;
}
