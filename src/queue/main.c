/* tf-queue: /v1/queues/… and /v1/restricted-queues/…. */

#include "app.h"
#include "routes.h"
#include "schema.h"

int
main(int argc, char **argv)
{
	static const struct app app = {
	    .name = "tf-queue",
	    .routes = &queue_routes,
	    .workers = 32,
	    .needs = SVC_DB,
	    .schema = &model_schema,
	};

	return app_main(&app, argc, argv);
}
