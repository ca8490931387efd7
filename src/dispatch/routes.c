/* The row of tf-dispatch. */

#include "routes.h"

static const struct route routes[] = {
    {METHOD_GET, "/v1/job", ROLE_AGENT, ROUTE_NO_BODY, ROUTE_NO_HEAD, take_get},
    {METHOD_POST, "/v1/job", 0, ROUTE_NO_BODY, ROUTE_ELSEWHERE, NULL},
};

const struct route_table dispatch_routes = {
    routes, sizeof(routes) / sizeof(routes[0])};
