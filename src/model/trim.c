/*
 * Trimming: messages are taken off the head of each queue that is marked, and dropped or put
 * back; the broker is reached, lost, and reached again.
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
#include "trim_consumed.h"
#include "trim_mark.h"

#define TICK_MS 500
/* In a step: messages of each queue, and the time after which nothing is begun. */
#define MESSAGES_MAX 256
#define STEP_MS 1000
/* Messages of others that are held at a time, to look behind them. */
#define FOREIGN_MAX 64
#define AGAIN_MS INT64_C(2000)
#define COMPLAIN_MS INT64_C(60000)

enum { SQL_JOB, SQL_FORMER };

static const char *const sql[] = {
    [SQL_JOB] = "SELECT state = 'waiting' AND queue = $2 FROM job "
		"WHERE id = $1",
    /* The job is gone, but was ours. */
    [SQL_FORMER] = "SELECT 1 FROM journal WHERE subject = $1 "
		   "AND kind = 'job.submitted' LIMIT 1",
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
	struct trim_consumed consumed;
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
	trim_consumed_forget(&t->consumed);
}

void
trim_close(struct trim *t)
{
	if (t == NULL)
		return;
	broker_tap_close(t->tap);
	trim_consumed_free(&t->consumed);
	free(t);
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

static enum trim_end
end_of(struct trim *t, const char *queue, enum err e, bool gone)
{
	switch (e) {
	case ERR_NOTFOUND:
		if (!gone)
			return TRIM_EMPTY;
		e = heal_queue(t->s, t->tap, queue);
		return e == ERR_BROKER ? TRIM_BROKER : TRIM_EMPTY;
	case ERR_CONFLICT:
		complain(t, queue, broker_tap_why(t->tap));
		return TRIM_LATER;
	case ERR_BROKER:
		return TRIM_BROKER;
	default:
		return TRIM_LATER;
	}
}

/* What is held: the tag of the last message that was taken and not dropped. */
struct held {
	uint64_t tag; /* 0: none */
	unsigned foreign;
};

/* Take the first message and say whether to go on. */
static bool
take_one(struct trim *t, struct trim_pass *p, struct held *held)
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
		p->end = e == ERR_OK ? TRIM_MORE : TRIM_BROKER;
		return e == ERR_OK;
	}
	held->tag = m.tag;
	if (e != ERR_OK) {
		p->end = TRIM_LATER;
	} else if (about == ABOUT_WAITING) {
		p->end = TRIM_WAITS;
		(void)snprintf(p->head, sizeof(p->head), "%s", id.text);
	} else if (++held->foreign == FOREIGN_MAX) {
		complain(t, p->queue, "messages of others stand before them");
		p->end = TRIM_LATER;
	} else {
		return true;
	}
	return false;
}

/* Consumers are counted first: one that goes since has put back what it held. */
static void
trim_queue(struct trim *t, struct trim_pass *p)
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
	p->end = TRIM_MORE;
	for (i = 0; i < MESSAGES_MAX && has_time(t); i++)
		if (!take_one(t, p, &held))
			break;
	if (held.tag != 0 && p->end != TRIM_BROKER &&
	    broker_tap_put_back(t->tap, held.tag) != ERR_OK)
		p->end = TRIM_BROKER;
}

/* True: there may be more. */
static bool
trim_batch(struct trim *t, struct trim_batch *b)
{
	bool more = false, lost = false;
	struct trim_pass *p;
	size_t i;

	for (i = 0; i < b->n; i++) {
		p = &b->passes[i];
		p->end = TRIM_EMPTY;
		if (lost)
			p->end = TRIM_BROKER;
		else if (!queue_is_unclaimed(t->s->conf, p->queue))
			trim_queue(t, p);
		if (p->consumed &&
		    (p->end == TRIM_EMPTY || p->end == TRIM_WAITS))
			trim_consumed_await(&t->consumed, p->queue);
		more |= p->end == TRIM_MORE;
		lost |= p->end == TRIM_BROKER;
	}
	if (lost)
		leave(t);
	return more && !lost;
}

static bool
trim_some(struct trim *t)
{
	struct trim_batch *b = calloc(1, sizeof(*b));
	bool more;

	if (b == NULL)
		return false;
	if (trim_mark_find(t->s->db, t->trimmed, b) != ERR_OK || b->n == 0) {
		free(b);
		return false;
	}
	(void)snprintf(
	    t->trimmed, sizeof(t->trimmed), "%s", b->passes[b->n - 1].queue);
	more = b->n == TRIM_QUEUES_MAX;
	if (trim_mark_lease(t->s->db, b) != ERR_OK || b->n == 0) {
		free(b);
		return false;
	}
	more = trim_batch(t, b) || (more && t->tap != NULL);
	if (more) {
		more = trim_mark_settle(t->s->db, b) == ERR_OK;
		free(b);
	} else {
		trim_mark_settle_later(t->s->db, b);
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

	for (i = 0; i < TRIM_QUEUES_MAX && e == ERR_OK && has_time(t); i++)
		e = heal_next(t->s, t->tap, t->healed);
	if (e == ERR_BROKER)
		leave(t);
	else if (e == ERR_NOTFOUND)
		t->healing = trim_mark_all(t->s->db) != ERR_OK;
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
	if (t->was_blocked && state != BROKER_BLOCKED &&
	    trim_mark_all(t->s->db) != ERR_OK)
		return false;
	t->was_blocked = state == BROKER_BLOCKED;
	if (t->healing)
		return heal_some(t);
	if (trim_consumed_look(&t->consumed, t->s->db, t->tap, t->until_ms,
		&more) == ERR_BROKER)
		leave(t);
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
