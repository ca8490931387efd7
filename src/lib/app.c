/*
 * The life of a responder: its threads serve what comes on the listening socket that spawn-fcgi
 * or a supervisor has bound (listener.h); SIGTERM wakes them all, and each finishes what it has
 * in hand.
 */

#include "config.h"

#include "app.h"

#include <fcgiapp.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gate.h"
#include "http_fcgi.h"
#include "listener.h"
#include "log.h"

#define WORKERS_MAX 1024
#define FILES_MAX 131072
#define STACK_SIZE ((size_t)256 * 1024)
#define TOUCHED_STACK 8192
#define TOUCHED_ARENA 8000
#define ARENAS_MAX 4
/* What big requests may take together: a body is held several times over while it is
 * read, and a table of its members may be many times as big. */
#define MEMORY_MAX ((uint64_t)1 << 30)
#define TIMES_A_BODY 4
/* After a body of so many bytes the heaps are trimmed. */
#define TRIM_BODY ((size_t)128 * 1024)

static atomic_bool draining;
static int drain_fd = -1;

struct pool {
	const struct app *app;
	struct svc svc;
	unsigned anonymous; /* roles of callers without a token */
	struct listener *listener;
	pthread_t threads[WORKERS_MAX];
	unsigned n_threads;
	pthread_t background;
	bool has_background;
};

bool
app_stopping(void)
{
	return atomic_load(&draining);
}

int
app_drain_fd(void)
{
	return drain_fd;
}

void
app_sleep_ms(int ms)
{
	struct pollfd p = {.fd = drain_fd, .events = POLLIN};

	(void)poll(&p, 1, ms);
}

static void
serve(struct pool *p, struct worker *w, FCGX_Request *fr, struct arena *a)
{
	struct req r = {.io = &http_fcgi, .ctx = fr, .arena = a};

	log_request(req_id(&r));
	(void)route_run(p->app->routes, p->svc.conf, p->anonymous, w, &r);
	if (!r.detached && log_shows(LOG_LVL_DEBUG))
		log_debug("%s %s: %d", req_param(&r, "REQUEST_METHOD"),
		    req_param(&r, "REQUEST_URI"), r.status);
	log_request(NULL);
	FCGX_Finish_r(fr);
	listener_keep_spare();
	arena_reset(a);
	/* What json-c took in small pieces lies all over the heap. */
	if (r.body_len >= TRIM_BODY)
		(void)malloc_trim(0);
}

/* Take now what a request will need: a server that is short of memory shows it at
 * its start, and does not grow for each burst that is bigger than the last. */
__attribute__((noinline)) static void
touch_memory(struct arena *a)
{
	volatile char stack[TOUCHED_STACK];
	size_t i;
	char *p;

	for (i = 0; i < sizeof(stack); i += 1024)
		stack[i] = 1;
	if ((p = arena_alloc(a, TOUCHED_ARENA)) != NULL)
		memset(p, 1, TOUCHED_ARENA);
	arena_reset(a);
}

static void *
worker_main(void *arg)
{
	struct pool *p = arg;
	struct worker w = {.svc = &p->svc};
	struct arena *a;
	FCGX_Request fr;

	a = arena_new();
	if (a == NULL || FCGX_InitRequest(&fr, 0, 0) != 0) {
		log_errno("cannot start a thread");
		exit(EXIT_FAILURE);
	}
	touch_memory(a);
	while (!app_stopping() && listener_wait(p->listener))
		/* While there is work it is not waited for. */
		while (!app_stopping() && listener_accept(p->listener, &fr))
			serve(p, &w, &fr, a);
	gate_leave();
	arena_free(a);
	return NULL;
}

static void *
background_main(void *arg)
{
	struct pool *p = arg;

	p->app->background(&p->svc);
	return NULL;
}

static int
start_thread(pthread_t *t, void *(*fn)(void *), void *arg)
{
	pthread_attr_t attr;
	int rc;

	(void)pthread_attr_init(&attr);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	(void)pthread_attr_setstacksize(&attr, STACK_SIZE);
#endif
	rc = pthread_create(t, &attr, fn, arg);
	(void)pthread_attr_destroy(&attr);
	return rc;
}

bool
app_thread(pthread_t *t, void *(*fn)(void *), void *arg)
{
	return start_thread(t, fn, arg) == 0;
}

static bool
start_threads(struct pool *p, unsigned n)
{
	int rc = 0;

	for (p->n_threads = 0; p->n_threads < n && rc == 0;) {
		rc = start_thread(&p->threads[p->n_threads], worker_main, p);
		if (rc == 0)
			p->n_threads++;
	}
	if (rc == 0 && p->app->background != NULL) {
		rc = start_thread(&p->background, background_main, p);
		p->has_background = rc == 0;
	}
	if (rc != 0)
		log_error("cannot start %u threads: %s", n, strerror(rc));
	return rc == 0;
}

static void
stop_threads(struct pool *p)
{
	uint64_t one = 1;
	unsigned i;

	atomic_store(&draining, true);
	if (write(drain_fd, &one, sizeof(one)) != sizeof(one))
		log_errno("drain");
	if (p->listener != NULL)
		listener_close(p->listener);
	for (i = 0; i < p->n_threads; i++)
		(void)pthread_join(p->threads[i], NULL);
	if (p->has_background)
		(void)pthread_join(p->background, NULL);
}

/* Tell a supervisor that waits for it that this process serves. */
static void
say_ready(void)
{
	const char *text = getenv("TF_READY_FD");
	char *end;
	long fd;

	if (text == NULL)
		return;
	fd = strtol(text, &end, 10);
	if (*end != '\0' || fd <= STDERR_FILENO || fd > 65535)
		return;
	if (write((int)fd, "1", 1) != 1)
		log_errno("cannot tell the supervisor");
	(void)close((int)fd);
	(void)unsetenv("TF_READY_FD");
}

/* Signals are taken by sigwait in main alone: libfcgi would cut a body short on
 * an interrupted read. */
static void
block_signals(sigset_t *set)
{
	(void)sigemptyset(set);
	(void)sigaddset(set, SIGTERM);
	(void)sigaddset(set, SIGINT);
	(void)sigaddset(set, SIGUSR1);
	(void)pthread_sigmask(SIG_BLOCK, set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static int
serve_until_signal(
    const struct app *a, const struct conf *conf, const sigset_t *signals)
{
	struct pool *p;
	unsigned n = (unsigned)conf_int(conf, CONF_WORKERS);
	int status = EXIT_FAILURE, sig;

	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return EXIT_FAILURE;
	p->app = a;
	p->anonymous = auth_anonymous(conf);
	if (svc_open(&p->svc, conf, a->schema, a->needs, a->name) != ERR_OK) {
		free(p);
		return EXIT_FAILURE;
	}
	if (n == 0)
		n = a->workers;
	gate_set_threads(n);
	if ((a->prepare == NULL || a->prepare(&p->svc)) &&
	    (p->listener = listener_new(drain_fd)) != NULL &&
	    start_threads(p, n)) {
		say_ready();
		(void)sigwait(signals, &sig);
		status = EXIT_SUCCESS;
	}
	stop_threads(p);
	listener_free(p->listener);
	svc_close(&p->svc);
	free(p);
	return status;
}

/* A request may hold a dozen files open, and one that is held has one. */
static void
allow_files(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == -1 || l.rlim_cur >= FILES_MAX)
		return;
	l.rlim_cur = l.rlim_max < FILES_MAX ? l.rlim_max : FILES_MAX;
	if (setrlimit(RLIMIT_NOFILE, &l) == -1)
		log_errno("cannot raise the number of open files");
}

/* Once, to the log or to the person who asked. */
static void
tell_misfit(const struct app *a, const struct conf *conf, bool check)
{
	char text[1024];

	if (a->misfit == NULL || !a->misfit(conf, text, sizeof(text)))
		return;
	if (check)
		(void)fprintf(stderr, "%s: warning: %s\n", a->name, text);
	else
		log_warn("%s", text);
}

/* Enough for one of the biggest bodies, whatever the configuration says. */
static void
limit_memory(const struct conf *conf)
{
	static const enum conf_id keys[] = {
	    CONF_JOB_BODY_MAX, CONF_RESULT_BODY_MAX, CONF_LOG_BODY_MAX};
	uint64_t most = MEMORY_MAX, n;
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		n = TIMES_A_BODY * (uint64_t)conf_int(conf, keys[i]);
		if (n > most)
			most = n;
	}
	arena_set_limit(most);
}

static int
run(const struct app *a, const struct conf *conf)
{
	sigset_t signals;

	block_signals(&signals);
	(void)umask(0027);
	allow_files();
	tell_misfit(a, conf, false);
	/* Many threads, small requests: a few heaps are enough, and what a big
	 * body took goes back to the system. */
	(void)mallopt(M_ARENA_MAX, ARENAS_MAX);
	(void)mallopt(M_MMAP_THRESHOLD, 128 * 1024);
	(void)mallopt(M_TRIM_THRESHOLD, 256 * 1024);
	limit_memory(conf);
	if (!listener_prepare(a->name))
		return EXIT_FAILURE;
	drain_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (drain_fd == -1) {
		log_errno("cannot be told to stop");
		return EXIT_FAILURE;
	}
	return serve_until_signal(a, conf, &signals);
}

static void
usage(FILE *to, const char *name)
{
	(void)fprintf(to,
	    "usage: %s [--check-config | --version | --help]\n"
	    "A FastCGI responder on the listening socket at fd 0.  Its "
	    "configuration is the\n"
	    "file named by TESTFLINGER_CONFIG; see testflinger.conf(5).\n",
	    name);
}

/* To the log, or to the person who asked. */
static void
tell_fault(const char *name, bool check, const char *text)
{
	if (check)
		(void)fprintf(stderr, "%s: %s\n", name, text);
	else
		log_error("%s", text);
}

static bool
load(const char *name, bool check, struct conf **conf)
{
	static const char *const levels[] = {"error", "warn", "info", "debug"};
	struct conf_fault fault;
	enum log_level i;

	if (conf_load(conf, NULL, &fault) != ERR_OK) {
		tell_fault(name, check, fault.text);
		return false;
	}
	if (svc_check(*conf, &fault) != ERR_OK) {
		tell_fault(name, check, fault.text);
		conf_free(*conf);
		return false;
	}
	for (i = LOG_LVL_ERROR; i < LOG_LVL_DEBUG; i++)
		if (strcmp(conf_str(*conf, CONF_LOG_LEVEL), levels[i]) == 0)
			break;
	log_setup(name, i);
	return true;
}

int
app_main(const struct app *a, int argc, char **argv)
{
	struct conf *conf;
	bool check = false;
	int status;

	log_setup(a->name, LOG_LVL_INFO);
	if (argc > 2) {
		usage(stderr, a->name);
		return 2;
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		usage(stdout, a->name);
		return EXIT_SUCCESS;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)printf("%s %s\n", a->name, PACKAGE_VERSION);
		return EXIT_SUCCESS;
	}
	if (argc == 2 && !(check = strcmp(argv[1], "--check-config") == 0)) {
		usage(stderr, a->name);
		return 2;
	}
	if (!load(a->name, check, &conf))
		return EXIT_FAILURE;
	if (check) {
		tell_misfit(a, conf, true);
		(void)printf("%s: the configuration is good%s%s\n", a->name,
		    conf_file(conf) != NULL ? ": " : "",
		    conf_file(conf) != NULL ? conf_file(conf) : "");
		status = EXIT_SUCCESS;
	} else {
		status = run(a, conf);
	}
	conf_free(conf);
	return status;
}
