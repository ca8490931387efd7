/*
 * Offers and signs.  Who gets a job is settled by one compare-and-set in a change.  An agent is
 * known by its name and by the client that has verified it, so that nobody without that
 * client's token speaks for it.
 */

#include "handout.h"

#include <string.h>

#include "best.h"
#include "clock.h"
#include "column.h"
#include "journal.h"
#include "queue.h"
#include "wait.h"

/* Of what an agent has in hand so much is looked at with a poll, and more with its next ones. */
#define OWN_MAX 64

enum { SQL_OWN, SQL_TAKE, SQL_AGAIN, SQL_BACK, SQL_RETURNED };

static const char *const sql[] = {
    /* Those marked as returned are done with. */
    [SQL_OWN] = "SELECT seq, id, queue, signed_at, offered_on "
		"FROM job WHERE agent = $1 AND ended_at IS NULL "
		"AND returned_at IS NULL AND coalesce(offered_to, '') = $2 "
		"ORDER BY seq LIMIT $3",
    /* The job that was found, if it is as it was found. */
    [SQL_TAKE] = "UPDATE job SET state = 'running', agent = $2, "
		 "started_at = $3, seed = 0, attempt = attempt + 1, "
		 "offered_at = $3, offered_to = $4, offered_on = $5, "
		 "signed_at = NULL, returned_at = NULL "
		 "WHERE seq = $1 AND state = 'waiting' AND ready = 1 "
		 "AND queue = $6 AND secrets = $7 "
		 "AND (excludes = '' OR $8 <> 0) "
		 "RETURNING id, body, attachments, client_id, queue, "
		 "created_at, started_at, attempt",
    [SQL_AGAIN] = "UPDATE job SET offered_at = $2, offered_on = $3 "
		  "WHERE seq = $1 "
		  "RETURNING id, body, attachments, client_id, queue, "
		  "created_at, started_at, attempt",
    /* Its message may be gone from the broker by now. */
    [SQL_BACK] = "UPDATE job SET state = 'waiting', agent = NULL, "
		 "started_at = NULL, offered_at = NULL, offered_to = NULL, "
		 "offered_on = NULL, publish_at = coalesce($2, publish_at) "
		 "WHERE seq = $1",
    [SQL_RETURNED] = "UPDATE job SET returned_at = $2 WHERE seq = $1",
};

struct taking {
	const struct handout_ask *ask;
	struct arena *arena;
	int64_t now;
	bool publish; /* what goes back is published again */
	bool gone_back; /* something has, and others may take it */
	struct job *out;
};

/* A job that the agent has in hand already, and not returned from. */
struct own {
	int64_t seq;
	struct id id;
	bool is_signed;
	bool wanted; /* its queue is asked for */
	bool arrived; /* the answer that offered it */
};

static bool
is_asked(const struct handout_ask *ask, const char *queue)
{
	size_t i;

	for (i = 0; i < ask->n; i++)
		if (strcmp(ask->queues[i], queue) == 0)
			return true;
	return false;
}

static enum err
read_own(struct db_conn *c, const struct taking *t, struct own out[OWN_MAX],
    size_t *n)
{
	const struct handout_ask *ask = t->ask;
	const char *text, *on = ask->connection;
	struct db_stmt *s;
	struct own *o;
	size_t len;
	enum err e;

	*n = 0;
	for (e = db_query(c, &s, sql[SQL_OWN], "tti", ask->agent,
		 ask->client != NULL ? ask->client : "", (int64_t)OWN_MAX);
	     e == ERR_OK && *n < OWN_MAX; e = db_next(s)) {
		o = &out[(*n)++];
		o->seq = db_int(s, 0);
		text = db_text(s, 1, &len);
		(void)id_parse(text, len, &o->id);
		o->wanted = is_asked(ask, db_text(s, 2, NULL));
		o->is_signed = !db_is_null(s, 3);
		text = db_text(s, 4, NULL);
		o->arrived = text != NULL && on != NULL && on[0] != '\0' &&
			     strcmp(text, on) == 0;
	}
	if (s != NULL)
		db_end(s);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Is there something to do about it? */
static bool
concerns(const struct own *o)
{
	return o->is_signed || !o->wanted || !o->arrived;
}

static enum err
fits(struct db_conn *c, const struct best_job *j, void *arg, bool *out)
{
	const struct handout_ask *ask = arg;
	bool excluded;
	enum err e = best_excludes(c, j, ask->agent, &excluded);

	*out = e == ERR_OK && !excluded;
	return e;
}

/* A job that may be taken, and of which queue. */
struct choice {
	struct best_job job;
	const char *queue; /* NULL: none so far */
};

/* The first job of this queue for ask, if ask may take from it and the job goes before
 * the one in best, where there is one. */
static enum err
look(struct db_conn *c, const struct handout_ask *ask, const char *queue,
    struct choice *best)
{
	bool verified = ask->client != NULL, restricted = false;
	struct best_job j = {.seq = 0};
	enum err e;

	e = best_find(
	    c, queue, verified, NULL, fits, (void *)(uintptr_t)ask, &j);
	if (e != ERR_OK ||
	    (best->queue != NULL && !best_before(&j, &best->job)))
		return e == ERR_NOTFOUND ? ERR_OK : e;
	if (!verified)
		e = queue_is_restricted(c, queue, &restricted);
	if (e == ERR_OK && !restricted)
		*best = (struct choice){j, queue};
	return e;
}

/* The best of all queues, a few index look-ups for each; of as many as it takes to find one,
 * if any will do.  ERR_NOTFOUND: none. */
static enum err
best(struct db_conn *c, const struct handout_ask *ask, bool any,
    struct choice *out)
{
	enum err e = ERR_OK;
	size_t i;

	*out = (struct choice){.queue = NULL};
	for (i = 0; e == ERR_OK && i < ask->n && !(any && out->queue != NULL);
	     i++)
		e = look(c, ask, ask->queues[i], out);
	return e != ERR_OK || out->queue != NULL ? e : ERR_NOTFOUND;
}

/* The job that s returns, and s to its end. */
static enum err
read_job(const struct taking *t, struct db_stmt *s, const char **queue,
    int64_t *waited, int64_t *attempt)
{
	struct job *out = t->out;
	bool failed = false;
	const char *text;
	size_t len;
	enum err e = ERR_OK;

	*out = (struct job){.state = JOB_RUNNING};
	text = db_text(s, 0, &len);
	(void)id_parse(text, len, &out->id);
	out->body = column_text(t->arena, s, 1, &out->body_len, &failed);
	out->attachments = column_text(t->arena, s, 2, NULL, &failed);
	out->client_id = column_text(t->arena, s, 3, NULL, &failed);
	*queue = column_text(t->arena, s, 4, NULL, &failed);
	out->started_at = db_int(s, 6);
	*waited = out->started_at - db_int(s, 5);
	*attempt = db_int(s, 7);
	while (e == ERR_OK)
		e = db_next(s);
	db_end(s);
	if (failed)
		return ERR_NOMEM;
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
note_offer(struct db_conn *c, const struct taking *t, const char *kind,
    int64_t attempt)
{
	const struct journal_item items[] = {
	    {"agent", t->ask->agent, 0, 0}, {"attempt", NULL, attempt, 0}};

	return journal_add(c, kind, t->out->id.text, items, 2);
}

static enum err
offer(struct db_conn *c, const struct taking *t, const struct choice *x)
{
	const struct handout_ask *ask = t->ask;
	int64_t waited = 0, attempt = 0;
	const char *queue = "";
	struct db_stmt *s;
	enum err e;

	e = db_query(c, &s, sql[SQL_TAKE], "ititttii", x->job.seq, ask->agent,
	    t->now, ask->client, ask->connection, x->queue,
	    (int64_t)x->job.secrets, (int64_t)x->job.excludes);
	if (e == ERR_OK)
		e = read_job(t, s, &queue, &waited, &attempt);
	if (e == ERR_OK)
		e = note_offer(c, t, "job.offered", attempt);
	return e == ERR_OK ? wait_note(c, queue, waited > 0 ? waited / 1000 : 0)
			   : e;
}

static enum err
offer_again(struct db_conn *c, const struct taking *t, int64_t seq)
{
	int64_t waited = 0, attempt = 0;
	const char *queue;
	struct db_stmt *s;
	enum err e;

	e = db_query(
	    c, &s, sql[SQL_AGAIN], "iit", seq, t->now, t->ask->connection);
	if (e == ERR_OK)
		e = read_job(t, s, &queue, &waited, &attempt);
	return e == ERR_OK ? note_offer(c, t, "job.offered_again", attempt) : e;
}

enum err
handout_back(struct db_conn *c, int64_t seq, const struct id *id,
    int64_t publish_at, const char *why)
{
	const struct journal_item item = {"reason", why, 0, 0};
	enum err e;

	e = db_exec(c, NULL, sql[SQL_BACK], publish_at > 0 ? "ii" : "in", seq,
	    publish_at);
	return e == ERR_OK ? journal_add(c, "job.returned", id->text, &item, 1)
			   : e;
}

/* What the agent's coming means for a job that it has in hand. */
static enum err
settle(struct db_conn *c, const struct taking *t, const struct own *o)
{
	enum err e;

	if (!o->is_signed)
		return handout_back(c, o->seq, &o->id, t->publish ? t->now : 0,
		    "its agent does not ask for the queue any more");
	e = db_exec(c, NULL, sql[SQL_RETURNED], "ii", o->seq, t->now);
	return e == ERR_OK
		   ? journal_add(c, "job.agent_returned", o->id.text, NULL, 0)
		   : e;
}

/* The best there is.  Each queue may have a wrong front, which is mended once. */
static enum err
offer_best(struct db_conn *c, const struct taking *t)
{
	struct choice x;
	size_t i;
	enum err e = ERR_NOTFOUND;

	for (i = 0; i <= t->ask->n; i++) {
		if ((e = best(c, t->ask, false, &x)) != ERR_OK ||
		    (e = offer(c, t, &x)) != ERR_NOTFOUND ||
		    (e = best_mend(c, x.queue)) != ERR_OK)
			break;
	}
	return e;
}

struct changing {
	struct taking *t;
	bool
	    nothing; /* there is no job for the agent, whatever else was changed */
};

static enum err
take_change(struct db_conn *c, void *arg)
{
	struct changing *x = arg;
	struct taking *t = x->t;
	struct own own[OWN_MAX];
	const struct own *again = NULL;
	size_t i, n;
	enum err e;

	/* By the clock that the change finds: it may have been set while this waited. */
	t->now = clock_now_ms();
	x->nothing = false;
	t->gone_back = false;
	if ((e = read_own(c, t, own, &n)) != ERR_OK)
		return e;
	for (i = 0; i < n; i++) {
		if (!concerns(&own[i]))
			continue;
		if (!own[i].is_signed && own[i].wanted) {
			if (again == NULL)
				again = &own[i];
		} else if ((e = settle(c, t, &own[i])) != ERR_OK) {
			return e;
		} else {
			t->gone_back |= !own[i].is_signed;
		}
	}
	if (again != NULL)
		return offer_again(c, t, again->seq);
	e = offer_best(c, t);
	/* What was settled stays so. */
	x->nothing = e == ERR_NOTFOUND;
	return x->nothing ? ERR_OK : e;
}

/* What the answer depends on where the agent has nothing in hand. */
static void
ask_store(struct db *db, const struct handout_ask *ask, struct db_question *q)
{
	size_t i;

	db_ask(db, q);
	db_ask_of(db, q, ask->agent);
	db_ask_of(db, q, ask->client != NULL ? "verified" : "");
	db_ask_of(db, q, ask->client);
	for (i = 0; i < ask->n; i++)
		db_ask_of(db, q, ask->queues[i]);
}

/* Most polls find nothing: look before taking a turn at the writer, which finds the best. */
static enum err
anything(struct svc *s, const struct taking *t)
{
	struct own own[OWN_MAX];
	struct db_question q;
	struct db_conn *c;
	bool found = false;
	struct choice x;
	size_t i, n;
	enum err e;

	ask_store(s->db, t->ask, &q);
	if (db_had_nothing(s->db, &q))
		return ERR_NOTFOUND;
	/* Whatever it did before is over.  That it told so was a commit, so one that is known to
	 * find nothing has done nothing since. */
	seen_touch(s->seen, SEEN_POLL, t->ask->agent, clock_now_ms());
	c = db_read_once(s->db);
	e = read_own(c, t, own, &n);
	for (i = 0; e == ERR_OK && i < n; i++)
		found |= concerns(&own[i]);
	if (e == ERR_OK && !found)
		e = best(c, t->ask, true, &x);
	db_read_end(s->db, c);
	if (e == ERR_NOTFOUND && n == 0)
		db_note_nothing(s->db, &q);
	return e;
}

enum err
handout_take(struct svc *s, struct arena *a, const struct handout_ask *ask,
    struct job *out)
{
	struct taking t = {
	    .ask = ask,
	    .arena = a,
	    .publish = s->has_broker,
	    .out = out,
	};
	struct changing x = {.t = &t};
	enum err e;

	if ((e = anything(s, &t)) != ERR_OK)
		return e;
	e = db_write(s->db, take_change, &x);
	if (e == ERR_OK && t.gone_back)
		wake_say(s->wake, WAKE_ANY, "");
	return e == ERR_OK && x.nothing ? ERR_NOTFOUND : e;
}
