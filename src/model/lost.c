/*
 * One thread watches: at each look it compares the last word of each started job with the
 * one of the look before, and counts for how long that has not changed.  What it knows is
 * in memory alone, so that a server that starts knows of no silence yet.
 */

#include "lost.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "id.h"
#include "journal.h"
#include "lost_policy.h"
#include "retry.h"
#include "secret.h"

#define PAGE 500
#define DUE_MAX 100
#define STEP_MAX_MS ((int64_t)3 * LOST_LOOK_MS)

enum { SQL_STARTED, SQL_HEARD, SQL_MARK, SQL_END };

static const char *const sql[] = {
    [SQL_STARTED] =
	"SELECT seq, id, agent, state, lost_at, returned_at, lost_policy "
	"FROM job WHERE signed_at IS NOT NULL AND ended_at IS NULL "
	"AND seq > $1 ORDER BY seq LIMIT $2",
    [SQL_HEARD] = "UPDATE job SET lost_at = NULL WHERE seq = $1 "
		  "AND lost_at IS NOT NULL AND ended_at IS NULL",
    /* One whose agent has returned ends by RETURN_GRACE; and another process may have
     * marked it meanwhile. */
    [SQL_MARK] = "UPDATE job SET lost_at = coalesce(lost_at, $2) "
		 "WHERE seq = $1 AND ended_at IS NULL "
		 "AND returned_at IS NULL "
		 "AND (lost_at IS NOT NULL) = ($3 = 1)",
    [SQL_END] = "UPDATE job SET state = 'cancelled', ended_at = $2, late = 1, "
		"reason = $3 WHERE seq = $1",
};

/* Where agents ask every ten seconds to a minute; in all other states they may be quiet. */
static const char *const lively[] = {
    "setup", "firmware_update", "test", "allocate", "allocated", "cleanup"};

struct watch {
	int64_t seq;
	int64_t
	    word; /* when it was heard of last, by the map; 0 also: it is to be heard yet */
	int64_t since; /* watched time at which that was new */
};

struct watches {
	struct watch *list; /* in the order of seq */
	size_t n, room;
};

/* A job with which something is to be done. */
struct due {
	int64_t seq, word, silent_ms;
	size_t at; /* of its watch */
	struct id id;
	const char *agent, *state;
	size_t state_len;
	bool heard; /* again; else it is lost */
	bool marked;
	enum lost_policy policy;
};

struct lost {
	struct watches before, now;
	size_t at; /* in before, by which now is made */
	int64_t watched, mono;
	bool begun;
	struct due due[DUE_MAX];
	size_t n_due;
	int64_t
	    due_after; /* seq: those up to it had their turn at the last look */
	struct arena *arena; /* of due */
	struct arena *scratch;
};

struct lost *
lost_new(void)
{
	struct lost *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->arena = arena_new();
	l->scratch = arena_new();
	l->due_after = INT64_MIN;
	if (l->arena != NULL && l->scratch != NULL)
		return l;
	lost_free(l);
	return NULL;
}

void
lost_free(struct lost *l)
{
	free(l->before.list);
	free(l->now.list);
	arena_free(l->arena);
	arena_free(l->scratch);
	free(l);
}

/* A step of more than STEP_MAX_MS was not watched. */
static void
advance(struct lost *l, int64_t mono_ms)
{
	int64_t step = l->begun ? mono_ms - l->mono : 0;

	l->watched += step < STEP_MAX_MS ? step : STEP_MAX_MS;
	l->mono = mono_ms;
	l->begun = true;
}

/* When the agent, or anybody without a name for it, was heard of. */
static int64_t
last_word(struct svc *s, const char *agent, const char *id)
{
	int64_t now = clock_now_ms(), of_agent = 0;
	int64_t of_job = seen_last(s->seen, SEEN_JOB, id, now);

	if (agent != NULL)
		of_agent = seen_last(s->seen, SEEN_AGENT, agent, now);
	return of_agent > of_job ? of_agent : of_job;
}

/* From now on requests are noted as words of it. */
static void
listen_for(struct svc *s, const char *agent, const char *id)
{
	int64_t now = clock_now_ms();

	seen_keep(s->seen, SEEN_JOB, id, now);
	if (agent != NULL)
		seen_keep(s->seen, SEEN_AGENT, agent, now);
}

/* What was known of the job; NULL: nothing. */
static const struct watch *
known(struct lost *l, int64_t seq)
{
	const struct watches *b = &l->before;

	while (l->at < b->n && b->list[l->at].seq < seq)
		l->at++;
	return l->at < b->n && b->list[l->at].seq == seq ? &b->list[l->at]
							 : NULL;
}

static enum err
watch(struct watches *w, const struct watch *what)
{
	size_t room = w->room == 0 ? 64 : 2 * w->room;
	struct watch *list;

	if (w->n == w->room) {
		list = realloc(w->list, room * sizeof(*list));
		if (list == NULL)
			return ERR_NOMEM;
		w->list = list;
		w->room = room;
	}
	w->list[w->n++] = *what;
	return ERR_OK;
}

int64_t
lost_allowed_ms(const struct conf *conf, const char *state)
{
	bool asks_often = state == NULL;
	size_t i;

	for (i = 0; i < sizeof(lively) / sizeof(lively[0]) && !asks_often; i++)
		asks_often = strcmp(lively[i], state) == 0;
	return 1000 * conf_int(conf, asks_often
					 ? CONF_AGENT_LOST_TIMEOUT
					 : CONF_AGENT_LOST_TIMEOUT_QUIET);
}

static enum lost_policy
policy_of(const struct conf *conf, const char *own)
{
	const char *word =
	    own != NULL ? own : conf_str(conf, CONF_AGENT_LOST_POLICY);

	return lost_policy_of(word);
}

/* Else something is done about it at the next look, before those that had their turn and are
 * still due, since it has failed. */
static bool
has_turn(const struct lost *l, int64_t seq)
{
	return l->n_due < DUE_MAX && seq > l->due_after;
}

/* Note that something is to be done. */
static enum err
add_due(struct lost *l, struct db_stmt *st, const struct due *d)
{
	struct due *new = &l->due[l->n_due];
	const char *text;
	size_t len;

	*new = *d;
	text = db_text(st, 1, &len);
	(void)id_parse(text, len, &new->id);
	text = db_text(st, 2, &len);
	new->agent = text != NULL ? arena_dup(l->arena, text, len) : "";
	text = db_text(st, 3, &new->state_len);
	new->state = arena_dup(l->arena, text, new->state_len);
	if (new->agent == NULL || new->state == NULL)
		return ERR_NOMEM;
	l->n_due++;
	return ERR_OK;
}

/* One started job, as st has it. */
static enum err
observe(struct lost *l, struct svc *s, struct db_stmt *st)
{
	const char *id = db_text(st, 1, NULL), *agent = db_text(st, 2, NULL);
	bool marked = !db_is_null(st, 4), returned = !db_is_null(st, 5);
	const struct watch *old = known(l, db_int(st, 0));
	struct watch w = {db_int(st, 0), last_word(s, agent, id), l->watched};
	int64_t most = lost_allowed_ms(s->conf, db_text(st, 3, NULL));
	struct due d = {.seq = w.seq, .word = w.word, .marked = marked};
	enum err e;

	listen_for(s, agent, id);
	if (old != NULL && old->word == w.word)
		w.since = old->since;
	/* What was said before the first look, the mark itself tells. */
	d.heard = marked && w.word > (old != NULL ? old->word : db_int(st, 4));
	if (d.heard && !has_turn(l, w.seq))
		w.word = 0;
	if ((e = watch(&l->now, &w)) != ERR_OK)
		return e;
	d.at = l->now.n - 1;
	d.silent_ms = l->watched - w.since;
	d.policy = policy_of(s->conf, db_text(st, 6, NULL));
	if (!d.heard && (returned || most == 0 || d.silent_ms < most ||
			    (marked && d.policy == LOST_WAIT)))
		return ERR_OK;
	return has_turn(l, d.seq) ? add_due(l, st, &d) : ERR_OK;
}

static enum err
observe_page(struct lost *l, struct svc *s, int64_t *after, int64_t *n)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e, e2 = ERR_OK;

	*n = 0;
	for (e = db_query(
		 c, &st, sql[SQL_STARTED], "ii", *after, (int64_t)PAGE);
	     e == ERR_OK && e2 == ERR_OK; e = db_next(st)) {
		(*n)++;
		*after = db_int(st, 0);
		e2 = observe(l, s, st);
	}
	if (st != NULL)
		db_end(st);
	db_read_end(s->db, c);
	if (e2 != ERR_OK)
		return e2;
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
observe_all(struct lost *l, struct svc *s)
{
	struct watches swap = l->before;
	int64_t after = INT64_MIN, n;
	enum err e;

	l->now.n = l->at = l->n_due = 0;
	do
		e = observe_page(l, s, &after, &n);
	while (e == ERR_OK && n == PAGE);
	/* A look that failed was none. */
	if (e != ERR_OK)
		return e;
	l->before = l->now;
	l->now = swap;
	return ERR_OK;
}

struct acting {
	struct svc *s;
	const struct due *d;
	const struct retry *retry; /* NULL: not to be run once more */
	int64_t now;
	bool done, retried;
};

static enum err
hear(struct db_conn *c, struct acting *x)
{
	int64_t n = 0;
	enum err e = db_exec(c, &n, sql[SQL_HEARD], "i", x->d->seq);

	x->done = n > 0;
	return e == ERR_OK && n > 0
		   ? journal_add(c, "job.heard", x->d->id.text, NULL, 0)
		   : e;
}

static enum err
note_lost(struct db_conn *c, const struct due *d)
{
	const struct journal_item items[] = {
	    {"agent", d->agent, 0, 0},
	    {"state", d->state, 0, d->state_len},
	    {"silent_s", NULL, d->silent_ms / 1000, 0},
	};

	return journal_add(c, "job.lost", d->id.text, items, 3);
}

/* As an agent's return without a result does after its grace. */
static enum err
end_job(struct db_conn *c, const struct acting *x, const char *reason)
{
	const struct journal_item item = {"reason", reason, 0, 0};
	enum err e;

	e = db_exec(c, NULL, sql[SQL_END], "iit", x->d->seq, x->now, reason);
	if (e == ERR_OK)
		e = secret_spend(c, x->d->id.text);
	return e == ERR_OK
		   ? journal_add(c, "job.ended", x->d->id.text, &item, 1)
		   : e;
}

static enum err
end_and_retry(struct db_conn *c, struct acting *x)
{
	const char *reason = LOST_REASON;
	enum err e = ERR_OK;

	if (x->retry != NULL && x->retry->why_not == NULL) {
		e = retry_make(c, x->s, x->retry, x->now);
		x->retried = e == ERR_OK;
		if (e == ERR_CONFLICT) {
			reason = LOST_REASON ", and its attachments cannot be "
					     "given to a retry";
			e = ERR_OK;
		}
	} else if (x->retry != NULL) {
		reason = x->retry->why_not;
	}
	return e == ERR_OK ? end_job(c, x, reason) : e;
}

static enum err
lose(struct db_conn *c, struct acting *x)
{
	const struct due *d = x->d;
	int64_t n = 0;
	enum err e;

	/* It may have spoken since the look. */
	if (last_word(x->s, d->agent, d->id.text) != d->word)
		return ERR_OK;
	e = db_exec(
	    c, &n, sql[SQL_MARK], "iii", d->seq, x->now, (int64_t)d->marked);
	if (e != ERR_OK || n == 0)
		return e;
	x->done = true;
	if (!d->marked)
		e = note_lost(c, d);
	return e == ERR_OK && d->policy != LOST_WAIT ? end_and_retry(c, x) : e;
}

static enum err
act_change(struct db_conn *c, void *arg)
{
	struct acting *x = arg;

	/* The clock may have been set while this waited. */
	x->now = clock_now_ms();
	return x->d->heard ? hear(c, x) : lose(c, x);
}

static enum err
act(struct lost *l, struct svc *s, const struct due *d, int64_t *n)
{
	struct acting x = {.s = s, .d = d};
	struct retry retry = {.queue = NULL};
	enum err e;

	if (!d->heard && d->policy == LOST_RETRY) {
		e = retry_plan(s, l->scratch, d->seq, &retry);
		if (e != ERR_OK)
			return e == ERR_NOTFOUND ? ERR_OK : e;
		x.retry = &retry;
	}
	e = db_write(s->db, act_change, &x);
	*n += e == ERR_OK && x.done;
	/* Also where it was made in part. */
	if (x.retry != NULL && retry.why_not == NULL &&
	    (e != ERR_OK || !x.retried))
		retry_undo(s, &retry);
	if (e == ERR_OK && x.retried)
		wake_say(s->wake, WAKE_QUEUE, retry.queue);
	return e;
}

/* Whether the store refuses, which it would for the others too. */
static bool
ends_round(enum err e)
{
	return e == ERR_BUSY || e == ERR_FULL || e == ERR_IO ||
	       e == ERR_DAMAGED;
}

enum err
lost_look(struct lost *l, struct svc *s, int64_t mono_ms, int64_t *n)
{
	enum err e, first = ERR_OK;
	const struct due *d;
	size_t i;

	*n = 0;
	advance(l, mono_ms);
	if (s->seen == NULL)
		return ERR_OK;
	if ((first = observe_all(l, s)) != ERR_OK)
		l->n_due = 0;
	l->due_after =
	    l->n_due == DUE_MAX ? l->due[DUE_MAX - 1].seq : INT64_MIN;
	for (i = 0; i < l->n_due; i++) {
		d = &l->due[i];
		e = ends_round(first) ? first : act(l, s, d, n);
		if (e != ERR_OK && d->heard)
			l->before.list[d->at].word = 0;
		if (e != ERR_OK && (first == ERR_OK || ends_round(e)))
			first = e;
		arena_reset(l->scratch);
	}
	arena_reset(l->arena);
	return first;
}
