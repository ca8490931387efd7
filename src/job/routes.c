/* The rows of tf-job. */

#include "routes.h"

#define USER (ROLE_ADMIN | ROLE_MANAGER | ROLE_CONTRIBUTOR)

static const struct route routes[] = {
    {METHOD_POST, "/v1/job", USER, CONF_JOB_BODY_MAX, 0, submit_post},
    {METHOD_GET, "/v1/job", 0, ROUTE_NO_BODY, ROUTE_ELSEWHERE, NULL},
    {METHOD_GET, "/v1/job/{job_id}", USER, ROUTE_NO_BODY, 0, read_get},
    {METHOD_GET, "/v1/job/search", USER, ROUTE_NO_BODY, 0, search_get},
    {METHOD_GET, "/v1/job/{job_id}/position", USER, ROUTE_NO_BODY, 0,
	position_get},
    {METHOD_GET, "/v1/job/{job_id}/explain", USER, ROUTE_NO_BODY, 0,
	explain_get},
    {METHOD_POST, "/v1/job/{job_id}/action", USER, CONF_JOB_BODY_MAX,
	ROUTE_ID_TEXT, action_post},
    {METHOD_POST, "/v1/job/{job_id}/claim", ROLE_AGENT, CONF_JOB_BODY_MAX, 0,
	claim_post},
};

const struct route_table job_routes = {
    routes, sizeof(routes) / sizeof(routes[0])};
