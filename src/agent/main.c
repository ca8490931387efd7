/* tf-agent: /v1/agents/…. */

#include "app.h"
#include "routes.h"
#include "schema.h"

int
main(int argc, char **argv)
{
	static const struct app app = {
	    .name = "tf-agent",
	    .routes = &agent_routes,
	    .workers = 32,
	    .needs = SVC_DB | SVC_SEEN,
	    .schema = &model_schema,
	    .background = agent_background,
	};

	return app_main(&app, argc, argv);
}
