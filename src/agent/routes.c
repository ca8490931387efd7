/* The rows of tf-agent. */

#include "routes.h"

static const struct route routes[] = {
    {METHOD_GET, "/v1/agents/data/{agent_name}",
	ROLE_ADMIN | ROLE_MANAGER | ROLE_CONTRIBUTOR | ROLE_AGENT,
	ROUTE_NO_BODY, 0, data_get},
    {METHOD_POST, "/v1/agents/data/{agent_name}",
	ROLE_ADMIN | ROLE_MANAGER | ROLE_AGENT, CONF_JOB_BODY_MAX, 0,
	data_post},
};

const struct route_table agent_routes = {
    routes, sizeof(routes) / sizeof(routes[0])};
