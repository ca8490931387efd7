/* The rows of tf-agent. */

#include "routes.h"

#define USER (ROLE_ADMIN | ROLE_MANAGER | ROLE_CONTRIBUTOR)
#define KEEPER (ROLE_ADMIN | ROLE_MANAGER | ROLE_AGENT)

static const struct route routes[] = {
    {METHOD_GET, "/v1/agents/data", USER, ROUTE_NO_BODY, 0, data_list},
    {METHOD_GET, "/v1/agents/data/{agent_name}", USER | ROLE_AGENT,
	ROUTE_NO_BODY, 0, data_get},
    {METHOD_POST, "/v1/agents/data/{agent_name}", KEEPER, CONF_JOB_BODY_MAX, 0,
	data_post},
    {METHOD_POST, "/v1/agents/provision_logs/{agent_name}", ROLE_AGENT,
	CONF_JOB_BODY_MAX, 0, outcome_post},
    {METHOD_GET, "/v1/agents/queues", USER, ROUTE_NO_BODY, 0, queues_get},
    {METHOD_POST, "/v1/agents/queues", KEEPER, CONF_JOB_BODY_MAX, 0,
	queues_post},
    {METHOD_GET, "/v1/agents/images/{queue}", USER, ROUTE_NO_BODY, 0,
	images_get},
    {METHOD_POST, "/v1/agents/images", KEEPER, CONF_JOB_BODY_MAX, 0,
	images_post},
};

const struct route_table agent_routes = {
    routes, sizeof(routes) / sizeof(routes[0])};
