/* The index job_best, from one list of excluded agents to the next. */

#include "best.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SQL_ANY, SQL_LIST, SQL_BEHIND, SQL_EXCLUDED, SQL_ANY_LIKE, SQL_WORD };

static const char *const sql[] = {
    /* Only the order makes sure of the index in which no ended job stands. */
    [SQL_ANY] = "SELECT 1 FROM job WHERE state = 'waiting' AND ready = 1 "
		"AND queue = $1 ORDER BY secrets, excludes LIMIT 1",
    /* The best of the next list, and whether there is one more, with secrets or without. */
    [SQL_LIST] =
	"SELECT seq, priority, secrets, excludes, EXISTS (SELECT 1 FROM job n "
	"WHERE n.state = 'waiting' AND n.queue = $1 AND n.ready = 1 "
	"AND n.secrets = job.secrets AND n.excludes > job.excludes) OR "
	"($4 > secrets AND EXISTS (SELECT 1 FROM job n "
	"WHERE n.state = 'waiting' AND n.queue = $1 AND n.ready = 1 "
	"AND n.secrets > job.secrets)) "
	"FROM job WHERE state = 'waiting' AND queue = $1 AND ready = 1 "
	"AND (secrets, excludes) > ($2, $3) "
	"ORDER BY secrets, excludes, priority DESC, seq LIMIT 1",
    [SQL_BEHIND] = "SELECT seq, priority FROM job "
		   "WHERE state = 'waiting' AND ready = 1 AND queue = $1 "
		   "AND secrets = $2 AND excludes = $3 AND priority <= $4 "
		   "AND (priority < $4 OR seq > $5) "
		   "ORDER BY priority DESC, seq LIMIT 1",
    [SQL_EXCLUDED] = "SELECT 1 FROM job_exclude WHERE job = $1 AND agent = $2",
    [SQL_ANY_LIKE] = "SELECT 1 FROM job WHERE state = 'waiting' "
		     "AND queue = $1 AND ready = $2 AND secrets = $3 "
		     "AND excludes = $4 LIMIT 1",
    [SQL_WORD] = "SELECT excludes FROM job WHERE state = 'waiting' "
		 "AND queue = $1 AND ready = $2 AND secrets = $3 "
		 "AND excludes > $4 ORDER BY excludes LIMIT 1",
};

/* What db_query() has returned with st, of a statement that asks whether. */
static enum err
told(enum err e, struct db_stmt *st, bool *out)
{
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	if (e == ERR_OK)
		db_end(st);
	*out = e == ERR_OK;
	return ERR_OK;
}

enum err
best_any(struct db_conn *c, const char *queue, bool *out)
{
	struct db_stmt *st;
	enum err e = db_query(c, &st, sql[SQL_ANY], "t", queue);

	return told(e, st, out);
}

enum err
best_excludes(
    struct db_conn *c, const struct best_job *j, const char *agent, bool *out)
{
	struct db_stmt *st;
	enum err e;

	*out = false;
	if (!j->excludes)
		return ERR_OK;
	e = db_query(c, &st, sql[SQL_EXCLUDED], "it", j->seq, agent);
	return told(e, st, out);
}

bool
best_before(const struct best_job *a, const struct best_job *b)
{
	return a->priority > b->priority ||
	       (a->priority == b->priority && a->seq < b->seq);
}

/* A walk over the lists. */
struct walk {
	struct db_conn *c;
	const char *queue;
	bool with_secrets;
	int64_t secrets; /* of the list where it stands */
	char word[BEST_WORD_SIZE];
	bool more; /* there are lists behind it */
};

/* On to the next list, and its best job.  ERR_NOTFOUND: there is none. */
static enum err
next_list(struct walk *w, struct best_job *j)
{
	struct db_stmt *st;
	enum err e;

	if (!w->more)
		return ERR_NOTFOUND;
	e = db_query(w->c, &st, sql[SQL_LIST], "titi", w->queue, w->secrets,
	    w->word, (int64_t)w->with_secrets);
	if (e != ERR_OK)
		return e;
	j->seq = db_int(st, 0);
	j->priority = db_int(st, 1);
	w->secrets = db_int(st, 2);
	(void)snprintf(w->word, sizeof(w->word), "%s", db_text(st, 3, NULL));
	w->more = db_int(st, 4) != 0;
	db_end(st);
	j->secrets = w->secrets != 0;
	j->excludes = w->word[0] != '\0';
	return ERR_OK;
}

/* From the best job of the list to the best behind after. */
static enum err
go_behind(struct walk *w, const struct best_job *after, struct best_job *j)
{
	struct db_stmt *st;
	enum err e;

	e = db_query(w->c, &st, sql[SQL_BEHIND], "titii", w->queue, w->secrets,
	    w->word, after->priority, after->seq);
	if (e != ERR_OK)
		return e;
	j->seq = db_int(st, 0);
	j->priority = db_int(st, 1);
	db_end(st);
	return ERR_OK;
}

enum err
best_find(struct db_conn *c, const char *queue, bool secrets,
    const struct best_job *after, best_fits fits, void *arg,
    struct best_job *out)
{
	struct walk w = {.c = c,
	    .queue = queue,
	    .with_secrets = secrets,
	    .secrets = -1,
	    .more = true};
	struct best_job j, best = {.seq = 0};
	bool found = false, fit;
	enum err e;

	while ((e = next_list(&w, &j)) == ERR_OK) {
		if (j.secrets && !secrets)
			break;
		if (found && !best_before(&j, &best))
			continue;
		if ((e = fits(c, &j, arg, &fit)) != ERR_OK)
			return e;
		if (!fit)
			continue;
		/* Those that are passed over here have been found before. */
		if (after != NULL && !best_before(after, &j) &&
		    (e = go_behind(&w, after, &j)) == ERR_NOTFOUND)
			continue;
		if (e != ERR_OK)
			return e;
		if (!found || best_before(&j, &best))
			best = j;
		found = true;
	}
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	if (found)
		*out = best;
	return found ? ERR_OK : ERR_NOTFOUND;
}

static int
compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void
best_word(const char **names, size_t n, char word[BEST_WORD_SIZE])
{
	unsigned char h[crypto_hash_sha256_BYTES];
	crypto_hash_sha256_state st;
	size_t i;

	word[0] = '\0';
	if (n == 0)
		return;
	qsort(names, n, sizeof(*names), compare);
	(void)crypto_hash_sha256_init(&st);
	for (i = 0; i < n; i++)
		if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
			(void)crypto_hash_sha256_update(&st,
			    (const unsigned char *)names[i],
			    strlen(names[i]) + 1);
	(void)crypto_hash_sha256_final(&st, h);
	(void)sodium_bin2hex(word, BEST_WORD_SIZE, h, sizeof(h));
}

/* Count the lists of one kind of jobs, from *n up to the most that there may be. */
static enum err
count_lists(struct db_conn *c, const char *queue, int64_t ready,
    int64_t secrets, size_t *n)
{
	char word[BEST_WORD_SIZE] = "";
	struct db_stmt *st;
	enum err e = ERR_OK;

	while (*n < BEST_LISTS_MAX) {
		e = db_query(
		    c, &st, sql[SQL_WORD], "tiit", queue, ready, secrets, word);
		if (e != ERR_OK)
			break;
		(void)snprintf(word, sizeof(word), "%s", db_text(st, 0, NULL));
		db_end(st);
		(*n)++;
	}
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
best_room(struct db_conn *c, const char *queue, const char *word)
{
	struct db_stmt *st;
	bool known = word[0] == '\0';
	size_t n = 0;
	int64_t kind;
	enum err e;

	for (kind = 0; kind < 4 && !known; kind++) {
		e = db_query(c, &st, sql[SQL_ANY_LIKE], "tiit", queue, kind & 1,
		    kind >> 1, word);
		if ((e = told(e, st, &known)) != ERR_OK)
			return e;
	}
	for (kind = 0; kind < 4 && !known; kind++)
		if ((e = count_lists(c, queue, kind & 1, kind >> 1, &n)) !=
		    ERR_OK)
			return e;
	return known || n < BEST_LISTS_MAX ? ERR_OK : ERR_LIMIT;
}
