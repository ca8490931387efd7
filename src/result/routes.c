/* The rows of tf-result. */

#include "routes.h"

#define USER (ROLE_ADMIN | ROLE_MANAGER | ROLE_CONTRIBUTOR)
#define READER (USER | ROLE_AGENT)

static const struct route routes[] = {
    {METHOD_POST, "/v1/result/{job_id}", ROLE_AGENT, CONF_RESULT_BODY_MAX, 0,
	result_post},
    {METHOD_GET, "/v1/result/{job_id}", READER, ROUTE_NO_BODY, 0, result_get},
    {METHOD_POST, "/v1/result/{job_id}/log/output", ROLE_AGENT,
	CONF_LOG_BODY_MAX, 0, logs_post_output},
    {METHOD_GET, "/v1/result/{job_id}/log/output", USER, ROUTE_NO_BODY, 0,
	logs_get_output},
    {METHOD_POST, "/v1/result/{job_id}/log/serial", ROLE_AGENT,
	CONF_LOG_BODY_MAX, 0, logs_post_serial},
    {METHOD_GET, "/v1/result/{job_id}/log/serial", USER, ROUTE_NO_BODY, 0,
	logs_get_serial},
};

const struct route_table result_routes = {
    routes, sizeof(routes) / sizeof(routes[0])};
