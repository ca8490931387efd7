/*
 * Each place has an epoll set of its own, on the socket exclusively, so that a connection wakes
 * one thread; the drain wakes them all.  Nobody closes the socket, which the next process goes
 * on with.
 */

#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "clock.h"
#include "gate.h"
#include "log.h"

#define PLACES_MIN 8
#define PLACES_MAX 32
#define SHORTAGE_PAUSE_MS 100
#define SHORTAGE_TOLD_MS 10000

static atomic_int spare_fd = -1;

struct listener {
	int drain_fd;
	struct gate *gate;
	int sets[PLACES_MAX]; /* of epoll, one for each place */
	unsigned n_places;
};

void
listener_keep_spare(void)
{
	int none = -1, fd;

	if (atomic_load(&spare_fd) != -1)
		return;
	fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (fd != -1 && !atomic_compare_exchange_strong(&spare_fd, &none, fd))
		(void)close(fd);
}

bool
listener_short_of_files(void)
{
	return atomic_load(&spare_fd) == -1;
}

/* An epoll set that wakes a thread for a connection or for the drain. */
static int
wait_set(int drain_fd)
{
	struct epoll_event conn = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	struct epoll_event drain = {.events = EPOLLIN};
	int ep;

	ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep == -1)
		return -1;
	if (epoll_ctl(ep, EPOLL_CTL_ADD, STDIN_FILENO, &conn) == -1 ||
	    epoll_ctl(ep, EPOLL_CTL_ADD, drain_fd, &drain) == -1) {
		(void)close(ep);
		return -1;
	}
	return ep;
}

/* Now and then, for it may last. */
static void
tell_shortage(int error)
{
	static _Atomic int64_t told_ms;
	int64_t now = clock_mono_ms(), last = atomic_load(&told_ms);

	if ((last == 0 || now - last >= SHORTAGE_TOLD_MS) &&
	    atomic_compare_exchange_strong(&told_ms, &last, now))
		log_error("cannot accept: %s", strerror(error));
}

static bool
accept_request(const struct listener *l, FCGX_Request *fr)
{
	struct pollfd drain = {.fd = l->drain_fd, .events = POLLIN};
	int rc = FCGX_Accept_r(fr), fd;

	if (rc >= 0)
		return true;
	if (rc != -EMFILE && rc != -ENFILE && rc != -ENOBUFS && rc != -ENOMEM)
		return false;
	tell_shortage(-rc);
	/* One at a time is answered all the same, instead of none. */
	fd = atomic_exchange(&spare_fd, -1);
	if (fd != -1) {
		(void)close(fd);
		if (FCGX_Accept_r(fr) >= 0)
			return true;
		listener_keep_spare();
	}
	(void)poll(&drain, 1, SHORTAGE_PAUSE_MS);
	return false;
}

bool
listener_wait(struct listener *l)
{
	struct epoll_event ev;
	int place;

	while ((place = gate_enter(l->gate)) != -1)
		if (epoll_wait(l->sets[place], &ev, 1, -1) > 0)
			return true;
	return false;
}

bool
listener_accept(struct listener *l, FCGX_Request *fr)
{
	return gate_enter(l->gate) != -1 && accept_request(l, fr);
}

/* A few for each processor: one may wait for the disk while it reads. */
static bool
make_places(struct listener *l)
{
	long n = 4 * sysconf(_SC_NPROCESSORS_ONLN);

	if (n < PLACES_MIN)
		n = PLACES_MIN;
	if (n > PLACES_MAX)
		n = PLACES_MAX;
	for (l->n_places = 0; l->n_places < (unsigned)n; l->n_places++)
		if ((l->sets[l->n_places] = wait_set(l->drain_fd)) == -1)
			break;
	l->gate = gate_new(l->n_places);
	return l->gate != NULL && l->n_places == (unsigned)n;
}

struct listener *
listener_new(int drain_fd)
{
	struct listener *l = calloc(1, sizeof(*l));

	if (l != NULL) {
		l->drain_fd = drain_fd;
		if (make_places(l))
			return l;
	}
	log_errno("cannot wait for requests");
	listener_free(l);
	return NULL;
}

void
listener_free(struct listener *l)
{
	if (l == NULL)
		return;
	while (l->n_places > 0)
		(void)close(l->sets[--l->n_places]);
	gate_free(l->gate);
	free(l);
}

void
listener_close(struct listener *l)
{
	gate_close(l->gate);
}

bool
listener_prepare(const char *name)
{
	int flags;

	if (FCGX_IsCGI()) {
		log_error("fd 0 is no listening socket: start %s with "
			  "spawn-fcgi, as spawn/up does",
		    name);
		return false;
	}
	listener_keep_spare();
	flags = fcntl(STDIN_FILENO, F_GETFL);
	if (flags == -1 ||
	    fcntl(STDIN_FILENO, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    FCGX_Init() != 0) {
		log_errno("cannot use the socket on fd 0");
		return false;
	}
	return true;
}
