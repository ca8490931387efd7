/* The rows of tf-event. */

#include "routes.h"

static const struct route routes[] = {
    {METHOD_POST, "/v1/job/{job_id}/events", ROLE_AGENT, CONF_JOB_BODY_MAX, 0,
	events_post},
    {METHOD_GET, "/v1/events", ROLE_ADMIN | ROLE_MANAGER | ROLE_CONTRIBUTOR,
	ROUTE_NO_BODY, 0, journal_get},
};

const struct route_table event_routes = {
    routes, sizeof(routes) / sizeof(routes[0])};
