/*
 * Group commit and the pool of reading connections, for every dialect.
 *
 * A change waits in a list.  The writer thread becomes the only writer of all
 * processes first, and only then takes the list: what arrives while it waits
 * for its turn, or while the disk is busy with the group before, shares the
 * next commit.
 */

#include "db.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cause.h"
#include "clock.h"
#include "db_driver.h"
#include "db_readers.h"
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
	sem_t done; /* its thread need not come by the mutex again */
};

struct list {
	struct change *first;
	struct change **end;
};

struct db {
	const struct db_driver *driver;
	char *where; /* of the driver */
	const struct db_schema *schema;
	unsigned wait_ms;
	pthread_mutex_t mutex; /* of everything below */
	pthread_cond_t work;
	struct list waiting;
	struct list later;
	size_t n_later;
	int64_t later_since;
	bool stop;
	pthread_t writer;
	struct db_conn *writing; /* the writer thread's */
	struct db_readers *readers;
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

/* One change of the group, all or nothing. */
static void
run_change(struct db_conn *c, struct change *ch)
{
	const struct db_driver *d = c->driver;

	ch->result = d->change_begin(c);
	if (ch->result != ERR_OK)
		return;
	cause_set(ch->cause);
	ch->result = ch->fn(c, ch->arg);
	cause_set(NULL);
	if (ch->result == ERR_OK)
		ch->result = d->change_keep(c);
	if (ch->result != ERR_OK)
		d->change_undo(c);
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
			if (!d->stands(c))
				e = ch->result != ERR_OK ? ch->result : ERR_IO;
		}
		if (e == ERR_OK)
			e = d->commit(c);
	}
	if (e == ERR_OK)
		return;
	/* Nothing of the group remains, so nobody may be told that it does. */
	d->rollback(c);
	for (ch = group->first; ch != NULL; ch = ch->next)
		ch->result = e;
}

static void
fail_group(struct list *group, enum err e)
{
	struct change *ch;

	for (ch = group->first; ch != NULL; ch = ch->next)
		ch->result = e;
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
 * db_close() waits.  Changes that nobody waits for stay a moment, for company.
 */
static bool
wait_for_work(struct db *d)
{
	struct timespec until;
	int64_t left;

	for (;;) {
		if (d->waiting.first != NULL)
			return true;
		if (d->later.first != NULL) {
			left =
			    d->later_since + LATER_DELAY_MS - clock_mono_ms();
			if (left <= 0 || d->stop)
				return true;
			deadline(&until, left);
			(void)pthread_cond_timedwait(
			    &d->work, &d->mutex, &until);
		} else if (d->stop) {
			return false;
		} else {
			(void)pthread_cond_wait(&d->work, &d->mutex);
		}
	}
}

/* Take what waits.  Later ones are kept apart at the end, to be freed after. */
static struct change *
take_group(struct db *d, struct list *group)
{
	struct change *ch, *later;

	list_init(group);
	(void)pthread_mutex_lock(&d->mutex);
	list_take(group, &d->waiting);
	for (ch = group->first; ch != NULL; ch = ch->next)
		ch->state = CHANGE_RUNS;
	later = d->later.first;
	list_take(group, &d->later);
	d->n_later = 0;
	(void)pthread_mutex_unlock(&d->mutex);
	return later;
}

static void *
writer_main(void *arg)
{
	struct db *d = arg;
	struct db_conn *c = d->writing;
	struct change *later;
	struct list group;
	bool more;
	enum err e;

	for (;;) {
		(void)pthread_mutex_lock(&d->mutex);
		more = wait_for_work(d);
		(void)pthread_mutex_unlock(&d->mutex);
		if (!more)
			return NULL;
		e = d->driver->lock(c);
		later = take_group(d, &group);
		if (e != ERR_OK)
			fail_group(&group, e);
		else if (group.first != NULL)
			run_group(c, &group);
		finish_group(&group);
		free_later(later);
		if (e == ERR_OK) {
			d->driver->tidy(c);
			d->driver->unlock(c);
		}
	}
}

/* Whether it did not begin in time, and then never will. */
static bool
withdraw(struct db *d, struct change *ch)
{
	bool waits;

	(void)pthread_mutex_lock(&d->mutex);
	waits = ch->state == CHANGE_WAITS;
	if (waits)
		list_remove(&d->waiting, ch);
	(void)pthread_mutex_unlock(&d->mutex);
	return waits;
}

/* Once a change runs its outcome counts, however long it takes. */
static enum err
wait_done(struct db *d, struct change *ch)
{
	struct timespec until;
	int rc;

	deadline(&until, d->wait_ms);
	while ((rc = sem_clockwait(&ch->done, CLOCK_MONOTONIC, &until)) == -1 &&
	       errno == EINTR)
		continue;
	if (rc == -1 && withdraw(d, ch))
		return ERR_BUSY;
	while (rc == -1)
		rc = sem_wait(&ch->done);
	assert(ch->state == CHANGE_DONE);
	return ch->result;
}

enum err
db_write(struct db *d, db_change fn, void *arg)
{
	struct change ch = {
	    .fn = fn, .arg = arg, .state = CHANGE_WAITS, .cause = cause_now()};
	enum err e;

	gate_leave();
	(void)sem_init(&ch.done, 0, 0);
	(void)pthread_mutex_lock(&d->mutex);
	list_append(&d->waiting, &ch);
	(void)pthread_mutex_unlock(&d->mutex);
	(void)pthread_cond_signal(&d->work);
	e = wait_done(d, &ch);
	(void)sem_destroy(&ch.done);
	return e;
}

bool
db_write_later(struct db *d, db_change fn, void *arg)
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
	(void)pthread_mutex_lock(&d->mutex);
	if (d->n_later < LATER_MAX) {
		if (d->n_later++ == 0)
			d->later_since = clock_mono_ms();
		list_append(&d->later, ch);
		taken = true;
		if (d->n_later == 1)
			(void)pthread_cond_signal(&d->work);
	}
	(void)pthread_mutex_unlock(&d->mutex);
	if (!taken) {
		free(arg);
		free(ch);
	}
	return taken;
}

struct db_conn *
db_read(struct db *d)
{
	return db_readers_borrow(d->readers);
}

void
db_read_end(struct db *d, struct db_conn *c)
{
	db_readers_return(d->readers, c);
}

static void
bind(struct db_stmt *s, const char *types, va_list ap)
{
	const struct db_driver *d = s->conn->driver;
	const char *text;
	size_t len;
	int i;

	for (i = 1; *types != '\0'; types++, i++) {
		switch (*types) {
		case 'i':
			d->bind_int(s, i, va_arg(ap, int64_t));
			break;
		case 't':
			text = va_arg(ap, const char *);
			if (text != NULL)
				d->bind_text(s, i, text, strlen(text));
			else
				d->bind_null(s, i);
			break;
		case 's':
			text = va_arg(ap, const char *);
			len = va_arg(ap, size_t);
			if (text != NULL)
				d->bind_text(s, i, text, len);
			else
				d->bind_null(s, i);
			break;
		default:
			assert(*types == 'n');
			d->bind_null(s, i);
			break;
		}
	}
}

static enum err
start(struct db_conn *c, struct db_stmt **out, const char *sql,
    const char *types, va_list ap)
{
	enum err e;

	*out = NULL;
	if ((e = c->driver->prepare(c, out, sql)) != ERR_OK)
		return e;
	bind(*out, types, ap);
	return c->driver->step(*out);
}

enum err
db_query(struct db_conn *c, struct db_stmt **s, const char *sql,
    const char *types, ...)
{
	va_list ap;
	enum err e;

	va_start(ap, types);
	e = start(c, s, sql, types, ap);
	va_end(ap);
	if (e != ERR_OK && *s != NULL) {
		db_end(*s);
		*s = NULL;
	}
	return e;
}

enum err
db_exec(struct db_conn *c, int64_t *changed, const char *sql, const char *types,
    ...)
{
	struct db_stmt *s;
	va_list ap;
	enum err e;

	va_start(ap, types);
	e = start(c, &s, sql, types, ap);
	va_end(ap);
	while (e == ERR_OK)
		e = db_next(s);
	if (changed != NULL && e == ERR_NOTFOUND)
		*changed = c->driver->changed(s);
	if (s != NULL)
		db_end(s);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
db_next(struct db_stmt *s)
{
	return s->conn->driver->step(s);
}

void
db_end(struct db_stmt *s)
{
	s->conn->driver->end(s);
}

const char *
db_text(struct db_stmt *s, int i, size_t *len)
{
	return s->conn->driver->text(s, i, len);
}

int64_t
db_int(struct db_stmt *s, int i)
{
	return s->conn->driver->integer(s, i);
}

bool
db_is_null(struct db_stmt *s, int i)
{
	return s->conn->driver->is_null(s, i);
}

enum err
db_check(struct db *d)
{
	struct db_conn *c = db_read(d);
	enum err e = ERR_DAMAGED;

	if (!d->driver->damaged(c))
		e = db_exec(c, NULL, d->driver->check, "");
	db_read_end(d, c);
	return e;
}

/* What was not done while the store was damaged. */
static enum err
bring_up(struct db *d)
{
	struct db_conn *c;
	enum err e;

	if ((e = d->driver->open(&c, d->where, true)) != ERR_OK)
		return e;
	e = d->driver->migrate(c, d->schema);
	d->driver->close(c);
	return e;
}

static enum err
change_nothing(struct db_conn *c, void *arg)
{
	(void)c;
	(void)arg;
	return ERR_OK;
}

/* By a connection of its own, for those that read are few; not where the files are not those
 * that we have open, as it would make new ones. */
enum err
db_verify(struct db *d, bool mend)
{
	struct db_conn *c;
	bool damaged;
	enum err e;

	e = db_write(d, change_nothing, NULL);
	damaged = e == ERR_DAMAGED;
	if (damaged ? !mend : e != ERR_OK)
		return e;
	if ((e = d->driver->open(&c, d->where, false)) != ERR_OK)
		return e;
	e = d->driver->verify(c, damaged);
	if (e == ERR_OK && damaged)
		d->driver->mended(c);
	d->driver->close(c);
	return e == ERR_OK && damaged ? bring_up(d) : e;
}

static void
db_free(struct db *d)
{
	db_readers_close(d->readers);
	if (d->writing != NULL)
		d->driver->close(d->writing);
	(void)pthread_cond_destroy(&d->work);
	(void)pthread_mutex_destroy(&d->mutex);
	free(d->where);
	free(d);
}

static enum err
open_connections(struct db *d, const struct db_options *o)
{
	enum err e;

	if ((e = d->driver->look(d->where, o->expected)) != ERR_OK ||
	    (e = d->driver->open(&d->writing, d->where, true)) != ERR_OK)
		return e;
	e = d->driver->migrate(d->writing, o->schema);
	if (e != ERR_OK && e != ERR_DAMAGED)
		return e;
	return db_readers_open(&d->readers, d->driver, d->where, o->readers);
}

/* The writer takes no signals: those belong to the main thread. */
static int
start_writer(struct db *d)
{
	sigset_t all, old;
	int rc;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&d->writer, NULL, writer_main, d);
	(void)pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

enum err
db_open(struct db **out, const struct db_options *o)
{
	static const char scheme[] = "sqlite:";
	struct db *d;
	enum err e;

	if (strncmp(o->uri, scheme, sizeof(scheme) - 1) != 0) {
		log_error("store: %s: only sqlite:PATH is known", o->uri);
		return ERR_INVALID;
	}
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return ERR_NOMEM;
	d->driver = &db_sqlite;
	d->wait_ms = o->wait_ms;
	d->schema = o->schema;
	d->where = strdup(o->uri + sizeof(scheme) - 1);
	list_init(&d->waiting);
	list_init(&d->later);
	(void)pthread_mutex_init(&d->mutex, NULL);
	cond_init(&d->work);
	e = d->where != NULL ? open_connections(d, o) : ERR_NOMEM;
	if (e == ERR_OK && start_writer(d) != 0)
		e = ERR_NOMEM;
	if (e != ERR_OK) {
		db_free(d);
		return e;
	}
	*out = d;
	return ERR_OK;
}

void
db_close(struct db *d)
{
	(void)pthread_mutex_lock(&d->mutex);
	d->stop = true;
	(void)pthread_cond_signal(&d->work);
	(void)pthread_mutex_unlock(&d->mutex);
	(void)pthread_join(d->writer, NULL);
	db_free(d);
}
