/* The rows of tf-file. */

#include "routes.h"

#define USER (ROLE_ADMIN | ROLE_MANAGER | ROLE_CONTRIBUTOR)
#define FLAGS (ROUTE_ID_TEXT | ROUTE_STREAM)

static const struct route routes[] = {
    {METHOD_POST, "/v1/job/{job_id}/attachments", USER, CONF_ARTIFACT_MAX,
	FLAGS, attachments_post},
    {METHOD_GET, "/v1/job/{job_id}/attachments", ROLE_AGENT, ROUTE_NO_BODY,
	ROUTE_ID_TEXT, attachments_get},
    {METHOD_POST, "/v1/result/{job_id}/artifact", ROLE_AGENT, CONF_ARTIFACT_MAX,
	FLAGS, artifact_post},
    {METHOD_GET, "/v1/result/{job_id}/artifact", USER, ROUTE_NO_BODY,
	ROUTE_ID_TEXT, artifact_get},
};

const struct route_table file_routes = {
    routes, sizeof(routes) / sizeof(routes[0])};
