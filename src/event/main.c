/* tf-event: /v1/job/{job_id}/events. */

#include "app.h"
#include "routes.h"
#include "schema.h"

int
main(int argc, char **argv)
{
	static const struct app app = {
	    .name = "tf-event",
	    .routes = &event_routes,
	    .workers = 32,
	    .needs = SVC_DB | SVC_SEEN,
	    .schema = &model_schema,
	};

	return app_main(&app, argc, argv);
}
