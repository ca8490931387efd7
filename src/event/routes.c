/* The row of tf-event. */

#include "routes.h"

static const struct route routes[] = {
    {METHOD_POST, "/v1/job/{job_id}/events", ROLE_AGENT, CONF_JOB_BODY_MAX, 0,
	webhook_post},
};

const struct route_table event_routes = {
    routes, sizeof(routes) / sizeof(routes[0])};
