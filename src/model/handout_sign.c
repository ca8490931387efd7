/* Signs: who posts about a job, and what that means for it. */

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cause.h"
#include "clock.h"
#include "handout.h"
#include "journal.h"
#include "secret.h"

enum { SQL_LOOK, SQL_SIGN, SQL_KNOWN };

static const char *const sql[] = {
    [SQL_LOOK] = "SELECT agent, attempt, signed_at, returned_at, ended_at, "
		 "late, state, offered_at, secrets > secrets_spent "
		 "FROM job WHERE id = $1",
    [SQL_SIGN] = "UPDATE job SET signed_at = coalesce(signed_at, $2), "
		 "returned_at = NULL WHERE id = $1",
    [SQL_KNOWN] = "SELECT 1 FROM journal WHERE subject = $1 "
		  "AND kind = 'job.apart' "
		  "AND data = '{\"kept\":\"' || $2 || '\"}'",
};

/* What the row says, as far as a sign is concerned. */
struct look {
	struct handout_state state;
	bool stranger; /* an agent that does not have it posts */
	bool is_signed, returned;
	bool offered;
	bool unspent; /* it may name ephemeral secrets that are there yet */
};

static enum err
look(struct db_conn *c, const char *id, struct look *out)
{
	const char *poster = cause_now()->agent, *agent, *state;
	struct db_stmt *s;
	enum err e;

	*out = (struct look){.stranger = false};
	e = db_query(c, &s, sql[SQL_LOOK], "t", id);
	if (e != ERR_OK)
		return e == ERR_NOTFOUND ? ERR_OK : e;
	agent = db_text(s, 0, NULL);
	out->state.known = true;
	out->stranger = poster != NULL && poster[0] != '\0' &&
			db_int(s, 1) > 0 &&
			(agent == NULL || strcmp(agent, poster) != 0);
	out->is_signed = !db_is_null(s, 2);
	out->returned = !db_is_null(s, 3);
	out->state.ended = !db_is_null(s, 4);
	out->state.late = db_int(s, 5) != 0;
	state = db_text(s, 6, &out->state.state_len);
	memcpy(out->state.state, state,
	    out->state.state_len < sizeof(out->state.state)
		? out->state.state_len
		: sizeof(out->state.state));
	out->offered = !db_is_null(s, 7);
	out->unspent = db_int(s, 8) != 0;
	db_end(s);
	return ERR_OK;
}

enum err
handout_sign(struct db_conn *c, const char *id, struct handout_state *out)
{
	struct look l;
	enum err e;

	if ((e = look(c, id, &l)) != ERR_OK)
		return e;
	if (out != NULL)
		*out = l.state;
	if (l.stranger)
		return ERR_NOTFOUND;
	if (!l.state.known)
		return ERR_OK;
	if (l.offered && !l.state.ended && (!l.is_signed || l.returned)) {
		e = db_exec(c, NULL, sql[SQL_SIGN], "ti", id, clock_now_ms());
		if (e == ERR_OK)
			e = journal_add(c,
			    l.is_signed ? "job.continued" : "job.started", id,
			    NULL, 0);
	}
	return e == ERR_OK ? secret_spend(c, id) : e;
}

static enum err
sign_change(struct db_conn *c, void *arg)
{
	const struct id *id = arg;

	return handout_sign(c, id->text, NULL);
}

enum err
handout_note_sign(struct svc *s, const struct id *id)
{
	struct db_conn *c = db_read(s->db);
	struct look l;
	enum err e = look(c, id->text, &l);

	db_read_end(s->db, c);
	if (e == ERR_OK && l.stranger)
		return ERR_NOTFOUND;
	if (e != ERR_OK || !l.state.known || l.state.ended || !l.offered ||
	    (l.is_signed && !l.returned && !l.unspent))
		return e;
	return db_write(s->db, sign_change, (void *)(uintptr_t)id);
}

struct parting {
	const struct id *id;
	const struct id *apart;
};

static enum err
apart_change(struct db_conn *c, void *arg)
{
	const struct parting *p = arg;
	const struct journal_item item = {"kept", p->apart->text, 0, 0};
	struct db_stmt *s;
	enum err e;

	/* Once for all that the agent posts. */
	e = db_query(c, &s, sql[SQL_KNOWN], "tt", p->id->text, p->apart->text);
	if (e == ERR_OK)
		db_end(s);
	if (e != ERR_NOTFOUND)
		return e;
	return journal_add(c, "job.apart", p->id->text, &item, 1);
}

/* A UUID of our own making (version 8, RFC 9562, section 5.8) from the job's and the agent's
 * name. */
enum err
handout_apart(struct svc *s, const struct id *id, struct id *apart)
{
	const char *agent = cause_now()->agent;
	struct parting p;
	unsigned char h[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state st;
	char text[40];
	int i, n = 0;

	(void)crypto_hash_sha256_init(&st);
	(void)crypto_hash_sha256_update(
	    &st, (const unsigned char *)id->text, strlen(id->text));
	if (agent != NULL)
		(void)crypto_hash_sha256_update(
		    &st, (const unsigned char *)agent, strlen(agent));
	(void)crypto_hash_sha256_final(&st, h);
	h[6] = (h[6] & 0x0f) | 0x80;
	h[8] = (h[8] & 0x3f) | 0x80;
	for (i = 0; i < 16; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%02x",
		    i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", h[i]);
	if (!id_parse(text, (size_t)n, apart))
		return ERR_INVALID;
	p = (struct parting){id, apart};
	return db_write(s->db, apart_change, &p);
}
