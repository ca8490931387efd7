/*
 * As many idle agents as told, each with a connection of its own, as the field's
 * agents behave: seven requests one after the other, then REST seconds of rest, ten at most.
 *
 *   agents PORT AGENTS SECONDS REST
 *
 * They register within the first rest, or as many of its length as are needed, evenly;
 * when all have come back, SECONDS are measured, and one line is printed: requests per
 * second, the median and the 99th percentile of the time to an answer, the longest, in
 * milliseconds, and how many answers were wrong.  The time of a cycle's first request runs from when it was due, so that
 * a load generator or a server that is late shows.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define REST_MAX_S 10
#define SLOTS 16384 /* of a millisecond each, more than REST_MAX_S */
#define PER_SECOND 500 /* the most agents that begin in one second */
#define EVENTS 512
#define BUCKETS 100000 /* of a tenth of a millisecond */
#define REQUESTS 9 /* two at the start, seven for ever */
#define FIRST_IDLE 2

struct agent {
	int fd;
	unsigned number;
	unsigned turn; /* of REQUESTS */
	int64_t due_us; /* when the request that runs should have gone out */
	struct agent *next; /* in its slot */
	size_t len;
	char buf[2048];
};

static struct agent *agents;
static struct agent *slots[SLOTS];
static unsigned buckets[BUCKETS];
static uint64_t answers, wrong;
static double longest;
static int64_t measure_from, measure_to;
static int64_t rest_us;
static int poll_fd;
static unsigned port;

static int64_t
now_us(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void
die(const char *what)
{
	perror(what);
	exit(1);
}

static void
schedule(struct agent *a, int64_t at_us)
{
	struct agent **slot = &slots[at_us / 1000 % SLOTS];

	a->due_us = at_us;
	a->next = *slot;
	*slot = a;
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

static int
request(const struct agent *a, char *out, size_t size)
{
	static const char common[] =
	    "Host: localhost\r\nUser-Agent: python-requests/2.33.0\r\n"
	    "Accept-Encoding: gzip, deflate\r\nAccept: */*\r\n"
	    "Connection: keep-alive\r\n";
	char cookie[64], body[256], line[128];
	unsigned n = a->number;

	body[0] = '\0';
	(void)snprintf(
	    cookie, sizeof(cookie), "Cookie: agent_name=agent%u\r\n", n);
	switch (a->turn) {
	case 0:
		(void)snprintf(
		    line, sizeof(line), "/v1/agents/data/agent%u", n);
		(void)snprintf(body, sizeof(body),
		    "{\"state\": \"waiting\", \"comment\": \"\", \"queues\": "
		    "[\"idle%u\", \"pool\"], \"location\": \"rack %u\", "
		    "\"provision_type\": \"maas2\"}",
		    n, n / 40);
		break;
	case 1:
	case FIRST_IDLE + 2:
		(void)snprintf(line, sizeof(line), "/v1/agents/queues");
		(void)snprintf(body, sizeof(body),
		    "{\"idle%u\": \"the queue of agent %u\"}", n, n);
		break;
	case FIRST_IDLE:
		(void)snprintf(line, sizeof(line), "/v1");
		break;
	case FIRST_IDLE + 6:
		(void)snprintf(line, sizeof(line),
		    "/v1/job?queue=idle%u&queue=pool&wait=0", n);
		break;
	default:
		(void)snprintf(
		    line, sizeof(line), "/v1/agents/data/agent%u", n);
	}
	if (a->turn == 0)
		cookie[0] = '\0';
	if (body[0] == '\0')
		return snprintf(out, size, "GET %s HTTP/1.1\r\n%s%s\r\n", line,
		    common, cookie);
	return snprintf(out, size,
	    "POST %s HTTP/1.1\r\n%s%sContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\n\r\n%s",
	    line, common, cookie, strlen(body), body);
}

static void
send_request(struct agent *a)
{
	char text[1024];
	int n = request(a, text, sizeof(text));

	a->len = 0;
	if (write(a->fd, text, (size_t)n) != n)
		wrong++;
}

/* The whole answer has come: 0, or what was wrong with it, or -1: not yet. */
static int
judge(const struct agent *a)
{
	const char *end = strstr(a->buf, "\r\n\r\n"), *length;
	int status;

	if (end == NULL)
		return a->len == sizeof(a->buf) - 1 ? 1 : -1;
	status = atoi(a->buf + 9);
	if (a->turn == FIRST_IDLE + 6)
		return status != 204;
	length = strcasestr(a->buf, "\r\nContent-Length:");
	if (length == NULL || length > end)
		return 1;
	if (a->len <
	    (size_t)(end + 4 - a->buf) + strtoul(length + 17, NULL, 10))
		return -1;
	return status != 200;
}

static void
count(const struct agent *a, int64_t now)
{
	double ms = (double)(now - a->due_us) / 1000;
	size_t bucket = (size_t)(ms * 10);

	if (a->due_us < measure_from || a->due_us >= measure_to)
		return;
	answers++;
	buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
	if (ms > longest)
		longest = ms;
}

static void
receive(struct agent *a)
{
	ssize_t n = read(a->fd, a->buf + a->len, sizeof(a->buf) - 1 - a->len);
	int64_t now = now_us();
	int verdict;

	if (n == -1 && errno == EAGAIN)
		return;
	if (n > 0) {
		a->len += (size_t)n;
		a->buf[a->len] = '\0';
		if ((verdict = judge(a)) == -1)
			return;
		wrong += (unsigned)verdict;
		count(a, now);
	} else {
		wrong++;
		(void)close(a->fd);
		open_connection(a);
	}
	if (++a->turn == REQUESTS) {
		a->turn = FIRST_IDLE;
		schedule(a, now + rest_us);
		return;
	}
	a->due_us = now;
	send_request(a);
}

/* Begin the cycles that are due by now. */
static void
begin_due(int64_t *done_ms, int64_t now)
{
	struct agent *a, *next;

	for (; *done_ms < now / 1000; (*done_ms)++) {
		a = slots[*done_ms % SLOTS];
		slots[*done_ms % SLOTS] = NULL;
		for (; a != NULL; a = next) {
			next = a->next;
			if (a->fd == -1)
				open_connection(a);
			send_request(a);
		}
	}
}

static double
percentile(double p)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < BUCKETS; i++) {
		sum += buckets[i];
		if ((double)sum >= (double)answers * p / 100)
			break;
	}
	return (double)(i + 1) / 10;
}

static void
run(unsigned n, int64_t begun, int64_t ramp_us)
{
	struct epoll_event events[EVENTS];
	int64_t done_ms = begun / 1000, now = begun;
	unsigned started = 0;
	int i, k;

	while (now < measure_to + 1000000) {
		while (started < n && begun + started * ramp_us / n <= now)
			schedule(&agents[started++], now + 1000);
		begin_due(&done_ms, now);
		k = epoll_wait(poll_fd, events, EVENTS, 1);
		for (i = 0; i < k; i++)
			receive(events[i].data.ptr);
		now = now_us();
	}
}

int
main(int argc, char **argv)
{
	struct rlimit files;
	unsigned n, i, rest_s;
	int64_t begun, ramp;

	rest_s = argc == 5 ? (unsigned)atoi(argv[4]) : 0;
	if (rest_s == 0 || rest_s > REST_MAX_S) {
		(void)fprintf(
		    stderr, "usage: agents PORT AGENTS SECONDS REST\n");
		return 2;
	}
	rest_us = (int64_t)rest_s * 1000000;
	port = (unsigned)atoi(argv[1]);
	n = (unsigned)atoi(argv[2]);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	agents = calloc(n, sizeof(*agents));
	poll_fd = epoll_create1(0);
	if (agents == NULL || poll_fd == -1)
		die("start");
	for (i = 0; i < n; i++) {
		agents[i].number = i;
		agents[i].fd = -1;
	}
	/* Whole rests, so that at any time as many are at work. */
	begun = now_us();
	ramp = (n / PER_SECOND / rest_s + 1) * rest_us;
	measure_from = begun + ramp + rest_us;
	measure_to = measure_from + (int64_t)atoi(argv[3]) * 1000000;
	run(n, begun, ramp);
	printf("%.1f %.1f %.1f %.1f %llu\n", (double)answers / atoi(argv[3]),
	    percentile(50), percentile(99), longest, (unsigned long long)wrong);
	return 0;
}
