#include "db_readers.h"

#include <pthread.h>
#include <stdlib.h>

#define READERS_MAX 64

struct db_readers {
	pthread_mutex_t mutex; /* of everything below */
	pthread_cond_t readable;
	struct db_conn *idle[READERS_MAX];
	unsigned n_idle;
};

enum err
db_readers_open(struct db_readers **out, const struct db_driver *driver,
    const char *where, unsigned n)
{
	struct db_readers *r;
	enum err e;

	r = calloc(1, sizeof(*r));
	if (r == NULL)
		return ERR_NOMEM;
	(void)pthread_mutex_init(&r->mutex, NULL);
	(void)pthread_cond_init(&r->readable, NULL);
	while (r->n_idle < n && r->n_idle < READERS_MAX) {
		e = driver->open(&r->idle[r->n_idle], where, false);
		if (e != ERR_OK) {
			db_readers_close(r);
			return e;
		}
		r->n_idle++;
	}
	*out = r;
	return ERR_OK;
}

void
db_readers_close(struct db_readers *r)
{
	struct db_conn *c;

	if (r == NULL)
		return;
	while (r->n_idle > 0) {
		c = r->idle[--r->n_idle];
		c->driver->close(c);
	}
	(void)pthread_cond_destroy(&r->readable);
	(void)pthread_mutex_destroy(&r->mutex);
	free(r);
}

struct db_conn *
db_readers_borrow(struct db_readers *r)
{
	struct db_conn *c;

	(void)pthread_mutex_lock(&r->mutex);
	while (r->n_idle == 0)
		(void)pthread_cond_wait(&r->readable, &r->mutex);
	c = r->idle[--r->n_idle];
	(void)pthread_mutex_unlock(&r->mutex);
	return c;
}

void
db_readers_return(struct db_readers *r, struct db_conn *c)
{
	(void)pthread_mutex_lock(&r->mutex);
	r->idle[r->n_idle++] = c;
	(void)pthread_cond_signal(&r->readable);
	(void)pthread_mutex_unlock(&r->mutex);
}
