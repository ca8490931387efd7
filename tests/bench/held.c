/*
 * As many agents as told, each with a request for a job that is held; then jobs, one
 * at a time, each to a queue that all wait on or to that of one agent.
 *
 *   held PORT AGENTS JOBS DIRECTORY PID
 *
 * Prints one line: the median and the 99th percentile of the time from the submission
 * until an agent has the job, the longest, and the 99th percentile of a write with
 * fsync in DIRECTORY, done between the jobs, all in milliseconds; by how many bytes the
 * proportional memory of the process PID has grown for each held request; and how many
 * answers were wrong.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256
#define JOBS_MAX 100000
#define WAIT_S 50 /* that an agent asks for */
#define LOST_MS 5000 /* after which a job is given up */
#define PAGE 4096

struct agent {
	int fd;
	unsigned number;
	size_t len;
	char buf[2048];
};

static struct agent *agents, submitter;
static int poll_fd, sync_fd;
static unsigned port, n_agents;
static unsigned long wrong;
static struct agent *served; /* has got the job that runs; NULL: none has */
static bool submitted; /* and its submitter an answer */

static double
now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
open_connection(struct agent *a)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET,
	    .sin_port = htons((unsigned short)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = a};
	int one = 1;

	a->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (a->fd == -1 ||
	    connect(a->fd, (struct sockaddr *)&to, sizeof(to)) == -1 ||
	    setsockopt(a->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ==
		-1 ||
	    fcntl(a->fd, F_SETFL, O_NONBLOCK) == -1 ||
	    epoll_ctl(poll_fd, EPOLL_CTL_ADD, a->fd, &ev) == -1)
		die("connect");
}

static void
send_text(struct agent *a, const char *text, int n)
{
	a->len = 0;
	if (write(a->fd, text, (size_t)n) != n)
		wrong++;
}

/* The agents of each run have names of their own: those of the last one have given no
 * sign of their jobs and would be offered them again. */
static void
ask(struct agent *a)
{
	char text[512];

	send_text(a, text,
	    snprintf(text, sizeof(text),
		"GET /v1/job?queue=own%u&queue=pool HTTP/1.1\r\n"
		"Host: localhost\r\nCookie: agent_name=agent%d.%u\r\n"
		"Prefer: wait=%d\r\n\r\n",
		a->number, (int)getpid(), a->number, WAIT_S));
}

static void
submit(const char *queue)
{
	char body[128], text[512];
	int n;

	n = snprintf(body, sizeof(body),
	    "{\"job_queue\":\"%s\",\"test_data\":{}}", queue);
	send_text(&submitter, text,
	    snprintf(text, sizeof(text),
		"POST /v1/job HTTP/1.1\r\nHost: localhost\r\n"
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
		"%s",
		n, body));
}

/* The status of a whole answer, or 0 while it is not whole. */
static int
status_of(const struct agent *a)
{
	const char *end = strstr(a->buf, "\r\n\r\n"), *length;
	int status;

	if (end == NULL)
		return 0;
	status = atoi(a->buf + 9);
	if (status == 204)
		return status;
	length = strcasestr(a->buf, "\r\nContent-Length:");
	if (length == NULL || length > end)
		return 500;
	return a->len < (size_t)(end + 4 - a->buf) +
			    strtoul(length + 17, NULL, 10)
		   ? 0
		   : status;
}

static void
receive(struct agent *a)
{
	ssize_t n = read(a->fd, a->buf + a->len, sizeof(a->buf) - 1 - a->len);
	int status;

	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0) {
		wrong++;
		(void)close(a->fd);
		open_connection(a);
		if (a != &submitter)
			ask(a);
		return;
	}
	a->len += (size_t)n;
	a->buf[a->len] = '\0';
	if ((status = status_of(a)) == 0)
		return;
	if (a == &submitter) {
		submitted = true;
		wrong += status != 200;
	} else if (status == 200) {
		wrong += served != NULL;
		served = a;
	} else {
		wrong += status != 204;
		ask(a);
	}
}

static void
wait_events(int ms)
{
	struct epoll_event events[EVENTS];
	int i, n = epoll_wait(poll_fd, events, EVENTS, ms);

	for (i = 0; i < n; i++)
		receive(events[i].data.ptr);
}

/* Until the job that was submitted has come to somebody; how long it took. */
static double
hand_out(const char *queue)
{
	double begun = now_ms(), came = 0;

	served = NULL;
	submitted = false;
	submit(queue);
	while ((served == NULL || !submitted) && now_ms() < begun + LOST_MS) {
		wait_events(100);
		if (served != NULL && came == 0)
			came = now_ms();
	}
	if (served == NULL || !submitted) {
		wrong++;
		return LOST_MS;
	}
	ask(served);
	return came - begun;
}

static double
one_fsync(void)
{
	static char page[PAGE];
	double begun = now_ms();

	page[0]++;
	if (write(sync_fd, page, PAGE) != PAGE || fsync(sync_fd) == -1)
		die("fsync");
	return now_ms() - begun;
}

static long
memory_of(const char *pid)
{
	char line[256];
	long kib = -1;
	FILE *f;

	(void)snprintf(line, sizeof(line), "/proc/%s/smaps_rollup", pid);
	if ((f = fopen(line, "r")) == NULL)
		die(line);
	while (kib == -1 && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Pss: %ld", &kib) != 1)
			kib = -1;
	(void)fclose(f);
	return kib * 1024;
}

static int
by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void
hold_all(void)
{
	double until;
	unsigned i;

	for (i = 0; i < n_agents; i++) {
		agents[i].number = i;
		open_connection(&agents[i]);
		ask(&agents[i]);
		wait_events(0);
	}
	/* Those that came last, too. */
	for (until = now_ms() + 1500; now_ms() < until;)
		wait_events(50);
}

int
main(int argc, char **argv)
{
	static double took[JOBS_MAX], synced[JOBS_MAX];
	struct rlimit files;
	char queue[64];
	unsigned jobs, i;
	double until;
	long before, grown;

	if (argc != 6) {
		(void)fprintf(
		    stderr, "usage: held PORT AGENTS JOBS DIRECTORY PID\n");
		return 2;
	}
	port = (unsigned)atoi(argv[1]);
	n_agents = (unsigned)atoi(argv[2]);
	jobs = (unsigned)atoi(argv[3]);
	jobs = jobs < JOBS_MAX ? jobs : JOBS_MAX;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	agents = calloc(n_agents, sizeof(*agents));
	poll_fd = epoll_create1(0);
	if (chdir(argv[4]) == -1)
		die(argv[4]);
	sync_fd = open("synced", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (agents == NULL || poll_fd == -1 || sync_fd == -1)
		die("start");
	open_connection(&submitter);
	before = memory_of(argv[5]);
	hold_all();
	grown = memory_of(argv[5]) - before;
	for (i = 0; i < jobs; i++) {
		(void)snprintf(
		    queue, sizeof(queue), "own%u", (unsigned)rand() % n_agents);
		took[i] = hand_out(i % 2 == 0 ? "pool" : queue);
		synced[i] = one_fsync();
		for (until = now_ms() + 5; now_ms() < until;)
			wait_events(1);
	}
	(void)unlink("synced");
	qsort(took, jobs, sizeof(*took), by_size);
	qsort(synced, jobs, sizeof(*synced), by_size);
	printf("%.2f %.2f %.2f %.2f %ld %lu\n", took[jobs / 2],
	    took[(jobs - 1) * 99 / 100], took[jobs - 1],
	    synced[(jobs - 1) * 99 / 100], grown / (long)n_agents, wrong);
	return 0;
}
