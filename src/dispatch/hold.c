/*
 * Counts and two lists under a lock, with an eventfd that tells of them: no worker and no
 * taker waits for the keeper.
 */

#include "hold.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "agent.h"
#include "app.h"
#include "clock.h"
#include "hold_reply.h"
#include "listener.h"
#include "log.h"
#include "parked.h"

static struct {
	int kick_fd; /* there is something in a list */
	size_t most;
	atomic_size_t held;
	atomic_uint generation;
	pthread_mutex_t mutex; /* of everything below */
	struct parked_list arrived, back;
	bool closed; /* nothing more is held */
} hold = {
    .kick_fd = -1,
    .mutex = PTHREAD_MUTEX_INITIALIZER,
};

unsigned
hold_generation(void)
{
	return atomic_load(&hold.generation);
}

static void
kick(void)
{
	uint64_t one = 1;

	if (write(hold.kick_fd, &one, sizeof(one)) != sizeof(one))
		log_errno("cannot wake the thread that holds requests");
}

/* --- from the workers */

static struct parked *
new_parked(struct req *r, const struct hold_poll *poll)
{
	struct parked *p = parked_new(poll->agent, poll->queues, poll->n);

	if (p == NULL)
		return NULL;
	if (r->caller.client_id != NULL &&
	    (p->client = strdup(r->caller.client_id)) == NULL) {
		parked_free(NULL, p);
		return NULL;
	}
	if (r->cause.connection != NULL)
		(void)snprintf(p->connection, sizeof(p->connection), "%s",
		    r->cause.connection);
	p->applied_s = poll->applied_s;
	p->until_ms = clock_mono_ms() + poll->wait_s * 1000;
	p->generation = poll->generation;
	(void)snprintf(p->request_id, sizeof(p->request_id), "%s", req_id(r));
	return p;
}

bool
hold_request(struct svc *svc, struct req *r, const struct hold_poll *poll)
{
	struct parked *p = NULL;
	bool closed, off = true;

	if (listener_short_of_files() ||
	    agent_is_off(svc, poll->agent, &off) != ERR_OK || off)
		return false;
	if (atomic_fetch_add(&hold.held, 1) >= hold.most || app_stopping() ||
	    (p = new_parked(r, poll)) == NULL || !req_detach(r, &p->conn)) {
		(void)atomic_fetch_sub(&hold.held, 1);
		if (p != NULL)
			parked_free(NULL, p);
		return false;
	}
	(void)pthread_mutex_lock(&hold.mutex);
	closed = hold.closed;
	if (!closed) {
		parked_append(&hold.arrived, p);
		kick();
	}
	(void)pthread_mutex_unlock(&hold.mutex);
	if (closed) {
		hold_reply_none(p, r->arena);
		parked_free(NULL, p);
	}
	return true;
}

/* --- for those who keep them */

bool
hold_open(size_t most)
{
	hold.most = most;
	hold.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return hold.kick_fd != -1;
}

int
hold_fd(void)
{
	return hold.kick_fd;
}

void
hold_take_in(struct parked_list *arrived, struct parked_list *back)
{
	uint64_t n;

	if (read(hold.kick_fd, &n, sizeof(n)) == -1 && errno != EAGAIN)
		log_errno("eventfd");
	(void)pthread_mutex_lock(&hold.mutex);
	*arrived = hold.arrived;
	*back = hold.back;
	hold.arrived.first = hold.back.first = NULL;
	(void)pthread_mutex_unlock(&hold.mutex);
}

void
hold_back(struct parked *p)
{
	(void)pthread_mutex_lock(&hold.mutex);
	parked_append(&hold.back, p);
	kick();
	(void)pthread_mutex_unlock(&hold.mutex);
}

void
hold_heard(void)
{
	(void)atomic_fetch_add(&hold.generation, 1);
}

void
hold_gone(void)
{
	(void)atomic_fetch_sub(&hold.held, 1);
}

void
hold_close(void)
{
	(void)pthread_mutex_lock(&hold.mutex);
	hold.closed = true;
	(void)pthread_mutex_unlock(&hold.mutex);
}
