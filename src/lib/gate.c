/* Places in a stack, waiting threads in a stack. */

#include "gate.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define NOWHERE (-1)

struct waiter {
	struct waiter *next;
	pthread_cond_t called;
	int place;
};

struct gate {
	pthread_mutex_t lock;
	struct waiter *waiting;
	bool closed;
	unsigned n_free;
	int free[];
};

static _Thread_local struct gate *inside;
static _Thread_local int held = NOWHERE;
static _Thread_local struct waiter self;

struct gate *
gate_new(unsigned n)
{
	struct gate *g = malloc(sizeof(*g) + n * sizeof(g->free[0]));
	unsigned i;

	if (g == NULL)
		return NULL;
	(void)pthread_mutex_init(&g->lock, NULL);
	g->waiting = NULL;
	g->closed = false;
	g->n_free = n;
	for (i = 0; i < n; i++)
		g->free[i] = (int)(n - 1 - i);
	return g;
}

void
gate_free(struct gate *g)
{
	if (g == NULL)
		return;
	(void)pthread_mutex_destroy(&g->lock);
	free(g);
}

/* With the lock held: until somebody calls. */
static int
wait_for_call(struct gate *g)
{
	(void)pthread_cond_init(&self.called, NULL);
	self.place = NOWHERE;
	self.next = g->waiting;
	g->waiting = &self;
	while (self.place == NOWHERE && !g->closed)
		(void)pthread_cond_wait(&self.called, &g->lock);
	(void)pthread_cond_destroy(&self.called);
	return self.place;
}

int
gate_enter(struct gate *g)
{
	if (held != NOWHERE)
		return held;
	(void)pthread_mutex_lock(&g->lock);
	if (g->closed)
		held = NOWHERE;
	else if (g->n_free > 0)
		held = g->free[--g->n_free];
	else
		held = wait_for_call(g);
	inside = g;
	(void)pthread_mutex_unlock(&g->lock);
	return held;
}

void
gate_leave(void)
{
	struct gate *g = inside;
	struct waiter *w;

	if (held == NOWHERE)
		return;
	(void)pthread_mutex_lock(&g->lock);
	w = g->waiting;
	if (w != NULL && !g->closed) {
		g->waiting = w->next;
		w->place = held;
		(void)pthread_cond_signal(&w->called);
	} else {
		g->free[g->n_free++] = held;
	}
	(void)pthread_mutex_unlock(&g->lock);
	held = NOWHERE;
}

void
gate_close(struct gate *g)
{
	struct waiter *w;

	(void)pthread_mutex_lock(&g->lock);
	g->closed = true;
	for (w = g->waiting; w != NULL; w = w->next)
		(void)pthread_cond_signal(&w->called);
	(void)pthread_mutex_unlock(&g->lock);
}
