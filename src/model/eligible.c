/* Who may take a job, by the order in which jobs are taken. */

#include "eligible.h"

#include "best.h"
#include "queue.h"

enum err
eligible_queues(struct svc *s, const char *const *queues, size_t n, bool *waits)
{
	struct db_conn *c = db_read_once(s->db);
	enum err e = ERR_OK;
	size_t i;

	for (i = 0; i < n && e == ERR_OK; i++)
		e = best_any(c, queues[i], &waits[i]);
	db_read_end(s->db, c);
	return e;
}

struct choice {
	struct eligible_asker *askers;
	size_t n;
	size_t first; /* those before are chosen */
	size_t n_verified; /* of those that are not */
	bool restricted;
};

/* The first that may take the job of those not chosen, NULL: none.  No more are asked for
 * than the job excludes agents. */
static enum err
first_of(struct db_conn *c, const struct choice *x, const struct best_job *j,
    struct eligible_asker **out)
{
	bool token = x->restricted || j->secrets, excluded = false;
	struct eligible_asker *a;
	enum err e;
	size_t i;

	*out = NULL;
	for (i = x->first; i < x->n; i++) {
		a = &x->askers[i];
		if (a->chosen || (token && !a->verified))
			continue;
		if ((e = best_excludes(c, j, a->agent, &excluded)) != ERR_OK)
			return e;
		if (excluded)
			continue;
		*out = a;
		break;
	}
	return ERR_OK;
}

static enum err
fits_anybody(struct db_conn *c, const struct best_job *j, void *arg, bool *fits)
{
	struct eligible_asker *a;
	enum err e = first_of(c, arg, j, &a);

	*fits = e == ERR_OK && a != NULL;
	return e;
}

static void
choose(struct choice *x, struct eligible_asker *a)
{
	a->chosen = true;
	x->n_verified -= a->verified;
	while (x->first < x->n && x->askers[x->first].chosen)
		x->first++;
}

/* One job after another, each behind the last, as long as it is for somebody. */
static enum err
choose_all(struct db_conn *c, struct choice *x, const char *queue, size_t most)
{
	struct best_job j, last;
	struct eligible_asker *a;
	enum err e;
	size_t i;

	for (i = 0; i < most && x->first < x->n; i++) {
		/* A restricted queue may be long, and is looked at each second. */
		if (x->restricted && x->n_verified == 0)
			break;
		e = best_find(c, queue, x->n_verified > 0, i > 0 ? &last : NULL,
		    fits_anybody, x, &j);
		if (e == ERR_OK)
			e = first_of(c, x, &j, &a);
		if (e != ERR_OK)
			return e == ERR_NOTFOUND ? ERR_OK : e;
		if (a != NULL)
			choose(x, a);
		last = j;
	}
	return ERR_OK;
}

enum err
eligible_choose(struct svc *s, const char *queue, struct eligible_asker *askers,
    size_t n, size_t most)
{
	struct choice x = {.askers = askers, .n = n};
	struct db_conn *c = db_read_once(s->db);
	bool any = false;
	enum err e;
	size_t i;

	for (i = 0; i < n; i++)
		x.n_verified += askers[i].verified;
	e = best_any(c, queue, &any);
	if (e == ERR_OK && any)
		e = queue_is_restricted(c, queue, &x.restricted);
	if (e == ERR_OK && any)
		e = choose_all(c, &x, queue, most);
	db_read_end(s->db, c);
	return e == ERR_OK && !any ? ERR_NOTFOUND : e;
}
