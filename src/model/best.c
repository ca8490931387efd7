/* The indexes job_plain and job_special, the latter from one list of excluded agents to the
 * next. */

#include "best.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

enum {
	SQL_FIRST,
	SQL_LIST,
	SQL_PLAIN_BEHIND,
	SQL_BEHIND,
	SQL_EXCLUDED,
	SQL_ANY_LIKE,
	SQL_WORD,
	SQL_COUNT,
	SQL_NEXT_LIST,
	SQL_COUNT_LIST,
	SQL_NO_FRONT,
	SQL_FRONT
};

#define FOR_ANYBODY "FROM job WHERE " BEST_PLAIN " AND queue = $1 "
#define SPECIAL "FROM job WHERE " BEST_SPECIAL " AND queue = $1 "
#define FOR_SOME SPECIAL "AND ready = 1 "
#define ROW "SELECT seq, priority, secrets, excludes "
#define LIKE_IT SPECIAL "AND ready = $5 AND secrets = $6 AND excludes = $7 "
#define IN_ORDER "ORDER BY priority DESC, seq LIMIT $4) "

/* The priorities above and the one of the job are a range each. */
#define COUNT(from)                                                            \
	("SELECT count(*) FROM (SELECT * FROM (SELECT seq " from               \
	 "AND priority > $2 " IN_ORDER "AS one "                               \
	 "UNION ALL SELECT * FROM (SELECT seq " from                           \
	 "AND priority = $2 AND seq < $3 " IN_ORDER "AS other LIMIT $4) AS n")

/* Only the order makes sure of the indexes, in which no ended job stands. */
static const char *const sql[] = {
    /* The best that anybody may have, then the best of the first list. */
    [SQL_FIRST] = ("SELECT seq, priority, 0, '' FROM queue_front "
		   "WHERE queue = $1 UNION ALL SELECT * FROM (" ROW FOR_SOME
		   "ORDER BY secrets, excludes, priority DESC, seq LIMIT 1) "
		   "AS other"),
    /* Two ranges: one of pairs would begin at the list itself, and walk over its jobs. */
    [SQL_LIST] =
	("SELECT * FROM (" ROW FOR_SOME "AND secrets = $2 AND excludes > $3 "
	 "ORDER BY excludes, priority DESC, seq LIMIT 1) AS one "
	 "UNION ALL SELECT * FROM (" ROW FOR_SOME "AND secrets > $2 "
	 "ORDER BY secrets, excludes, priority DESC, seq LIMIT 1) "
	 "AS other"),
    [SQL_PLAIN_BEHIND] =
	(ROW FOR_ANYBODY "AND priority <= $2 AND (priority < $2 OR seq > $3) "
			 "ORDER BY priority DESC, seq LIMIT 1"),
    [SQL_BEHIND] =
	(ROW FOR_SOME "AND priority <= $2 AND (priority < $2 OR seq > $3) "
		      "AND secrets = $4 AND excludes = $5 "
		      "ORDER BY priority DESC, seq LIMIT 1"),
    [SQL_EXCLUDED] = "SELECT 1 FROM job_exclude WHERE job = $1 AND agent = $2",
    [SQL_ANY_LIKE] = ("SELECT 1 FROM job WHERE " BEST_SPECIAL
		      " AND queue = $1 AND ready = $2 AND secrets = $3 "
		      "AND excludes = $4 LIMIT 1"),
    [SQL_WORD] = ("SELECT excludes FROM job WHERE " BEST_SPECIAL
		  " AND queue = $1 AND ready = $2 AND secrets = $3 "
		  "AND excludes > $4 ORDER BY excludes LIMIT 1"),
    [SQL_COUNT] = COUNT(FOR_ANYBODY),
    [SQL_NEXT_LIST] =
	("SELECT * FROM (" ROW ", ready " SPECIAL
	 "AND ready = $2 AND secrets = $3 AND excludes > $4 "
	 "ORDER BY excludes, priority DESC, seq LIMIT 1) AS one "
	 "UNION ALL SELECT * FROM (" ROW ", ready " SPECIAL
	 "AND ready = $2 AND secrets > $3 "
	 "ORDER BY secrets, excludes, priority DESC, seq LIMIT 1) AS other "
	 "UNION ALL SELECT * FROM (" ROW ", ready " SPECIAL "AND ready > $2 "
	 "ORDER BY ready, secrets, excludes, priority DESC, seq LIMIT 1) "
	 "AS third"),
    [SQL_COUNT_LIST] = COUNT(LIKE_IT),
    [SQL_NO_FRONT] = ("DELETE FROM queue_front WHERE queue = $1 AND NOT EXISTS "
		      "(SELECT 1 FROM (SELECT priority, seq " FOR_ANYBODY
		      "ORDER BY priority DESC, seq LIMIT 1) AS best WHERE "
		      "best.priority = queue_front.priority AND best.seq = "
		      "queue_front.seq)"),
    [SQL_FRONT] = ("INSERT INTO queue_front (queue, priority, seq) "
		   "SELECT queue, priority, seq " FOR_ANYBODY
		   "ORDER BY priority DESC, seq LIMIT 1 "
		   "ON CONFLICT (queue) DO NOTHING"),
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
	enum err e = db_query(c, &st, sql[SQL_FIRST], "t", queue);

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

/* The best job of those that are alike in who may have them. */
struct head {
	struct best_job job;
	char
	    word[BEST_WORD_SIZE]; /* "" where anybody may, or who has a token */
};

static void
read_head(struct db_stmt *st, struct head *out)
{
	out->job.seq = db_int(st, 0);
	out->job.priority = db_int(st, 1);
	out->job.secrets = db_int(st, 2) != 0;
	(void)snprintf(
	    out->word, sizeof(out->word), "%s", db_text(st, 3, NULL));
	out->job.excludes = out->word[0] != '\0';
}

static bool
is_plain(const struct head *h)
{
	return !h->job.secrets && !h->job.excludes;
}

/* A walk over these. */
struct walk {
	struct db_conn *c;
	const char *queue;
	struct head first[2];
	size_t n, at; /* of first */
	bool more; /* there may be lists behind those */
};

static enum err
begin(struct walk *w)
{
	struct db_stmt *st;
	enum err e;

	for (e = db_query(w->c, &st, sql[SQL_FIRST], "t", w->queue);
	     e == ERR_OK && w->n < 2; e = db_next(st))
		read_head(st, &w->first[w->n++]);
	if (st != NULL)
		db_end(st);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	w->more = w->n > 0 && !is_plain(&w->first[w->n - 1]);
	return ERR_OK;
}

/* The next one; h is the last, but for the first time.  ERR_NOTFOUND: there is none. */
static enum err
go_on(struct walk *w, struct head *h)
{
	struct db_stmt *st;
	enum err e;

	if (w->at < w->n) {
		*h = w->first[w->at++];
		return ERR_OK;
	}
	if (!w->more)
		return ERR_NOTFOUND;
	e = db_query(w->c, &st, sql[SQL_LIST], "tit", w->queue,
	    (int64_t)h->job.secrets, h->word);
	if (e != ERR_OK)
		return e;
	read_head(st, h);
	db_end(st);
	return ERR_OK;
}

/* From h to the best one like it behind after. */
static enum err
go_behind(struct walk *w, const struct best_job *after, struct head *h)
{
	struct db_stmt *st;
	enum err e;

	e = is_plain(h) ? db_query(w->c, &st, sql[SQL_PLAIN_BEHIND], "tii",
			      w->queue, after->priority, after->seq)
			: db_query(w->c, &st, sql[SQL_BEHIND], "tiiit",
			      w->queue, after->priority, after->seq,
			      (int64_t)h->job.secrets, h->word);
	if (e != ERR_OK)
		return e;
	read_head(st, h);
	db_end(st);
	return ERR_OK;
}

enum err
best_find(struct db_conn *c, const char *queue, bool secrets,
    const struct best_job *after, best_fits fits, void *arg,
    struct best_job *out)
{
	struct walk w = {.c = c, .queue = queue};
	struct head h = {.word = ""};
	bool found = false, fit;
	enum err e;

	for (e = begin(&w); e == ERR_OK && (e = go_on(&w, &h)) == ERR_OK;) {
		if (h.job.secrets && !secrets)
			break;
		if (found && !best_before(&h.job, out))
			continue;
		if ((e = fits(c, &h.job, arg, &fit)) != ERR_OK)
			return e;
		if (!fit)
			continue;
		/* Those that are passed over here have been found before. */
		if (after != NULL && !best_before(after, &h.job) &&
		    (e = go_behind(&w, after, &h)) == ERR_NOTFOUND) {
			e = ERR_OK;
			continue;
		}
		if (e != ERR_OK)
			return e;
		if (!found || best_before(&h.job, out))
			*out = h.job;
		found = true;
	}
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	return found ? ERR_OK : ERR_NOTFOUND;
}

/* Triggers keep it right, but no check of the store compares tables: who changes rows by hand, with
 * REPLACE or without the triggers, leaves a job there that nobody gets, before all others, or none. */
enum err
best_mend(struct db_conn *c, const char *queue)
{
	int64_t wrong = 0, missing = 0;
	enum err e;

	e = db_exec(c, &wrong, sql[SQL_NO_FRONT], "t", queue);
	if (e == ERR_OK)
		e = db_exec(c, &missing, sql[SQL_FRONT], "t", queue);
	if (e == ERR_OK && wrong == 0 && missing == 0)
		return ERR_NOTFOUND;
	if (e == ERR_OK)
		log_error("store: queue_front did not name the first job of "
			  "%s; it is set anew",
		    queue);
	return e;
}

/* Of all lists of a queue, also of jobs that are not ready. */
struct list {
	struct head first;
	int64_t ready, secrets;
};

/* The next one; ERR_NOTFOUND: there is none. */
static enum err
next_list(struct db_conn *c, const char *queue, struct list *l)
{
	struct db_stmt *st;
	enum err e;

	e = db_query(c, &st, sql[SQL_NEXT_LIST], "tiit", queue, l->ready,
	    l->secrets, l->first.word);
	if (e != ERR_OK)
		return e;
	read_head(st, &l->first);
	l->secrets = l->first.job.secrets;
	l->ready = db_int(st, 4);
	db_end(st);
	return ERR_OK;
}

/* What db_query() has returned with st, of a statement that counts. */
static enum err
counted(enum err e, struct db_stmt *st, int64_t *n)
{
	if (e != ERR_OK)
		return e;
	*n = db_int(st, 0);
	db_end(st);
	return ERR_OK;
}

/* Those of one list that go before j. */
static enum err
count_list(struct db_conn *c, const char *queue, const struct list *l,
    const struct best_job *j, int64_t most, int64_t *n)
{
	struct db_stmt *st;
	enum err e;

	e = db_query(c, &st, sql[SQL_COUNT_LIST], "tiiiiit", queue, j->priority,
	    j->seq, most, l->ready, l->secrets, l->first.word);
	return counted(e, st, n);
}

enum err
best_count(struct db_conn *c, const char *queue, const struct best_job *j,
    best_fits fits, void *arg, int64_t most, struct best_count *out)
{
	struct list l = {.first.word = "", .ready = -1};
	struct best_count all = {.n = 0};
	struct db_stmt *st;
	int64_t n;
	bool fit;
	enum err e;

	e = db_query(
	    c, &st, sql[SQL_COUNT], "tiii", queue, j->priority, j->seq, most);
	e = counted(e, st, &all.n);
	while (e == ERR_OK && all.n < most &&
	       (e = next_list(c, queue, &l)) == ERR_OK) {
		if (!best_before(&l.first.job, j))
			continue;
		if ((e = fits(c, &l.first.job, arg, &fit)) != ERR_OK || !fit)
			continue;
		e = count_list(c, queue, &l, j, most - all.n, &n);
		if (e != ERR_OK)
			break;
		all.n += n;
		all.secrets += l.secrets != 0 ? n : 0;
	}
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return e;
	*out = all;
	return ERR_OK;
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
