/* Jobs that may be taken and who may take them, by the index that taking uses too. */

#include "eligible.h"

#include "queue.h"

enum { SQL_ANY, SQL_JOBS, SQL_EXCLUDED };

static const char *const sql[] = {
    /* Only the order makes sure of the index in which no ended job stands. */
    [SQL_ANY] = "SELECT 1 FROM job WHERE state = 'waiting' AND ready = 1 "
		"AND queue = $1 ORDER BY priority DESC, seq LIMIT 1",
    [SQL_JOBS] = "SELECT seq, secrets, EXISTS (SELECT 1 FROM job_exclude "
		 "WHERE job_exclude.job = job.seq) FROM job "
		 "WHERE state = 'waiting' AND ready = 1 AND queue = $1 "
		 "ORDER BY priority DESC, seq",
    [SQL_EXCLUDED] = "SELECT 1 FROM job_exclude WHERE job = $1 AND agent = $2",
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
eligible_queues(struct svc *s, const char *const *queues, size_t n, bool *waits)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e = ERR_OK;
	size_t i;

	for (i = 0; i < n && e == ERR_OK; i++) {
		e = db_query(c, &st, sql[SQL_ANY], "t", queues[i]);
		e = told(e, st, &waits[i]);
	}
	db_read_end(s->db, c);
	return e;
}

struct choice {
	struct eligible_asker *askers;
	size_t n;
	size_t first; /* those before are chosen */
	size_t left; /* how many more may be */
	size_t n_verified; /* of those that are not */
	bool restricted;
};

/* The first that may take the job on which jobs stands, if there is one. */
static enum err
choose_one(struct db_conn *c, struct choice *x, struct db_stmt *jobs)
{
	bool token = x->restricted || db_int(jobs, 1) != 0;
	bool excludes = db_int(jobs, 2) != 0, excluded = false;
	struct eligible_asker *a;
	struct db_stmt *st;
	enum err e;
	size_t i;

	if (token && x->n_verified == 0)
		return ERR_OK;
	for (i = x->first; i < x->n; i++) {
		a = &x->askers[i];
		if (a->chosen || (token && !a->verified))
			continue;
		if (excludes) {
			e = db_query(c, &st, sql[SQL_EXCLUDED], "it",
			    db_int(jobs, 0), a->agent);
			if ((e = told(e, st, &excluded)) != ERR_OK)
				return e;
			if (excluded)
				continue;
		}
		a->chosen = true;
		x->left--;
		x->n_verified -= a->verified;
		break;
	}
	while (x->first < x->n && x->askers[x->first].chosen)
		x->first++;
	return ERR_OK;
}

enum err
eligible_choose(struct svc *s, const char *queue, struct eligible_asker *askers,
    size_t n, size_t most)
{
	struct choice x = {.askers = askers, .n = n, .left = most};
	struct db_conn *c = db_read(s->db);
	struct db_stmt *jobs;
	enum err e, e2 = ERR_OK;
	bool any;
	size_t i;

	for (i = 0; i < n; i++)
		x.n_verified += askers[i].verified;
	e = db_query(c, &jobs, sql[SQL_JOBS], "t", queue);
	any = e == ERR_OK;
	if (any)
		e2 = queue_is_restricted(c, queue, &x.restricted);
	/* A restricted queue may be long, and is looked at each second. */
	if (x.restricted && x.n_verified == 0)
		x.left = 0;
	while (e == ERR_OK && e2 == ERR_OK && x.left > 0 && x.first < n) {
		e2 = choose_one(c, &x, jobs);
		if (e2 == ERR_OK && x.left > 0)
			e = db_next(jobs);
	}
	if (jobs != NULL)
		db_end(jobs);
	db_read_end(s->db, c);
	if (e2 != ERR_OK)
		return e2;
	return e == ERR_NOTFOUND && any ? ERR_OK : e;
}
