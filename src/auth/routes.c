/* The rows of tf-auth. */

#include "routes.h"

#define MANAGERS (ROLE_ADMIN | ROLE_MANAGER)
#define USER (ROLE_ADMIN | ROLE_MANAGER | ROLE_CONTRIBUTOR)

static const struct route routes[] = {
    {METHOD_POST, "/v1/oauth2/token", 0, CONF_JOB_BODY_MAX, 0, oauth2_token},
    {METHOD_POST, "/v1/oauth2/refresh", 0, CONF_JOB_BODY_MAX, 0,
	oauth2_refresh},
    {METHOD_POST, "/v1/oauth2/revoke", ROLE_ADMIN, CONF_JOB_BODY_MAX, 0,
	oauth2_revoke},
    {METHOD_GET, "/v1/client-permissions", MANAGERS, ROUTE_NO_BODY, 0,
	permissions_list},
    {METHOD_GET, "/v1/client-permissions/{client_id}", MANAGERS, ROUTE_NO_BODY,
	0, permissions_get},
    {METHOD_PUT, "/v1/client-permissions/{client_id}", MANAGERS,
	CONF_JOB_BODY_MAX, 0, permissions_put},
    {METHOD_DELETE, "/v1/client-permissions/{client_id}", ROLE_ADMIN,
	ROUTE_NO_BODY, 0, permissions_delete},
    {METHOD_PUT, "/v1/secrets/{client_id}/{path...}", USER, CONF_JOB_BODY_MAX,
	ROUTE_ROLES_UPWARD, secret_put_one},
    {METHOD_DELETE, "/v1/secrets/{client_id}/{path...}", USER,
	CONF_JOB_BODY_MAX, ROUTE_ROLES_UPWARD, secret_delete_one},
    {METHOD_POST, "/oidc/auth-init", 0, CONF_JOB_BODY_MAX, ROUTE_OIDC,
	oidc_init},
    {METHOD_POST, "/oidc/auth-poll/{request_id}", 0, CONF_JOB_BODY_MAX,
	ROUTE_OIDC | ROUTE_PRIVATE, oidc_poll},
    {METHOD_GET, "/auth/login", 0, ROUTE_NO_BODY, ROUTE_OIDC | ROUTE_NO_HEAD,
	web_login},
    {METHOD_GET, "/auth/callback", 0, ROUTE_NO_BODY, ROUTE_OIDC | ROUTE_NO_HEAD,
	web_callback},
    {METHOD_GET, "/auth/logout", 0, ROUTE_NO_BODY, ROUTE_OIDC | ROUTE_NO_HEAD,
	web_logout},
};

const struct route_table auth_routes = {
    routes, sizeof(routes) / sizeof(routes[0])};
