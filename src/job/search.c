/* GET /v1/job/search and /v1/job/{job_id}/position. */

#include "job_list.h"

#include <stdio.h>
#include <string.h>

#include "list.h"
#include "routes.h"

/* What may be sought, in words and as a table; the last three are ours. */
#define STATES                                                                 \
	"setup, provision, firmware_update, test, allocate, allocated, "       \
	"reserve, cleanup, cancelled, completed, active, waiting, running, "   \
	"complete"
static const char *const states[] = {"setup", "provision", "firmware_update",
    "test", "allocate", "allocated", "reserve", "cleanup", "cancelled",
    "completed", "active", "waiting", "running", "complete"};

#define N_STATES (sizeof(states) / sizeof(states[0]))

static bool
is_one_of(const char *s, const char *const *words, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (strcmp(words[i], s) == 0)
			return true;
	return false;
}

struct query {
	struct job_list list;
	const char *states[N_STATES];
};

static void
read_match(const struct req *r, struct query *q, struct faults *f)
{
	const char *match = uri_query(&r->uri, "match");

	if (match == NULL)
		return;
	if (strcmp(match, "all") == 0)
		q->list.all_tags = true;
	else if (strcmp(match, "any") != 0)
		faults_add(f, "Must be one of: any, all.", "match", NULL);
}

/* The i-th state of the query. */
static void
read_state(struct query *q, const char *value, size_t i, struct faults *f)
{
	char index[24];

	if (!is_one_of(value, states, N_STATES)) {
		(void)snprintf(index, sizeof(index), "%zu", i);
		faults_add(
		    f, "Must be one of: " STATES ".", "state", index, NULL);
		return;
	}
	if (strcmp(value, "active") == 0)
		q->list.active = true;
	if (!is_one_of(value, q->states, q->list.n_states))
		q->states[q->list.n_states++] = value;
}

static enum err
read_query(struct req *r, struct query *q, struct faults *f)
{
	const struct uri_pair *p;
	size_t i, n = 0;

	*q = (struct query){.list = {.n = 0}};
	q->list.tags =
	    uri_query_all(&r->uri, r->arena, "tags", &q->list.n_tags);
	if (q->list.tags == NULL)
		return ERR_NOMEM;
	read_match(r, q, f);
	for (i = 0; i < r->uri.n_query; i++) {
		p = &r->uri.query[i];
		if (strcmp(p->name, "state") == 0)
			read_state(q, p->value, n++, f);
	}
	if (q->list.n_tags > JOB_LIST_TAGS_MAX)
		faults_add(f, "Longer than maximum length 100.", "tags", NULL);
	q->list.states = q->states;
	return faults_any(f) ? ERR_INVALID : ERR_OK;
}

int
search_get(struct worker *w, struct req *r)
{
	struct faults f;
	struct query q;
	enum err e;

	faults_init(&f, r->arena);
	e = read_query(r, &q, &f);
	if (e == ERR_INVALID)
		return reply_faults_of(r, "query", &f);
	return e == ERR_OK ? list_reply(w, r, &q.list, 200) : reply_err(r, e);
}

int
position_get(struct worker *w, struct req *r)
{
	char text[24];
	int64_t n;
	enum err e;

	if (!route_id(r))
		return r->status;
	e = job_position(w->svc, &r->id, &n);
	if (e == ERR_NOTFOUND)
		return reply_text(r, 410, "Job not found or already started\n");
	if (e != ERR_OK)
		return reply_err(r, e);
	(void)snprintf(text, sizeof(text), "%lld", (long long)n);
	return reply_text(r, 200, text);
}
