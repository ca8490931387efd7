/* Reasons as the store shows them at one moment; each is looked at by itself, so a job that
 * is taken meanwhile may be told to wait once more. */

#include "explain.h"

#include <string.h>

#include "clock.h"
#include "column.h"
#include "explain_agents.h"
#include "explain_ahead.h"
#include "explain_word.h"
#include "job.h"
#include "job_secrets.h"
#include "journal.h"
#include "js_escape.h"
#include "queue.h"
#include "secret.h"
#include "wait.h"

#define HISTORY_MAX 100
/* So many jobs in hand, of any queue, are looked at. */
#define HANDS_MAX 1000

enum { SQL_JOB, SQL_HANDS };

static const char *const sql[] = {
    [SQL_JOB] = "SELECT seq, queue, priority, state, ready, secrets, reason, "
		"ended_at, signed_at, returned_at, lost_at, retried_as, agent, "
		"coalesce(started_at, created_at), client_id, "
		"CASE WHEN secrets <> 0 AND state = 'waiting' THEN body END "
		"FROM job WHERE id = $1",
    /* How many have a job of the queue $1 in hand and may take the job $2, and one. */
    [SQL_HANDS] =
	"SELECT count(DISTINCT h.agent), min(h.agent) FROM ("
	"SELECT agent, queue, state FROM job INDEXED BY job_agent "
	"WHERE agent IS NOT NULL AND ended_at IS NULL LIMIT $3) AS h "
	"WHERE h.queue = $1 AND h.state <> '" JOB_WAITING "' "
	"AND NOT EXISTS (SELECT 1 FROM job_exclude x WHERE x.job = $2 "
	"AND x.agent = h.agent)",
};

struct explaining {
	struct svc *s;
	struct db_conn *c;
	struct arena *a;
	struct buf reasons;
	/* The job. */
	struct explain_place at;
	const char *state, *reason, *retried_as;
	const char *agent; /* that has or had it; NULL: none */
	char since[CLOCK_TEXT_LEN], ended_at[CLOCK_TEXT_LEN];
	size_t state_len;
	bool waits, ready, secrets, ended, is_signed, returned, lost;
	const char
	    *client; /* whose secrets it names; NULL: nobody's any more */
	const char *body; /* where it waits and names some, else NULL */
	size_t body_len;
	const char *missing; /* those that are not there; NULL: none */
	struct explain_agents agents;
};

static enum err
read_job(struct explaining *x, const struct id *id)
{
	struct db_stmt *s;
	bool failed = false;
	enum err e;

	if ((e = db_query(x->c, &s, sql[SQL_JOB], "t", id->text)) != ERR_OK)
		return e;
	x->at.seq = db_int(s, 0);
	x->at.queue = column_text(x->a, s, 1, NULL, &failed);
	x->at.priority = db_int(s, 2);
	x->state = column_text(x->a, s, 3, &x->state_len, &failed);
	x->waits = column_is(s, 3, JOB_WAITING);
	x->ready = db_int(s, 4) != 0;
	x->secrets = db_int(s, 5) != 0;
	x->reason = column_text(x->a, s, 6, NULL, &failed);
	x->ended = !db_is_null(s, 7);
	clock_text(db_int(s, 7), x->ended_at);
	x->is_signed = !db_is_null(s, 8);
	x->returned = !db_is_null(s, 9);
	x->lost = !db_is_null(s, 10);
	x->retried_as = column_text(x->a, s, 11, NULL, &failed);
	x->agent = column_text(x->a, s, 12, NULL, &failed);
	clock_text(db_int(s, 13), x->since);
	x->client = column_text(x->a, s, 14, NULL, &failed);
	x->body = column_text(x->a, s, 15, &x->body_len, &failed);
	db_end(s);
	return failed ? ERR_NOMEM : ERR_OK;
}

/* Borrows a reader of its own. */
static enum err
find_missing(struct explaining *x)
{
	const char **paths;
	size_t n;
	enum err e;

	if (x->body == NULL)
		return ERR_OK;
	e = job_secrets_named(x->a, x->body, x->body_len, &paths, &n);
	if (e != ERR_OK || n == 0)
		return e;
	return secret_missing(x->s, x->a, x->client != NULL ? x->client : "",
	    paths, n, false, &x->missing);
}

static bool
in_hand(const struct explaining *x)
{
	return !x->waits && !x->ended && x->agent != NULL;
}

/* One reason: a word for programs, and a sentence. */
static void
because(struct explaining *x, const char *code, const char *text)
{
	buf_printf(&x->reasons,
	    "%s{\"code\":\"%s\",\"text\":", x->reasons.len > 0 ? "," : "",
	    code);
	if (text == NULL) {
		x->reasons.failed = true;
		return;
	}
	js_put_string(&x->reasons, text, strlen(text));
	buf_char(&x->reasons, '}');
}

static const char *
ahead_text(const struct explaining *x, const struct explain_ahead *h)
{
	const char *some = "", *are = " jobs are";

	if (h->n == EXPLAIN_AHEAD_MAX)
		are = " or more jobs are";
	else if (h->n == 1)
		are = " job is";
	if (h->token > 0)
		some = arena_printf(x->a,
		    ", %lld of them only for an agent that shows a token",
		    (long long)h->token);
	if (some == NULL)
		return NULL;
	return arena_printf(x->a,
	    "%lld%s before it on the queues of the agents that may take "
	    "it%s.",
	    (long long)h->n, are, some);
}

/* One that only asks for work, or claims, has told no queues and serves it all the same. */
static enum err
say_no_agent(struct explaining *x)
{
	const char *has = "", *name, *more;
	bool failed = false;
	struct db_stmt *s;
	int64_t n;
	enum err e;

	e = db_query(x->c, &s, sql[SQL_HANDS], "tii", x->at.queue, x->at.seq,
	    (int64_t)HANDS_MAX);
	if (e != ERR_OK)
		return e;
	n = db_int(s, 0);
	name = column_text(x->a, s, 1, NULL, &failed);
	db_end(s);
	if (failed)
		return ERR_NOMEM;
	more = n == 1	? "has a job"
	       : n == 2 ? "and one more have jobs"
			: arena_printf(x->a, "and %lld more have jobs",
			      (long long)n - 1);
	if (n > 0 && more != NULL)
		has =
		    arena_printf(x->a, ", but %s %s of it in hand", name, more);
	if (more == NULL || has == NULL)
		return ERR_NOMEM;
	because(x, "no_agent",
	    arena_printf(x->a,
		"No agent has said that it serves the queue%s. An agent says "
		"its queues by POST /v1/agents/data/<name>.",
		has));
	return ERR_OK;
}

/* Of the agents on the queue, some; so many may take it, and none of these is there. */
static void
say_none_is_here(struct explaining *x, unsigned may)
{
	const char *some =
	    x->agents.n_excluded > 0 ? " that it does not exclude" : "";

	if (may == 0)
		because(x, "all_excluded",
		    "Each agent on the queue is one that the job excludes. "
		    "Submit it with fewer exclude_agents.");
	else if (x->agents.n_silent == may)
		because(x, "all_silent",
		    arena_printf(x->a,
			"Each agent on the queue%s has said nothing for "
			"longer than the server allows. See whether they run "
			"and reach the server.",
			some));
	else
		because(x, "all_away",
		    arena_printf(x->a,
			"Each agent on the queue%s is offline, in maintenance "
			"or restarting, or silent. See agents for their "
			"states and comments.",
			some));
}

static void
say_all_busy(struct explaining *x, unsigned away)
{
	const char *how = "has another job in hand";

	if (x->agents.n_ended == x->agents.n_busy)
		how = "says that it is still at a job that has ended";
	else if (x->agents.n_ended > 0)
		how = "has another job in hand, or says that it is still at "
		      "one that has ended";
	if (away == 0)
		because(x, "all_busy",
		    arena_printf(x->a, "Each agent that may take it %s.", how));
	else
		because(x, "all_busy",
		    arena_printf(x->a,
			"Each agent that may take it %s, but for %u that %s "
			"offline, in maintenance or restarting, or silent.",
			how, away, away == 1 ? "is" : "are"));
}

static void
say_what_it_needs(struct explaining *x, bool restricted)
{
	if (restricted)
		because(x, "restricted",
		    "The queue is restricted: only agents that show a token "
		    "get its jobs. Give its agents one.");
	if (x->secrets)
		because(x, "secrets",
		    "The job names secrets: only agents that show a token get "
		    "it. Give the agents of its queue one.");
}

/* It is handed out all the same. */
static void
say_what_is_missing(struct explaining *x)
{
	if (x->missing == NULL)
		return;
	if (x->client == NULL || x->client[0] == '\0')
		because(x, "secrets_missing",
		    arena_printf(x->a,
			"The client that submitted it was removed, and its "
			"secrets with it: an agent gets the job with empty "
			"values for %s. Cancel it, and submit it by another "
			"client.",
			x->missing));
	else
		because(x, "secrets_missing",
		    arena_printf(x->a,
			"%s has no such secrets any more, as they were removed "
			"or have expired: an agent gets the job with empty "
			"values for %s. Put them anew by PUT "
			"/v1/secrets/<client_id>/<path>, or cancel the job.",
			x->client, x->missing));
}

/* What stands in the way, the plainest first. */
static enum err
say_why_it_waits(struct explaining *x, const struct explain_ahead *h)
{
	unsigned may = x->agents.n - x->agents.n_excluded, here;
	bool restricted;
	enum err e;

	here = may - x->agents.n_silent - x->agents.n_away;
	if ((e = queue_is_restricted(x->c, x->at.queue, &restricted)) != ERR_OK)
		return e;
	if (!x->ready)
		because(x, "attachments_missing",
		    "Its attachments have not been uploaded yet. Send them by "
		    "POST /v1/job/<job_id>/attachments.");
	if (x->agents.n == 0 && (e = say_no_agent(x)) != ERR_OK)
		return e;
	if (x->agents.n > 0 && here == 0)
		say_none_is_here(x, may);
	say_what_it_needs(x, restricted);
	say_what_is_missing(x);
	if (h->n > 0)
		because(x, "jobs_ahead", ahead_text(x, h));
	if (here > 0 && x->agents.n_busy >= here)
		say_all_busy(x, may - here);
	if (x->reasons.len == 0 && here > 0)
		because(x, "soon", "An agent may take it with its next poll.");
	return ERR_OK;
}

/* Of a job in hand, which is an agent's unless it was never handed out. */
static void
say_in_hand(struct explaining *x)
{
	const char *code = "running", *how = "works on it";

	if (x->returned) {
		code = "agent_returned";
		how = "has asked for work again and told no result";
	} else if (x->lost) {
		code = "agent_lost";
		how = "has said nothing for longer than its phase allows";
	} else if (x->agent != NULL && !x->is_signed) {
		code = "offered";
		how = "has shown no sign of it yet";
	}
	if (x->agent == NULL)
		because(x, code,
		    "It was not handed out; who reports on it works on it.");
	else
		because(x, code,
		    arena_printf(x->a,
			"Its agent %s, which has had it since %s, %s.",
			x->agent, x->since, how));
}

/* The job has ended, and its agent may not know it. */
static enum err
say_still_runs(struct explaining *x, const struct id *id)
{
	char heard[CLOCK_TEXT_LEN];
	struct explain_word w;
	enum err e;

	if (!x->ended || x->agent == NULL)
		return ERR_OK;
	if ((e = explain_word(x->s, x->c, x->a, x->agent, &w)) != ERR_OK)
		return e;
	if (!w.at_it || strcmp(w.job.text, id->text) != 0)
		return ERR_OK;
	clock_text(w.heard_at, heard);
	because(x, "agent_still_runs",
	    arena_printf(x->a,
		"Its agent %s says that it is at it, in %s, and may still be "
		"running it. It was heard of last at %s.",
		x->agent, w.phase, heard));
	return ERR_OK;
}

static enum err
say_what_became(struct explaining *x, const struct id *id)
{
	enum err e;

	if (x->ended && x->reason != NULL)
		because(x, "ended",
		    arena_printf(
			x->a, "It ended at %s: %s.", x->ended_at, x->reason));
	else if (x->ended)
		because(x, "ended",
		    arena_printf(x->a, "It ended at %s as its agent said.",
			x->ended_at));
	else
		say_in_hand(x);
	if ((e = say_still_runs(x, id)) != ERR_OK)
		return e;
	if (x->retried_as != NULL)
		because(x, "retried",
		    arena_printf(
			x->a, "It runs once more as %s.", x->retried_as));
	return ERR_OK;
}

static enum err
put_all(struct explaining *x, const struct id *id,
    const struct explain_ahead *h, struct buf *b)
{
	const struct journal_query q = {
	    .subject = id->text, .limit = HISTORY_MAX};
	const char *history, *estimate;
	size_t n;
	enum err e;

	if ((e = wait_range(x->s, x->a, x->at.queue, &estimate)) != ERR_OK ||
	    (e = journal_read(x->s, x->a, &q, &history, &n)) != ERR_OK)
		return e;
	buf_char(b, '{');
	if (in_hand(x)) {
		buf_str(b, "\"agent\":");
		js_put_string(b, x->agent, strlen(x->agent));
		buf_char(b, ',');
	}
	buf_printf(b,
	    "\"agents\":[%s],\"ahead\":%lld,\"ahead_token\":%lld,"
	    "\"estimate\":%s,",
	    x->agents.list.len > 0 ? x->agents.list.p : "", (long long)h->n,
	    (long long)h->token, estimate);
	/* {"events":[…],"last":N} */
	buf_printf(b, "\"history\":%.*s,\"job_id\":\"%s\",\"job_state\":",
	    (int)(strrchr(history, ']') + 1 - strchr(history, '[')),
	    strchr(history, '['), id->text);
	js_put_string(b, x->state, x->state_len);
	explain_put_member(b, "queue", x->at.queue);
	buf_printf(
	    b, ",\"reasons\":[%s]", x->reasons.len > 0 ? x->reasons.p : "");
	if (in_hand(x))
		explain_put_member(b, "since", x->since);
	buf_str(b, "}\n");
	return buf_ok(b) && buf_ok(&x->agents.list) && buf_ok(&x->reasons)
		   ? ERR_OK
		   : ERR_NOMEM;
}

enum err
explain_job(struct svc *s, struct arena *a, const struct id *id,
    const char **json, size_t *len)
{
	struct explaining x = {.s = s, .a = a};
	struct explain_ahead h = {.n = 0};
	struct buf b;
	enum err e;

	buf_init(&x.reasons, a, 512);
	buf_init(&x.agents.list, a, 16);
	buf_init(&b, a, 4096);
	x.c = db_read(s->db);
	e = read_job(&x, id);
	db_read_end(s->db, x.c);
	if (e == ERR_OK)
		e = find_missing(&x);
	x.c = db_read(s->db);
	if (e == ERR_OK && x.waits) {
		if ((e = explain_agents(s, x.c, a, &x.at, &x.agents)) ==
			ERR_OK &&
		    (e = explain_ahead(x.c, &x.at, &h)) == ERR_OK)
			e = say_why_it_waits(&x, &h);
	} else if (e == ERR_OK) {
		e = say_what_became(&x, id);
	}
	db_read_end(s->db, x.c);
	if (e == ERR_OK)
		e = put_all(&x, id, &h, &b);
	*json = b.p;
	*len = b.len;
	return e;
}
