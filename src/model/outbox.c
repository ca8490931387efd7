/* The outbox: rows that say "to be published", and who publishes them. */

#include "outbox.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "column.h"
#include "job.h"
#include "log.h"

#define BATCH 64
#define BATCH_BYTES ((size_t)32 << 20) /* of bodies, but for the last */
#define SWEEP_EVERY_MS 500
/* A time further ahead than anybody sets comes from a clock set back since. */
#define TOO_FAR_MS (2 * OUTBOX_FIRST_TRY_MS)
/* After a broker refused one, its turn comes again. */
#define AGAIN_MS 2000

enum { SQL_SENT, SQL_AGAIN, SQL_DUE, SQL_CLAIM, SQL_WAITING };

static const char *const sql[] = {
    [SQL_SENT] = "UPDATE job SET publish_at = NULL "
		 "WHERE id = $1 AND publish_at = $2",
    [SQL_AGAIN] = "UPDATE job SET publish_at = $3 "
		  "WHERE id = $1 AND publish_at = $2",
    [SQL_DUE] = "SELECT id, queue, body, state, publish_at FROM job "
		"WHERE publish_at <= $1 OR publish_at > $2 "
		"ORDER BY publish_at LIMIT $3",
    [SQL_CLAIM] = "UPDATE job SET publish_at = $2 WHERE id = $1 "
		  "AND (publish_at <= $3 OR publish_at > $4)",
    [SQL_WAITING] = "SELECT count(*) FROM (SELECT 1 FROM job "
		    "WHERE publish_at IS NOT NULL LIMIT $1)",
};

struct outcome {
	struct id id;
	int64_t claim; /* publish_at, unless somebody else has the job since */
	int64_t again_at; /* 0: sent */
};

static enum err
note_change(struct db_conn *c, void *arg)
{
	const struct outcome *o = arg;

	if (o->again_at == 0)
		return db_exec(
		    c, NULL, sql[SQL_SENT], "ti", o->id.text, o->claim);
	return db_exec(
	    c, NULL, sql[SQL_AGAIN], "tii", o->id.text, o->claim, o->again_at);
}

/* Nobody waits for this: should it be lost, the message is sent once more, and
 * its message_id tells. */
static void
note(struct svc *s, const struct outbox_item *item, int64_t again_at)
{
	struct outcome *o = malloc(sizeof(*o));

	if (o == NULL)
		return;
	o->id = item->id;
	o->claim = item->publish_at;
	o->again_at = again_at;
	(void)db_write_later(s->db, note_change, o);
}

static enum err
publish(struct svc *s, const struct outbox_item *item, const char *request_id)
{
	struct broker_msg m = {
	    .queue = item->queue,
	    .body = item->body,
	    .len = item->len,
	    .message_id = item->id.text,
	    .request_id = request_id,
	};

	return broker_publish(s->broker, &m);
}

void
outbox_send(
    struct svc *s, const struct outbox_item *item, const char *request_id)
{
	enum err e = publish(s, item, request_id);

	note(s, item, e == ERR_OK ? 0 : clock_now_ms() + AGAIN_MS);
}

struct batch {
	struct arena *arena;
	int64_t now;
	struct outbox_item items[BATCH];
	int64_t due[BATCH];
	size_t n;
	int sent;
	const char *culprit; /* queue whose message the broker was lost at */
};

/* What is due, taken for a while so that no other process sends it too. */
static enum err
claim_change(struct db_conn *c, void *arg)
{
	struct batch *b = arg;
	struct outbox_item *item;
	struct db_stmt *s;
	const char *text;
	size_t i, len, bytes = 0;
	enum err e;

	b->n = 0;
	for (e = db_query(c, &s, sql[SQL_DUE], "iii", b->now,
		 b->now + TOO_FAR_MS, (int64_t)BATCH);
	     e == ERR_OK && b->n < BATCH && bytes < BATCH_BYTES;
	     e = db_next(s)) {
		b->due[b->n] = db_int(s, 4);
		item = &b->items[b->n++];
		item->publish_at = b->now + OUTBOX_FIRST_TRY_MS;
		text = db_text(s, 0, &len);
		(void)id_parse(text, len, &item->id);
		text = db_text(s, 1, &len);
		item->queue = arena_dup(b->arena, text, len);
		text = db_text(s, 2, &item->len);
		bytes += item->len;
		item->body = arena_dup(b->arena, text, item->len);
		if (item->queue == NULL || item->body == NULL) {
			e = ERR_NOMEM;
			break;
		}
		/* Ended before it could be sent: there is nothing to send. */
		if (!column_is(s, 3, JOB_WAITING))
			item->body = NULL;
	}
	if (s != NULL)
		db_end(s);
	for (i = 0; i < b->n && (e == ERR_OK || e == ERR_NOTFOUND); i++)
		e = db_exec(c, NULL, sql[SQL_CLAIM], "tiii",
		    b->items[i].id.text, b->now + OUTBOX_FIRST_TRY_MS, b->now,
		    b->now + TOO_FAR_MS);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static bool
anything_due(struct svc *s, int64_t now)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e;

	e = db_query(
	    c, &st, sql[SQL_DUE], "iii", now, now + TOO_FAR_MS, (int64_t)1);
	if (e == ERR_OK)
		db_end(st);
	db_read_end(s->db, c);
	return e == ERR_OK;
}

/*
 * Item i of a batch.  A broker that is down refuses them all, and then the rest
 * is given back untried; one that is up may refuse the messages of one queue.
 * Should such a queue be what brings it down, the messages of the others keep
 * their places before it, so that they are the next to go.
 */
static bool
send_one(struct svc *s, struct batch *b, size_t i)
{
	const struct outbox_item *item = &b->items[i];
	int64_t again_at = 0;
	enum err e = ERR_BROKER;

	if (item->body == NULL) {
		e = ERR_OK;
	} else if (b->culprit == NULL) {
		e = publish(s, item, "");
		if (e == ERR_OK)
			b->sent++;
		else if (broker_state(s->broker) != BROKER_UP)
			b->culprit = item->queue;
	} else if (strcmp(b->culprit, item->queue) != 0) {
		again_at = b->due[i];
	}
	if (e != ERR_OK && again_at == 0)
		again_at = clock_now_ms() + AGAIN_MS;
	note(s, item, again_at);
	return e == ERR_OK;
}

int
outbox_sweep(struct svc *s, struct arena *a)
{
	struct batch *b;
	bool failed = false;
	size_t i;

	if (!anything_due(s, clock_now_ms()))
		return 0;
	if ((b = arena_alloc(a, sizeof(*b))) == NULL)
		return -1;
	b->arena = a;
	b->now = clock_now_ms();
	b->sent = 0;
	b->culprit = NULL;
	if (db_write(s->db, claim_change, b) != ERR_OK)
		return -1;
	for (i = 0; i < b->n; i++)
		if (!send_one(s, b, i))
			failed = true;
	return failed ? -1 : b->sent;
}

int64_t
outbox_waiting(struct svc *s)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	int64_t n = -1;

	if (db_query(c, &st, sql[SQL_WAITING], "i", OUTBOX_COUNT_MAX) ==
	    ERR_OK) {
		n = db_int(st, 0);
		db_end(st);
	}
	db_read_end(s->db, c);
	return n;
}

void
outbox_run(struct svc *s, bool (*stopping)(void), void (*sleep_ms)(int))
{
	struct arena *a = arena_new();
	enum broker_state state;
	int sent;

	if (a == NULL) {
		log_error("no memory for the outbox");
		return;
	}
	while (!stopping()) {
		state = broker_state(s->broker);
		sent = 0;
		if (state == BROKER_UP || state == BROKER_UNKNOWN)
			sent = outbox_sweep(s, a);
		arena_reset(a);
		if (sent > 0)
			log_info("sent %d messages that were left over", sent);
		if (sent < BATCH)
			sleep_ms(SWEEP_EVERY_MS);
	}
	arena_free(a);
}
