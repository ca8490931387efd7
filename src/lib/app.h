#ifndef APP_H
#define APP_H

#include <pthread.h>

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
	/* What of the process's limits or of the configuration does not go together, a
	 * sentence with its remedy for the operator, told at the start and by
	 * --check-config; false: nothing.  NULL: nothing can. */
	bool (*misfit)(const struct conf *conf, char *text, size_t size);
	/* Before the threads start; false, with the reason logged, refuses the start.
	 * NULL: nothing to do. */
	bool (*prepare)(struct svc *svc);
	/* A thread of its own beside the workers, which returns soon after
	 * app_stopping() has become true; NULL: none. */
	void (*background)(struct svc *svc);
};

/* Run until SIGTERM.  The exit status: 0 after a clean drain, --check-config,
 * --version or --help; 1 for a start that was refused; 2 for bad options. */
int app_main(const struct app *a, int argc, char **argv);

/* Start a thread with a small stack; false without memory. */
bool app_thread(pthread_t *t, void *(*fn)(void *), void *arg);

/* True once the process drains; for background threads. */
bool app_stopping(void);

/* Readable once the process drains, and then for good; not to be read. */
int app_drain_fd(void);

/* Sleep ms milliseconds, or less once the process drains. */
void app_sleep_ms(int ms);

#endif /* !APP_H */
