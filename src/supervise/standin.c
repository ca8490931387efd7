/*
 * A connection is read until its request begins, answered, and then read on, to
 * nowhere, until the web server hangs up, which it does once it has the answer.
 * For what lies unread when a Unix socket is closed is an error at the other end,
 * which might then not read the answer.
 */

#include "standin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "fcgi_record.h"
#include "log.h"

#define BEGIN_MS 5000 /* by then a connection has told its request */
#define HANG_UP_MS 10000 /* and so long after its answer it is over */
#define BYTES_MAX ((size_t)64 << 20) /* of one connection */
#define ACCEPT_MAX 64 /* in one turn */
#define PAUSE_MS 100 /* after an accept that failed for want of something */

#define BODY "{\"detail\":{},\"message\":\"" ERR_UNAVAILABLE "\"}\n"

struct conn {
	int fd;
	bool answered;
	int64_t until_ms;
	size_t bytes;
	struct fcgi_record_scan scan;
};

struct standin {
	int fd; /* listens */
	int64_t pause_ms; /* no accept before */
	bool told; /* that it failed */
	unsigned answered;
	unsigned n;
	struct conn conns[STANDIN_CONNS];
	unsigned char buf[65536]; /* what was read last */
};

struct standin *
standin_new(int fd)
{
	socklen_t len = sizeof(int);
	struct standin *s;
	int listens = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == -1 ||
	    listens == 0)
		return NULL;
	s = calloc(1, sizeof(*s));
	if (s != NULL)
		s->fd = fd;
	return s;
}

void
standin_free(struct standin *s)
{
	if (s == NULL)
		return;
	while (s->n > 0)
		(void)close(s->conns[--s->n].fd);
	free(s);
}

unsigned
standin_fds(struct standin *s, bool accept, struct pollfd fds[STANDIN_FDS])
{
	unsigned i;

	accept =
	    accept && s->n < STANDIN_CONNS && s->pause_ms <= clock_mono_ms();
	fds[0] = (struct pollfd){.fd = accept ? s->fd : -1, .events = POLLIN};
	for (i = 0; i < s->n; i++)
		fds[1 + i] =
		    (struct pollfd){.fd = s->conns[i].fd, .events = POLLIN};
	return 1 + s->n;
}

int64_t
standin_due_ms(const struct standin *s)
{
	int64_t due = INT64_MAX, now = clock_mono_ms();
	unsigned i;

	if (s->pause_ms > now)
		due = s->pause_ms;
	for (i = 0; i < s->n; i++)
		if (s->conns[i].until_ms < due)
			due = s->conns[i].until_ms;
	return due;
}

/* There is room for it in each socket that is not spoilt: nobody is waited for. */
static bool
answer(struct standin *s, struct conn *c)
{
	unsigned char out[512];
	char *text = (char *)out + FCGI_RECORD_HEAD;
	size_t n;

	n = (size_t)snprintf(text,
	    sizeof(out) - FCGI_RECORD_HEAD - FCGI_RECORD_TAIL,
	    "Status: 503 Service Unavailable\r\n"
	    "Content-Type: application/json\r\n"
	    "Content-Length: %zu\r\n"
	    "Retry-After: %d\r\n\r\n" BODY,
	    sizeof(BODY) - 1, ERR_RETRY_AFTER_S);
	fcgi_record_stdout(out, c->scan.request, n, 0);
	fcgi_record_tail(out + FCGI_RECORD_HEAD + n, c->scan.request);
	n += FCGI_RECORD_HEAD + FCGI_RECORD_TAIL;
	if (send(c->fd, out, n, MSG_NOSIGNAL) != (ssize_t)n ||
	    shutdown(c->fd, SHUT_WR) == -1)
		return false;
	c->answered = true;
	c->until_ms = clock_mono_ms() + HANG_UP_MS;
	s->answered++;
	return true;
}

/* One piece of what a connection says; false: it is over. */
static bool
hear(struct standin *s, struct conn *c)
{
	ssize_t n = recv(c->fd, s->buf, sizeof(s->buf), 0);

	if (n == -1)
		return errno == EAGAIN || errno == EINTR;
	c->bytes += (size_t)n;
	if (n == 0 || c->bytes > BYTES_MAX)
		return false;
	if (c->answered)
		return true;
	switch (fcgi_record_scan(&c->scan, s->buf, (size_t)n)) {
	case FCGI_RECORD_MORE:
		return true;
	case FCGI_RECORD_BEGUN:
		return answer(s, c);
	default:
		return false;
	}
}

/* Another process may have been faster; and what is short now will not always be. */
static void
accept_failed(struct standin *s)
{
	if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
		return;
	s->pause_ms = clock_mono_ms() + PAUSE_MS;
	if (!s->told)
		log_errno("cannot accept");
	s->told = true;
}

static void
accept_some(struct standin *s)
{
	int flags = fcntl(s->fd, F_GETFL), fd, i;

	if (flags == -1 || fcntl(s->fd, F_SETFL, flags | O_NONBLOCK) == -1) {
		accept_failed(s);
		return;
	}
	for (i = 0; i < ACCEPT_MAX && s->n < STANDIN_CONNS; i++) {
		fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1) {
			accept_failed(s);
			return;
		}
		s->told = false;
		s->conns[s->n++] = (struct conn){
		    .fd = fd, .until_ms = clock_mono_ms() + BEGIN_MS};
	}
}

void
standin_turn(struct standin *s, const struct pollfd *fds)
{
	int64_t now = clock_mono_ms();
	struct conn *c;
	unsigned i;

	/* From the last on: the place of one that is over goes to one behind it. */
	for (i = s->n; i-- > 0;) {
		c = &s->conns[i];
		if ((fds[1 + i].revents == 0 || hear(s, c)) &&
		    c->until_ms > now)
			continue;
		(void)close(c->fd);
		*c = s->conns[--s->n];
	}
	if (fds[0].revents != 0)
		accept_some(s);
}

unsigned
standin_answered(const struct standin *s)
{
	return s->answered;
}
