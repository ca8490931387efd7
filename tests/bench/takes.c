/*
 * Jobs taken while the number of those that wait stays about the same: bursts of polls,
 * which are timed, and after each burst as many submissions, which are not.
 *
 *   takes PORT CONNECTIONS QUEUES BURST SECONDS RUN
 *
 * A poll asks for ASKED of QUEUES by chance, for an agent who has no job yet.  Goes on until
 * the bursts have taken SECONDS together.  Prints one line: jobs taken for each second, jobs
 * taken, and how many answers were wrong.
 */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ASKED 20
#define CONNECTIONS_MAX 1024

static unsigned port, queues, burst, n_connections;
static unsigned handed; /* of the burst */
static const char *run;
static double least_s, taking_s, begun;
static unsigned long taken, wrong;
static bool done;
static pthread_barrier_t barrier;

static double
now_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int
connection(void)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET,
	    .sin_port = htons((unsigned short)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd == -1 || connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == -1) {
		perror("takes: connect");
		exit(EXIT_FAILURE);
	}
	return fd;
}

/* Whether a whole answer stands in the text. */
static bool
is_whole(const char *text, size_t len)
{
	const char *end = strstr(text, "\r\n\r\n");
	const char *length = strcasestr(text, "\r\nContent-Length:");

	if (end == NULL || length == NULL || length > end)
		return false;
	return len >= (size_t)(end + 4 - text) + strtoul(length + 17, NULL, 10);
}

/* Send it; the status of the answer, 0: there was none. */
static int
call(int fd, const char *text, int n)
{
	char in[4096] = "";
	size_t len = 0;
	ssize_t got;

	if (write(fd, text, (size_t)n) != n)
		return 0;
	do {
		got = read(fd, in + len, sizeof(in) - 1 - len);
		if (got <= 0)
			return 0;
		len += (size_t)got;
		in[len] = '\0';
		if (strncmp(in, "HTTP/1.1 204", 12) == 0)
			return 204;
	} while (!is_whole(in, len));
	return atoi(in + 9);
}

static int
take(int fd, unsigned *seed, unsigned connection_number, unsigned long number)
{
	char text[1024];
	int n, i;

	n = snprintf(text, sizeof(text), "GET /v1/job?agent=b%s-%u-%lu", run,
	    connection_number, number);
	for (i = 0; i < ASKED; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "&queue=q%u",
		    (unsigned)rand_r(seed) % queues);
	n += snprintf(text + n, sizeof(text) - (size_t)n,
	    " HTTP/1.1\r\nHost: localhost\r\n\r\n");
	return call(fd, text, n);
}

static int
submit(int fd, unsigned *seed)
{
	char body[128], text[512];
	int n;

	n = snprintf(body, sizeof(body),
	    "{ \"job_queue\": \"q%u\", \"option\":\"foo\" }",
	    (unsigned)rand_r(seed) % queues);
	n = snprintf(text, sizeof(text),
	    "POST /v1/job HTTP/1.1\r\nHost: localhost\r\n"
	    "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
	    n, body);
	return call(fd, text, n);
}

/* Whether there is another one to do in this half, which is the caller's then. */
static bool
is_mine(void)
{
	return __atomic_fetch_add(&handed, 1, __ATOMIC_SEQ_CST) < burst;
}

static void
note_wrong(void)
{
	(void)__atomic_fetch_add(&wrong, 1, __ATOMIC_SEQ_CST);
}

/* All come here after each half of a round; the last to come does the sums. */
static void
meet(bool took)
{
	if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
		if (took)
			taking_s += now_s() - begun;
		done = taking_s >= least_s || wrong > 0;
		handed = 0;
		begun = now_s();
	}
	(void)pthread_barrier_wait(&barrier);
}

static void *
work(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg,
		 seed = me + (unsigned)time(NULL);
	unsigned long number = 0, jobs = 0;
	int fd = connection(), status;

	meet(false);
	do {
		for (; is_mine(); jobs++) {
			/* Twenty queues by chance may be empty. */
			do
				status = take(fd, &seed, me, number++);
			while (status == 204);
			if (status != 200)
				note_wrong();
		}
		meet(true);
		while (is_mine())
			if (submit(fd, &seed) != 200)
				note_wrong();
		meet(false);
	} while (!done);
	(void)__atomic_fetch_add(&taken, jobs, __ATOMIC_SEQ_CST);
	(void)close(fd);
	return NULL;
}

int
main(int argc, char **argv)
{
	static pthread_t threads[CONNECTIONS_MAX];
	unsigned i;

	if (argc != 7)
		return EXIT_FAILURE;
	port = (unsigned)atoi(argv[1]);
	n_connections = (unsigned)atoi(argv[2]);
	queues = (unsigned)atoi(argv[3]);
	burst = (unsigned)atoi(argv[4]);
	least_s = atof(argv[5]);
	run = argv[6];
	if (queues == 0 || n_connections == 0 ||
	    n_connections > CONNECTIONS_MAX || burst < n_connections ||
	    pthread_barrier_init(&barrier, NULL, n_connections) != 0)
		return EXIT_FAILURE;
	for (i = 0; i < n_connections; i++)
		if (pthread_create(
			&threads[i], NULL, work, (void *)(uintptr_t)i) != 0)
			return EXIT_FAILURE;
	for (i = 0; i < n_connections; i++)
		(void)pthread_join(threads[i], NULL);
	(void)printf("%.1f %lu %lu\n", (double)taken / taking_s, taken, wrong);
	return EXIT_SUCCESS;
}
