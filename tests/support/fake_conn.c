/* Connections and the thread that polls them.  It lets go of the lock only meanwhile. */

#include "fake_conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_methods.h"
#include "fake_publish.h"

/* At once, though the thread may hold it in its poll. */
static void
close_socket(int fd)
{
	(void)shutdown(fd, SHUT_RDWR);
	(void)close(fd);
}

void
fake_conn_end(struct fake_broker *b, struct fake_conn *c)
{
	if (c->fd == -1)
		return;
	close_socket(c->fd);
	fake_queues_put_back(&b->queues, c->number);
	wire_clear(&c->in);
	wire_clear(&c->out);
	fake_publish_free(c->msg);
	b->count[FAKE_OPEN]--;
	b->count[FAKE_HELD] -= (unsigned)c->n_held;
	*c = (struct fake_conn){.fd = -1};
}

void
fake_conn_flush(struct fake_broker *b, struct fake_conn *c)
{
	ssize_t n;

	while (c->fd != -1 && c->out.len > 0) {
		n = send(
		    c->fd, c->out.p, c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			wire_drop(&c->out, (size_t)n);
		else if (errno == EAGAIN)
			return;
		else if (errno != EINTR)
			fake_conn_end(b, c);
	}
}

void
fake_conn_cut_all(struct fake_broker *b)
{
	size_t i;

	for (i = 0; i < FAKE_CONNS_MAX; i++)
		fake_conn_end(b, &b->conns[i]);
}

void
fake_conn_stop(struct fake_broker *b)
{
	if (b->listener != -1)
		close_socket(b->listener);
	b->listener = -1;
	fake_conn_cut_all(b);
}

static bool
is_publish(const uint8_t *frame)
{
	static const uint8_t publish[] = {0, 60, 0, 40};

	return frame[0] == WIRE_METHOD &&
	       memcmp(frame + WIRE_FRAME_EXTRA - 1, publish, 4) == 0;
}

/* The first frame, if it is there whole and may be read. */
static bool
next_frame(struct fake_broker *b, struct fake_conn *c)
{
	struct wire_reader r = {c->in.p, c->in.len};
	unsigned type, channel;
	size_t size;

	if (r.left < WIRE_FRAME_EXTRA)
		return false;
	type = (unsigned)wire_int(&r, 1);
	channel = (unsigned)wire_int(&r, 2);
	size = (size_t)wire_int(&r, 4);
	wire_must(
	    size <= WIRE_FRAME_MAX - WIRE_FRAME_EXTRA, "a frame too long");
	if (c->in.len < size + WIRE_FRAME_EXTRA)
		return false;
	wire_must(r.p[size] == WIRE_FRAME_END, "a frame without its end");
	if (b->blocked && is_publish(c->in.p)) {
		c->stalled = true;
		fake_methods_blocked(c);
		return false;
	}
	r.left = size;
	fake_methods_frame(b, c, type, channel, &r);
	if (c->fd == -1)
		return false;
	wire_drop(&c->in, size + WIRE_FRAME_EXTRA);
	return true;
}

void
fake_conn_input(struct fake_broker *b, struct fake_conn *c)
{
	static const uint8_t hello[8] = "AMQP\0\0\t\1";

	if (!c->greeted && c->in.len >= sizeof(hello)) {
		wire_must(memcmp(c->in.p, hello, sizeof(hello)) == 0,
		    "a client of another protocol");
		wire_drop(&c->in, sizeof(hello));
		c->greeted = true;
		wire_say(&c->out, 0, 10, 10, "11tSS", 0, 9, "PLAIN", "en_US");
	}
	while (c->greeted && next_frame(b, c))
		continue;
}

static void
read_some(struct fake_broker *b, struct fake_conn *c)
{
	uint8_t chunk[65536];
	ssize_t n = recv(c->fd, chunk, sizeof(chunk), MSG_DONTWAIT);

	if (n > 0) {
		wire_add(&c->in, chunk, (size_t)n);
		fake_conn_input(b, c);
	} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
		fake_conn_end(b, c);
	}
}

static void
welcome(struct fake_broker *b)
{
	int fd = accept4(b->listener, NULL, NULL, SOCK_CLOEXEC);
	size_t i;

	if (fd == -1)
		return;
	for (i = 0; i < FAKE_CONNS_MAX && b->conns[i].fd != -1; i++)
		continue;
	wire_must(i < FAKE_CONNS_MAX, "too many connections");
	b->conns[i].fd = fd;
	b->conns[i].number = ++b->count[FAKE_CONNECTED];
	if (++b->count[FAKE_OPEN] > b->count[FAKE_OPEN_MAX])
		b->count[FAKE_OPEN_MAX] = b->count[FAKE_OPEN];
}

/* What to wait for: the eventfd, the listener, and each connection. */
static nfds_t
fill(struct fake_broker *b, struct pollfd p[FAKE_CONNS_MAX + 2])
{
	bool deaf = b->manners == FAKE_DEAF;
	struct fake_conn *c;
	nfds_t n = 2;

	p[0] = (struct pollfd){.fd = b->wake, .events = POLLIN};
	p[1] = (struct pollfd){.fd = deaf ? -1 : b->listener, .events = POLLIN};
	for (c = b->conns; c < b->conns + FAKE_CONNS_MAX; c++) {
		p[n].fd = deaf ? -1 : c->fd;
		p[n].events = (short)((c->stalled ? 0 : POLLIN) |
				      (c->out.len > 0 ? POLLOUT : 0));
		p[n++].revents = 0;
	}
	return n;
}

/* Somebody may have closed a connection, or stopped us, during the poll. */
static void
serve_conn(struct fake_broker *b, struct fake_conn *c, const struct pollfd *p)
{
	if (p->fd == -1 || c->fd != p->fd)
		return;
	if ((p->revents & POLLIN) != 0)
		read_some(b, c);
	else if ((p->revents & (POLLHUP | POLLERR)) != 0)
		fake_conn_end(b, c);
	fake_conn_flush(b, c);
}

void *
fake_conn_serve(void *arg)
{
	struct pollfd p[FAKE_CONNS_MAX + 2];
	struct fake_broker *b = arg;
	eventfd_t value;
	nfds_t n;
	size_t i;

	(void)pthread_mutex_lock(&b->lock);
	while (!b->ending) {
		n = fill(b, p);
		(void)pthread_mutex_unlock(&b->lock);
		(void)poll(p, n, -1);
		(void)pthread_mutex_lock(&b->lock);
		if ((p[0].revents & POLLIN) != 0)
			(void)eventfd_read(b->wake, &value);
		for (i = 0; i < FAKE_CONNS_MAX && b->manners != FAKE_DEAF; i++)
			serve_conn(b, &b->conns[i], &p[i + 2]);
		if ((p[1].revents & POLLIN) != 0 && p[1].fd == b->listener)
			welcome(b);
	}
	(void)pthread_mutex_unlock(&b->lock);
	return NULL;
}

int
fake_conn_bound(int port)
{
	struct sockaddr_in a = {
	    .sin_family = AF_INET,
	    .sin_port = htons((uint16_t)port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;

	wire_must(fd != -1, "socket");
	wire_must(
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0,
	    "SO_REUSEADDR");
	wire_must(bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0, "bind");
	return fd;
}

void
fake_conn_listen(struct fake_broker *b)
{
	if (b->listener != -1)
		return;
	b->listener = fake_conn_bound(b->port);
	wire_must(listen(b->listener, FAKE_CONNS_MAX) == 0, "listen");
}
