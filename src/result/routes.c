/* The rows of tf-result. */

#include "routes.h"

#define READER (ROLE_ADMIN | ROLE_MANAGER | ROLE_CONTRIBUTOR | ROLE_AGENT)

static const struct route routes[] = {
    {METHOD_POST, "/v1/result/{job_id}", ROLE_AGENT, CONF_RESULT_BODY_MAX, 0,
	result_post},
    {METHOD_GET, "/v1/result/{job_id}", READER, ROUTE_NO_BODY, 0, result_get},
};

const struct route_table result_routes = {
    routes, sizeof(routes) / sizeof(routes[0])};
