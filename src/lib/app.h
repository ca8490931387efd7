#ifndef APP_H
#define APP_H

#include "route.h"
#include "svc.h"

/* The main() of every responder: options, configuration, threads, clean stop.
 */

/* One thread of a responder: what its handlers reach. */
struct worker {
	struct svc *svc; /* of the process, shared */
};

struct app {
	const char *name; /* tf-job */
	const struct route_table *routes;
	unsigned workers; /* threads, unless WORKERS says otherwise */
	unsigned needs; /* enum svc_need */
	const struct db_schema *schema;
	/* A thread of its own beside the workers, which returns soon after
	 * app_stopping() has become true; NULL: none. */
	void (*background)(struct svc *svc);
};

/* Run until SIGTERM.  The exit status: 0 after a clean drain, --check-config,
 * --version or --help; 1 for a start that was refused; 2 for bad options. */
int app_main(const struct app *a, int argc, char **argv);

/* True once the process drains; for background threads. */
bool app_stopping(void);

/* Sleep ms milliseconds, or less once the process drains. */
void app_sleep_ms(int ms);

#endif /* !APP_H */
