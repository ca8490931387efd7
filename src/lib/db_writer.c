/*
 * Group commit.
 *
 * A change waits in a list.  The writer thread becomes the only writer of all
 * processes first, and only then takes the list: what arrives while it waits
 * for its turn, or while the disk is busy with the group before, shares the
 * next commit.
 */

#include "db_writer.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "cause.h"
#include "clock.h"
#include "gate.h"
#include "log.h"

/* Changes that nobody waits for; beyond, they are dropped. */
#define LATER_MAX 65536
#define LATER_DELAY_MS 20

enum change_state { CHANGE_WAITS, CHANGE_RUNS, CHANGE_DONE };

struct change {
	struct change *next;
	db_change fn;
	void *arg;
	enum err result;
	_Atomic enum change_state state;
	const struct cause *cause; /* of who waits; NULL: the server */
	bool later; /* on the heap; nobody waits */
	bool told; /* the log has why the group is lost by it */
	sem_t done; /* its thread need not come by the mutex again */
};

struct list {
	struct change *first;
	struct change **end;
};

struct db_writer {
	struct db_conn *conn;
	unsigned wait_ms;
	pthread_t thread;
	pthread_mutex_t mutex; /* of everything below */
	pthread_cond_t work;
	struct list waiting;
	struct list later;
	size_t n_later;
	int64_t later_since;
	bool stop;
};

static void
list_init(struct list *l)
{
	l->first = NULL;
	l->end = &l->first;
}

static void
list_append(struct list *l, struct change *c)
{
	c->next = NULL;
	*l->end = c;
	l->end = &c->next;
}

/* Move all of from to the end of l. */
static void
list_take(struct list *l, struct list *from)
{
	if (from->first == NULL)
		return;
	*l->end = from->first;
	l->end = from->end;
	list_init(from);
}

static void
list_remove(struct list *l, struct change *c)
{
	struct change **at = &l->first;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	if (l->end == &c->next)
		l->end = at;
}

static void
deadline(struct timespec *t, int64_t ms)
{
	(void)clock_gettime(CLOCK_MONOTONIC, t);
	t->tv_sec += (time_t)(ms / 1000);
	t->tv_nsec += (long)(ms % 1000) * 1000000;
	if (t->tv_nsec >= 1000000000) {
		t->tv_sec++;
		t->tv_nsec -= 1000000000;
	}
}

static void
cond_init(pthread_cond_t *c)
{
	pthread_condattr_t a;

	(void)pthread_condattr_init(&a);
	(void)pthread_condattr_setclock(&a, CLOCK_MONOTONIC);
	(void)pthread_cond_init(c, &a);
	(void)pthread_condattr_destroy(&a);
}

/* NULL: none. */
static const char *
request_of(const struct change *ch)
{
	return ch->cause != NULL ? ch->cause->request_id : NULL;
}

/*
 * Nothing of the group remains, so nobody may be told that it does; each request that is refused
 * for it is found in the log by its id.  Damage is told once, by whoever meets it.
 */
static void
fail_group(struct list *group, enum err e)
{
	struct change *ch;

	for (ch = group->first; ch != NULL; ch = ch->next) {
		ch->result = e;
		if (ch->told || e == ERR_DAMAGED || request_of(ch) == NULL)
			continue;
		log_request(request_of(ch));
		log_error("store: the change was not kept: %s", err_text(e));
		log_request(NULL);
	}
}

/* One change of the group, all or nothing. */
static void
run_change(struct db_conn *c, struct change *ch)
{
	const struct db_driver *d = c->driver;

	ch->result = d->change_begin(c);
	if (ch->result != ERR_OK)
		return;
	cause_set(ch->cause);
	log_request(request_of(ch));
	ch->result = ch->fn(c, ch->arg);
	cause_set(NULL);
	if (ch->result == ERR_OK)
		ch->result = d->change_keep(c);
	if (ch->result != ERR_OK)
		d->change_undo(c);
	log_request(NULL);
}

static void
run_group(struct db_conn *c, struct list *group)
{
	const struct db_driver *d = c->driver;
	struct change *ch;
	enum err e;

	e = d->begin(c);
	if (e == ERR_OK) {
		for (ch = group->first; ch != NULL && e == ERR_OK;
		     ch = ch->next) {
			run_change(c, ch);
			if (d->stands(c))
				continue;
			ch->told = ch->result != ERR_OK;
			e = ch->told ? ch->result : ERR_IO;
		}
		if (e == ERR_OK)
			e = d->commit(c);
	}
	if (e == ERR_OK)
		return;
	d->rollback(c);
	fail_group(group, e);
}

/* Tell the waiting workers, whose changes are gone from then on. */
static void
finish_group(struct list *group)
{
	struct change *ch, *next;

	for (ch = group->first; ch != NULL; ch = next) {
		next = ch->next;
		if (ch->later)
			continue;
		ch->state = CHANGE_DONE;
		(void)sem_post(&ch->done);
	}
}

static void
free_later(struct change *ch)
{
	struct change *next;

	for (; ch != NULL; ch = next) {
		next = ch->next;
		free(ch->arg);
		free(ch);
	}
}

/* Wait until there is something to do; false when there is nothing and
 * db_writer_stop() waits.  Changes that nobody waits for stay a moment, for company.
 */
static bool
wait_for_work(struct db_writer *w)
{
	struct timespec until;
	int64_t left;

	for (;;) {
		if (w->waiting.first != NULL)
			return true;
		if (w->later.first != NULL) {
			left =
			    w->later_since + LATER_DELAY_MS - clock_mono_ms();
			if (left <= 0 || w->stop)
				return true;
			deadline(&until, left);
			(void)pthread_cond_timedwait(
			    &w->work, &w->mutex, &until);
		} else if (w->stop) {
			return false;
		} else {
			(void)pthread_cond_wait(&w->work, &w->mutex);
		}
	}
}

/* Take what waits.  Later ones are kept apart at the end, to be freed after. */
static struct change *
take_group(struct db_writer *w, struct list *group)
{
	struct change *ch, *later;

	list_init(group);
	(void)pthread_mutex_lock(&w->mutex);
	list_take(group, &w->waiting);
	for (ch = group->first; ch != NULL; ch = ch->next)
		ch->state = CHANGE_RUNS;
	later = w->later.first;
	list_take(group, &w->later);
	w->n_later = 0;
	(void)pthread_mutex_unlock(&w->mutex);
	return later;
}

static void *
writer_main(void *arg)
{
	struct db_writer *w = arg;
	struct db_conn *c = w->conn;
	struct change *later;
	struct list group;
	bool more;
	enum err e;

	for (;;) {
		(void)pthread_mutex_lock(&w->mutex);
		more = wait_for_work(w);
		(void)pthread_mutex_unlock(&w->mutex);
		if (!more)
			return NULL;
		e = c->driver->lock(c);
		later = take_group(w, &group);
		if (e != ERR_OK)
			fail_group(&group, e);
		else if (group.first != NULL)
			run_group(c, &group);
		finish_group(&group);
		free_later(later);
		if (e == ERR_OK) {
			c->driver->tidy(c);
			c->driver->unlock(c);
		}
	}
}

/* Whether it did not begin in time, and then never will. */
static bool
withdraw(struct db_writer *w, struct change *ch)
{
	bool waits;

	(void)pthread_mutex_lock(&w->mutex);
	waits = ch->state == CHANGE_WAITS;
	if (waits)
		list_remove(&w->waiting, ch);
	(void)pthread_mutex_unlock(&w->mutex);
	return waits;
}

/* Once a change runs its outcome counts, however long it takes. */
static enum err
wait_done(struct db_writer *w, struct change *ch)
{
	struct timespec until;
	int rc;

	deadline(&until, w->wait_ms);
	while ((rc = sem_clockwait(&ch->done, CLOCK_MONOTONIC, &until)) == -1 &&
	       errno == EINTR)
		continue;
	if (rc == -1 && withdraw(w, ch))
		return ERR_BUSY;
	while (rc == -1)
		rc = sem_wait(&ch->done);
	assert(ch->state == CHANGE_DONE);
	return ch->result;
}

enum err
db_writer_run(struct db_writer *w, db_change fn, void *arg)
{
	struct change ch = {
	    .fn = fn, .arg = arg, .state = CHANGE_WAITS, .cause = cause_now()};
	enum err e;

	gate_leave();
	(void)sem_init(&ch.done, 0, 0);
	(void)pthread_mutex_lock(&w->mutex);
	list_append(&w->waiting, &ch);
	(void)pthread_mutex_unlock(&w->mutex);
	(void)pthread_cond_signal(&w->work);
	e = wait_done(w, &ch);
	(void)sem_destroy(&ch.done);
	return e;
}

bool
db_writer_later(struct db_writer *w, db_change fn, void *arg)
{
	struct change *ch;
	bool taken = false;

	ch = calloc(1, sizeof(*ch));
	if (ch == NULL) {
		free(arg);
		return false;
	}
	ch->fn = fn;
	ch->arg = arg;
	ch->later = true;
	(void)pthread_mutex_lock(&w->mutex);
	if (w->n_later < LATER_MAX) {
		if (w->n_later++ == 0)
			w->later_since = clock_mono_ms();
		list_append(&w->later, ch);
		taken = true;
		if (w->n_later == 1)
			(void)pthread_cond_signal(&w->work);
	}
	(void)pthread_mutex_unlock(&w->mutex);
	if (!taken) {
		free(arg);
		free(ch);
	}
	return taken;
}

/* The writer takes no signals: those belong to the main thread. */
static int
start_thread(struct db_writer *w)
{
	sigset_t all, old;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&w->thread, NULL, writer_main, w);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

static void
writer_free(struct db_writer *w)
{
	(void)pthread_cond_destroy(&w->work);
	(void)pthread_mutex_destroy(&w->mutex);
	free(w);
}

enum err
db_writer_start(struct db_writer **out, struct db_conn *c, unsigned wait_ms)
{
	struct db_writer *w;

	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return ERR_NOMEM;
	w->conn = c;
	w->wait_ms = wait_ms;
	list_init(&w->waiting);
	list_init(&w->later);
	(void)pthread_mutex_init(&w->mutex, NULL);
	cond_init(&w->work);
	if (start_thread(w) != 0) {
		writer_free(w);
		return ERR_NOMEM;
	}
	*out = w;
	return ERR_OK;
}

void
db_writer_stop(struct db_writer *w)
{
	(void)pthread_mutex_lock(&w->mutex);
	w->stop = true;
	(void)pthread_cond_signal(&w->work);
	(void)pthread_mutex_unlock(&w->mutex);
	(void)pthread_join(w->thread, NULL);
	writer_free(w);
}
