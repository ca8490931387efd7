/* The rows of tf-status, which also answers for every path that nobody serves.
 */

#include "routes.h"

static const struct route routes[] = {
    {METHOD_GET, "/", 0, ROUTE_NO_BODY, 0, home_get},
    {METHOD_GET, "/v1", 0, ROUTE_NO_BODY, 0, home_get},
    {METHOD_GET, "/v1/health/live", 0, ROUTE_NO_BODY, 0, live_get},
    {METHOD_GET, "/v1/health/ready", 0, ROUTE_NO_BODY, 0, ready_get},
};

const struct route_table status_routes = {
    routes, sizeof(routes) / sizeof(routes[0])};
