/* The rows of tf-queue. */

#include "routes.h"

#define USER (ROLE_ADMIN | ROLE_MANAGER | ROLE_CONTRIBUTOR)
#define MANAGERS (ROLE_ADMIN | ROLE_MANAGER)

static const struct route routes[] = {
    {METHOD_GET, "/v1/queues/wait_times", USER, ROUTE_NO_BODY, 0, waits_get},
    {METHOD_GET, "/v1/queues/{queue}/agents", USER, ROUTE_NO_BODY, 0,
	agents_get},
    {METHOD_GET, "/v1/queues/{queue}/jobs", USER, ROUTE_NO_BODY, 0, jobs_get},
    {METHOD_GET, "/v1/restricted-queues", USER, ROUTE_NO_BODY, 0,
	restricted_list_get},
    {METHOD_GET, "/v1/restricted-queues/{queue}", USER, ROUTE_NO_BODY, 0,
	restricted_get},
    {METHOD_POST, "/v1/restricted-queues/{queue}", MANAGERS, CONF_JOB_BODY_MAX,
	0, restricted_post},
    {METHOD_DELETE, "/v1/restricted-queues/{queue}", MANAGERS,
	CONF_JOB_BODY_MAX, 0, restricted_delete},
};

const struct route_table queue_routes = {
    routes, sizeof(routes) / sizeof(routes[0])};
