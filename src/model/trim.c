/*
 * Trimming.  A mark is leased to one process for a while, so that two do not take the same
 * queue in turns, and a transition meanwhile marks it once more.  Where the head waits the mark
 * rests until that job leaves: no message is taken before.  A queue that is put off has a
 * head that is no job's, so that none that leaves hastens it.
 *
 * A consumer may hold messages that stand before the first, and come back when it goes.  So a
 * queue that had one is declared passively each minute, and marked once it has none any more.
 * Which these are is in memory: a process that starts marks all.
 */

#include "trim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "broker_tap.h"
#include "clock.h"
#include "heal.h"
#include "id.h"
#include "log.h"
#include "queue.h"

#define TICK_MS 500
/* In a step: queues, messages of each, and the time after which nothing is begun. */
#define QUEUES_MAX 64
#define MESSAGES_MAX 256
#define STEP_MS 1000
/* Messages of others that are held at a time, to look behind them. */
#define FOREIGN_MAX 64
/* After a process that has died with the lease another may go on. */
#define LEASE_MS INT64_C(60000)
/* A mark further ahead than any is set comes from a clock set back since. */
#define TOO_FAR_MS (2 * LEASE_MS)
#define AGAIN_MS INT64_C(2000)
/* When the broker does not let us, or others' messages are in the way. */
#define MUCH_LATER_MS INT64_C(60000)
#define COMPLAIN_MS INT64_C(60000)
/* How often to see whether consumers have gone. */
#define CONSUMERS_MS INT64_C(60000)

enum {
	SQL_DUE,
	SQL_LEASE,
	SQL_DONE,
	SQL_REST,
	SQL_PUT_OFF,
	SQL_AGAIN,
	SQL_JOB,
	SQL_FORMER,
	SQL_MARK,
	SQL_MARK_ALL
};

static const char *const sql[] = {
    [SQL_DUE] = "SELECT queue FROM queue_trim WHERE at IS NOT NULL "
		"AND (at <= $1 OR at > $2) AND queue > $3 "
		"ORDER BY queue LIMIT $4",
    [SQL_LEASE] = "UPDATE queue_trim SET at = $2, head = NULL "
		  "WHERE queue = $1 AND (at <= $3 OR at > $4)",
    [SQL_DONE] = "DELETE FROM queue_trim WHERE queue = $1 AND at = $2",
    [SQL_REST] = "UPDATE queue_trim SET at = NULL, head = $3 "
		 "WHERE queue = $1 AND at = $2",
    /* Also where it was marked meanwhile: that message is no nearer. */
    [SQL_PUT_OFF] = "UPDATE queue_trim SET at = $3, head = '' "
		    "WHERE queue = $1 AND at IN ($2, 0)",
    [SQL_AGAIN] = "UPDATE queue_trim SET at = 0 WHERE queue = $1 AND at = $2",
    [SQL_JOB] = "SELECT state = 'waiting' AND queue = $2 FROM job "
		"WHERE id = $1",
    /* The job is gone, but was ours. */
    [SQL_FORMER] = "SELECT 1 FROM journal WHERE subject = $1 "
		   "AND kind = 'job.submitted' LIMIT 1",
    [SQL_MARK] = "INSERT INTO queue_trim (queue, at) VALUES ($1, 0) "
		 "ON CONFLICT (queue) DO UPDATE SET at = 0, head = NULL "
		 "WHERE coalesce(queue_trim.head, '-') <> ''",
    [SQL_MARK_ALL] =
	"INSERT INTO queue_trim (queue, at) SELECT name, 0 FROM queue "
	"WHERE true ON CONFLICT (queue) DO UPDATE SET at = 0, head = NULL",
};

/* How the look at a queue has ended. */
enum end {
	END_EMPTY, /* no message is left */
	END_WAITS, /* at one whose job waits */
	END_MORE, /* so many were taken */
	END_LATER, /* not now: others' messages, or it is not allowed */
	END_BROKER /* the connection is lost */
};

struct pass {
	char queue[NAME_LEN_MAX + 1];
	enum end end;
	bool consumed; /* somebody may hold messages of it */
	char head[ID_LEN + 1];
};

struct batch {
	int64_t now;
	int64_t lease;
	struct pass passes[QUEUES_MAX];
	size_t n;
};

/* Queues that had consumers when they were looked at last. */
struct consumed {
	char (*names)[NAME_LEN_MAX + 1];
	size_t n, room;
	size_t
	    left; /* of the names, the first ones: to be looked at in this round */
	int64_t next_ms; /* monotonic, then a round begins */
};

struct trim {
	struct svc *s;
	struct broker_tap *tap; /* NULL: not connected */
	int64_t retry_ms; /* monotonic, then it is tried again */
	int64_t until_ms; /* monotonic, the end of this step */
	bool healing;
	char healed[NAME_LEN_MAX + 1]; /* so far */
	char trimmed[NAME_LEN_MAX + 1]; /* the queues take turns */
	bool was_blocked;
	int64_t complained_ms;
	struct consumed consumed;
};

enum err
trim_open(struct trim **out, struct svc *s)
{
	*out = calloc(1, sizeof(**out));
	if (*out == NULL)
		return ERR_NOMEM;
	(*out)->s = s;
	(*out)->complained_ms = -COMPLAIN_MS;
	return ERR_OK;
}

static bool
has_time(const struct trim *t)
{
	return clock_mono_ms() < t->until_ms;
}

static void
leave(struct trim *t)
{
	broker_tap_close(t->tap);
	t->tap = NULL;
	t->retry_ms = clock_mono_ms() + AGAIN_MS;
	/* All are marked when it is there again. */
	t->consumed.n = t->consumed.left = 0;
}

void
trim_close(struct trim *t)
{
	if (t == NULL)
		return;
	broker_tap_close(t->tap);
	free(t->consumed.names);
	free(t);
}

static enum err
mark(struct db_conn *c, const char *queue)
{
	return db_exec(c, NULL, sql[SQL_MARK], "t", queue);
}

static enum err
mark_all_change(struct db_conn *c, void *arg)
{
	(void)arg;
	return db_exec(c, NULL, sql[SQL_MARK_ALL], "");
}

/* The broker may have messages that were not expected any more. */
static enum err
mark_all(struct trim *t)
{
	return db_write(t->s->db, mark_all_change, NULL);
}

/* What the message is about. */
enum about { ABOUT_WAITING, ABOUT_FORMER, ABOUT_FOREIGN };

static enum err
judge(struct svc *s, const char *queue, const char *id_text, struct id *id,
    enum about *out)
{
	struct db_conn *c;
	struct db_stmt *st;
	enum err e;

	*out = ABOUT_FOREIGN;
	if (!id_parse(id_text, strlen(id_text), id))
		return ERR_OK;
	c = db_read(s->db);
	e = db_query(c, &st, sql[SQL_JOB], "tt", id->text, queue);
	if (e == ERR_OK) {
		*out = db_int(st, 0) != 0 ? ABOUT_WAITING : ABOUT_FORMER;
		db_end(st);
	} else if (e == ERR_NOTFOUND) {
		e = db_query(c, &st, sql[SQL_FORMER], "t", id->text);
		if (e == ERR_OK) {
			*out = ABOUT_FORMER;
			db_end(st);
		}
	}
	db_read_end(s->db, c);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Once a minute is enough. */
static void
complain(struct trim *t, const char *queue, const char *why)
{
	int64_t now = clock_mono_ms();

	if (now - t->complained_ms < COMPLAIN_MS)
		return;
	t->complained_ms = now;
	log_warn("cannot remove messages of jobs that do not wait any more "
		 "from the queue %s of the broker: %s; looking again in a "
		 "minute",
	    queue, why);
}

static enum end
end_of(struct trim *t, const char *queue, enum err e, bool gone)
{
	switch (e) {
	case ERR_NOTFOUND:
		if (!gone)
			return END_EMPTY;
		e = heal_queue(t->s, t->tap, queue);
		return e == ERR_BROKER ? END_BROKER : END_EMPTY;
	case ERR_CONFLICT:
		complain(t, queue, broker_tap_why(t->tap));
		return END_LATER;
	case ERR_BROKER:
		return END_BROKER;
	default:
		return END_LATER;
	}
}

/* What is held: the tag of the last message that was taken and not dropped. */
struct held {
	uint64_t tag; /* 0: none */
	unsigned foreign;
};

/* Take the first message and say whether to go on. */
static bool
take_one(struct trim *t, struct pass *p, struct held *held)
{
	struct broker_taken m;
	enum about about;
	struct id id;
	bool gone;
	enum err e;

	e = broker_tap_take(t->tap, p->queue, &m, &gone);
	if (e != ERR_OK) {
		p->end = end_of(t, p->queue, e, gone);
		if (gone || e == ERR_CONFLICT)
			held->tag = 0;
		return false;
	}
	e = judge(t->s, p->queue, m.id, &id, &about);
	if (e == ERR_OK && about == ABOUT_FORMER) {
		e = broker_tap_drop(t->tap, m.tag);
		p->end = e == ERR_OK ? END_MORE : END_BROKER;
		return e == ERR_OK;
	}
	held->tag = m.tag;
	if (e != ERR_OK) {
		p->end = END_LATER;
	} else if (about == ABOUT_WAITING) {
		p->end = END_WAITS;
		(void)snprintf(p->head, sizeof(p->head), "%s", id.text);
	} else if (++held->foreign == FOREIGN_MAX) {
		complain(t, p->queue, "messages of others stand before them");
		p->end = END_LATER;
	} else {
		return true;
	}
	return false;
}

/* Consumers are counted first: one that goes since has put back what it held. */
static void
trim_queue(struct trim *t, struct pass *p)
{
	struct held held = {.tag = 0};
	int64_t messages, consumers;
	unsigned i;
	enum err e;

	e = broker_tap_look(t->tap, p->queue, &messages, &consumers);
	if (e != ERR_OK) {
		p->end = end_of(t, p->queue, e, true);
		return;
	}
	p->consumed = consumers > 0;
	p->end = END_MORE;
	for (i = 0; i < MESSAGES_MAX && has_time(t); i++)
		if (!take_one(t, p, &held))
			break;
	if (held.tag != 0 && p->end != END_BROKER &&
	    broker_tap_put_back(t->tap, held.tag) != ERR_OK)
		p->end = END_BROKER;
}

static enum err
find_due(struct db_conn *c, int64_t now, const char *after, struct batch *b)
{
	struct db_stmt *s;
	enum err e;

	b->n = 0;
	for (e = db_query(c, &s, sql[SQL_DUE], "iiti", now, now + TOO_FAR_MS,
		 after, (int64_t)QUEUES_MAX);
	     e == ERR_OK && b->n < QUEUES_MAX; e = db_next(s))
		(void)snprintf(b->passes[b->n++].queue, NAME_LEN_MAX + 1, "%s",
		    db_text(s, 0, NULL));
	if (s != NULL)
		db_end(s);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Those that are due behind the one looked at last, or from the first. */
static enum err
find_some(struct trim *t, struct batch *b)
{
	struct db_conn *c = db_read(t->s->db);
	enum err e;

	e = find_due(c, b->now, t->trimmed, b);
	if (e == ERR_OK && b->n == 0 && t->trimmed[0] != '\0')
		e = find_due(c, b->now, "", b);
	db_read_end(t->s->db, c);
	return e;
}

/* Those of which the mark is another process's since the look are left to it. */
static enum err
lease_change(struct db_conn *c, void *arg)
{
	struct batch *b = arg;
	enum err e = ERR_OK;
	size_t i, n = b->n;
	int64_t leased;

	b->n = 0;
	for (i = 0; i < n && e == ERR_OK; i++) {
		e = db_exec(c, &leased, sql[SQL_LEASE], "tiii",
		    b->passes[i].queue, b->lease, b->now, b->now + TOO_FAR_MS);
		if (e == ERR_OK && leased > 0)
			b->passes[b->n++] = b->passes[i];
	}
	return e;
}

/* Another process that has leased the queue since, after a mark that was made anew, may have seen
 * it without the message that was held here, and taken the second for the first. */
static enum err
rest(struct db_conn *c, const struct batch *b, const struct pass *p)
{
	int64_t n;
	enum err e;

	e = db_exec(c, &n, sql[SQL_REST], "tit", p->queue, b->lease, p->head);
	return e == ERR_OK && n == 0 ? mark(c, p->queue) : e;
}

/* A mark that was made anew meanwhile is not that of the lease, and stays unless the queue is
 * put off. */
static enum err
settle_change(struct db_conn *c, void *arg)
{
	const struct batch *b = arg;
	const struct pass *p;
	enum err e = ERR_OK;
	size_t i;

	for (i = 0; i < b->n && e == ERR_OK; i++) {
		p = &b->passes[i];
		switch (p->end) {
		case END_EMPTY:
			e = db_exec(
			    c, NULL, sql[SQL_DONE], "ti", p->queue, b->lease);
			break;
		case END_WAITS:
			e = rest(c, b, p);
			break;
		case END_LATER:
			e = db_exec(c, NULL, sql[SQL_PUT_OFF], "tii", p->queue,
			    b->lease, b->now + MUCH_LATER_MS);
			break;
		default:
			e = db_exec(
			    c, NULL, sql[SQL_AGAIN], "ti", p->queue, b->lease);
		}
	}
	return e;
}

/* It is to be looked at once its consumers have gone. */
static void
await_consumers(struct consumed *w, const char *queue)
{
	size_t i, room = w->room == 0 ? 16 : 2 * w->room;
	void *names;

	for (i = 0; i < w->n; i++)
		if (strcmp(w->names[i], queue) == 0)
			return;
	if (w->n == w->room) {
		names = realloc(w->names, room * sizeof(*w->names));
		if (names == NULL)
			return;
		w->names = names;
		w->room = room;
	}
	if (w->n == 0)
		w->next_ms = clock_mono_ms() + CONSUMERS_MS;
	(void)snprintf(w->names[w->n++], sizeof(w->names[0]), "%s", queue);
}

static enum err
mark_change(struct db_conn *c, void *arg)
{
	return mark(c, arg);
}

/* Look whether the queue has consumers yet; else it is forgotten here and marked. */
static enum err
look_at_consumers(struct trim *t, size_t i)
{
	struct consumed *w = &t->consumed;
	int64_t messages, consumers = 0;
	enum err e;

	e = broker_tap_look(t->tap, w->names[i], &messages, &consumers);
	if (e == ERR_BROKER || (e == ERR_OK && consumers > 0))
		return e;
	if (e == ERR_OK)
		e = db_write(t->s->db, mark_change, w->names[i]);
	/* One that is not there, or not to be looked at, has none that are told. */
	if (e == ERR_OK || e == ERR_NOTFOUND || e == ERR_CONFLICT)
		memmove(w->names[i], w->names[--w->n], sizeof(w->names[i]));
	return e;
}

/* True: there are more to look at. */
static bool
look_at_consumed(struct trim *t)
{
	struct consumed *w = &t->consumed;
	enum err e = ERR_OK;
	unsigned i;

	if (w->left == 0 && w->n > 0 && clock_mono_ms() >= w->next_ms) {
		w->left = w->n;
		w->next_ms = clock_mono_ms() + CONSUMERS_MS;
	}
	/* From the last to the first, so that one that was looked at takes the place of
	 * each that goes. */
	for (i = 0;
	     i < QUEUES_MAX && w->left > 0 && e != ERR_BROKER && has_time(t);
	     i++)
		e = look_at_consumers(t, --w->left);
	if (e == ERR_BROKER)
		leave(t);
	return w->left > 0;
}

/* True: there may be more. */
static bool
trim_batch(struct trim *t, struct batch *b)
{
	bool more = false, lost = false;
	struct pass *p;
	size_t i;

	for (i = 0; i < b->n; i++) {
		p = &b->passes[i];
		p->end = END_EMPTY;
		if (lost)
			p->end = END_BROKER;
		else if (!queue_is_unclaimed(t->s->conf, p->queue))
			trim_queue(t, p);
		if (p->consumed && (p->end == END_EMPTY || p->end == END_WAITS))
			await_consumers(&t->consumed, p->queue);
		more |= p->end == END_MORE;
		lost |= p->end == END_BROKER;
	}
	if (lost)
		leave(t);
	return more && !lost;
}

static bool
trim_some(struct trim *t)
{
	struct batch *b = calloc(1, sizeof(*b));
	bool more;

	if (b == NULL)
		return false;
	b->now = clock_now_ms();
	b->lease = b->now + LEASE_MS;
	if (find_some(t, b) != ERR_OK || b->n == 0) {
		free(b);
		return false;
	}
	(void)snprintf(
	    t->trimmed, sizeof(t->trimmed), "%s", b->passes[b->n - 1].queue);
	more = b->n == QUEUES_MAX;
	if (db_write(t->s->db, lease_change, b) != ERR_OK || b->n == 0) {
		free(b);
		return false;
	}
	more = trim_batch(t, b) || (more && t->tap != NULL);
	if (more) {
		more = db_write(t->s->db, settle_change, b) == ERR_OK;
		free(b);
	} else {
		/* Should it be lost, the lease ends. */
		(void)db_write_later(t->s->db, settle_change, b);
	}
	return more;
}

static bool
reach(struct trim *t)
{
	if (clock_mono_ms() < t->retry_ms ||
	    broker_tap_open(&t->tap, t->s->broker) != ERR_OK) {
		if (clock_mono_ms() >= t->retry_ms)
			t->retry_ms = clock_mono_ms() + AGAIN_MS;
		return false;
	}
	t->healing = true;
	t->healed[0] = '\0';
	return true;
}

/* True: there are more queues to look at. */
static bool
heal_some(struct trim *t)
{
	enum err e = ERR_OK;
	unsigned i;

	for (i = 0; i < QUEUES_MAX && e == ERR_OK && has_time(t); i++)
		e = heal_next(t->s, t->tap, t->healed);
	if (e == ERR_BROKER)
		leave(t);
	else if (e == ERR_NOTFOUND)
		t->healing = mark_all(t) != ERR_OK;
	return e == ERR_OK || (e == ERR_NOTFOUND && !t->healing);
}

bool
trim_tick(struct trim *t)
{
	enum broker_state state = broker_state(t->s->broker);
	bool more;

	t->until_ms = clock_mono_ms() + STEP_MS;
	if (t->tap != NULL &&
	    (state == BROKER_DOWN || !broker_tap_alive(t->tap)))
		leave(t);
	if (state == BROKER_DOWN || (t->tap == NULL && !reach(t)))
		return false;
	/* It takes in only then what was sent to it long before. */
	if (t->was_blocked && state != BROKER_BLOCKED && mark_all(t) != ERR_OK)
		return false;
	t->was_blocked = state == BROKER_BLOCKED;
	if (t->healing)
		return heal_some(t);
	more = look_at_consumed(t);
	return (t->tap != NULL && trim_some(t)) || more;
}

void
trim_run(struct svc *s, bool (*stopping)(void), void (*sleep_ms)(int))
{
	struct trim *t;

	if (queue_is_unclaimed(s->conf, "*"))
		return;
	if (trim_open(&t, s) != ERR_OK) {
		log_error("no memory to trim queues of the broker");
		return;
	}
	while (!stopping())
		if (!trim_tick(t))
			sleep_ms(TICK_MS);
	trim_close(t);
}
