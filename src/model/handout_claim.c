/*
 * Claims: the hand-out to who has the job already, by a message.  The same compare-and-set as
 * for who asks, but of one job; whoever may not have it leaves it as it is.
 */

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "column.h"
#include "handout.h"
#include "journal.h"
#include "queue.h"
#include "wait.h"

enum { SQL_LOOK, SQL_CLAIM, SQL_HOLD };

static const char *const sql[] = {
    [SQL_LOOK] = "SELECT state, ready, secrets, queue, agent, "
		 "coalesce(offered_to, ''), signed_at, returned_at, ended_at, "
		 "EXISTS (SELECT 1 FROM job_exclude x WHERE x.job = job.seq "
		 "AND x.agent = $2), "
		 "attempt, created_at, started_at, body, attachments, "
		 "client_id FROM job WHERE id = $1",
    [SQL_CLAIM] = "UPDATE job SET state = 'running', agent = $2, "
		  "started_at = $3, seed = 0, attempt = attempt + 1, "
		  "offered_at = $3, offered_to = $4, offered_on = NULL, "
		  "signed_at = $3, returned_at = NULL "
		  "WHERE id = $1 AND state = 'waiting'",
    [SQL_HOLD] = ("UPDATE job SET signed_at = coalesce(signed_at, $2), "
		  "returned_at = NULL WHERE id = $1"),
};

struct claiming {
	const struct claim *claim;
	struct arena *arena; /* NULL: only the verdict is wanted */
	int64_t now;
	struct job *out;
	/* What the look has found. */
	enum claim_verdict verdict;
	bool waits; /* else the agent has it */
	bool is_signed, returned;
	int64_t attempt, created_at;
	char queue[NAME_LEN_MAX + 1];
};

/* Whether who claims it has it: an agent is its name and the client of its token. */
static bool
is_holder(const struct claim *claim, struct db_stmt *s)
{
	const char *agent = db_text(s, 4, NULL);
	const char *client = claim->client != NULL ? claim->client : "";

	return agent != NULL && strcmp(agent, claim->agent) == 0 &&
	       strcmp(db_text(s, 5, NULL), client) == 0;
}

static enum claim_verdict
judge(const struct claiming *x, struct db_stmt *s, bool restricted)
{
	if (!db_is_null(s, 8))
		return CLAIM_ENDED;
	/* A holder from before offers had a client may be anybody of its name. */
	if (!x->waits && is_holder(x->claim, s))
		return x->claim->client == NULL && db_int(s, 2) != 0
			   ? CLAIM_NEEDS_LOGIN
			   : CLAIM_OK;
	if (!x->waits)
		return CLAIM_TAKEN;
	if (db_int(s, 1) == 0)
		return CLAIM_NOT_READY;
	if (db_int(s, 9) != 0)
		return CLAIM_EXCLUDED;
	if (x->claim->client == NULL && (restricted || db_int(s, 2) != 0))
		return CLAIM_NEEDS_LOGIN;
	return CLAIM_OK;
}

/* What the agent will get. */
static enum err
keep_job(struct claiming *x, struct db_stmt *s)
{
	struct job *out = x->out;
	bool failed = false;

	*out = (struct job){.id = *x->claim->id, .state = JOB_RUNNING};
	out->started_at = x->waits ? x->now : db_int(s, 12);
	out->body = column_text(x->arena, s, 13, &out->body_len, &failed);
	out->attachments = column_text(x->arena, s, 14, NULL, &failed);
	out->client_id = column_text(x->arena, s, 15, NULL, &failed);
	return failed ? ERR_NOMEM : ERR_OK;
}

static enum err
look(struct db_conn *c, struct claiming *x)
{
	bool restricted = false;
	struct db_stmt *s;
	enum err e;

	x->verdict = CLAIM_NO_JOB;
	e = db_query(
	    c, &s, sql[SQL_LOOK], "tt", x->claim->id->text, x->claim->agent);
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	x->waits = column_is(s, 0, JOB_WAITING);
	x->is_signed = !db_is_null(s, 6);
	x->returned = !db_is_null(s, 7);
	x->attempt = db_int(s, 10);
	x->created_at = db_int(s, 11);
	(void)snprintf(x->queue, sizeof(x->queue), "%s", db_text(s, 3, NULL));
	e = queue_is_restricted(c, x->queue, &restricted);
	if (e == ERR_OK)
		x->verdict = judge(x, s, restricted);
	if (e == ERR_OK && x->verdict == CLAIM_OK && x->arena != NULL)
		e = keep_job(x, s);
	db_end(s);
	return e;
}

/* The agent takes it, which is the start. */
static enum err
take(struct db_conn *c, const struct claiming *x)
{
	const struct journal_item items[] = {{"agent", x->claim->agent, 0, 0},
	    {"attempt", NULL, x->attempt + 1, 0}};
	int64_t waited = (x->now - x->created_at) / 1000;
	const char *id = x->claim->id->text;
	enum err e;

	e = db_exec(c, NULL, sql[SQL_CLAIM], "ttit", id, x->claim->agent,
	    x->now, x->claim->client);
	if (e == ERR_OK)
		e = journal_add(c, "job.claimed", id, items, 2);
	return e == ERR_OK ? wait_note(c, x->queue, waited > 0 ? waited : 0)
			   : e;
}

/* The agent has it already; that it says so is a sign. */
static enum err
hold(struct db_conn *c, const struct claiming *x)
{
	const char *id = x->claim->id->text;
	enum err e;

	if (x->is_signed && !x->returned)
		return ERR_OK;
	e = db_exec(c, NULL, sql[SQL_HOLD], "ti", id, x->now);
	return e == ERR_OK ? journal_add(c,
				 x->is_signed ? "job.continued" : "job.started",
				 id, NULL, 0)
			   : e;
}

static enum err
claim_change(struct db_conn *c, void *arg)
{
	struct claiming *x = arg;
	enum err e = look(c, x);

	if (e != ERR_OK || x->verdict != CLAIM_OK)
		return e;
	return x->waits ? take(c, x) : hold(c, x);
}

enum claim_verdict
handout_claim(struct svc *s, struct arena *a, const struct claim *claim,
    struct job *out, enum err *failure)
{
	struct claiming x = {.claim = claim, .now = clock_now_ms(), .out = out};
	struct db_conn *c = db_read(s->db);

	/* Most messages that nobody wants any more end here. */
	*failure = look(c, &x);
	db_read_end(s->db, c);
	if (*failure == ERR_OK && x.verdict == CLAIM_OK) {
		x.arena = a;
		*failure = db_write(s->db, claim_change, &x);
	}
	return *failure == ERR_OK ? x.verdict : CLAIM_FAILED;
}
