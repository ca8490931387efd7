/* GET /v1/events: what happened, in order. */

#include "journal.h"

#include <stdio.h>
#include <string.h>

#include "field.h"
#include "routes.h"

#define LIMIT 1000

static const char *
read_number(const struct uri *u, const char *name, int64_t max, int64_t *out)
{
	const char *value = uri_query(u, name), *why;

	if (value == NULL)
		return NULL;
	why = field_int_text(value, strlen(value), out);
	if (why == NULL && *out < 0)
		return "Must be greater than or equal to 0.";
	if (why == NULL && *out > max)
		*out = max;
	return why;
}

/* Any of those that are named. */
static void
read_kinds(const struct uri *u, uint64_t *out, struct faults *f)
{
	char index[24];
	uint64_t found;
	size_t i, n = 0;

	for (i = 0; i < u->n_query; i++) {
		if (strcmp(u->query[i].name, "kind") != 0)
			continue;
		(void)snprintf(index, sizeof(index), "%zu", n++);
		found = journal_kinds(u->query[i].value);
		*out |= found;
		if (found == 0)
			faults_add(f,
			    "Not a kind of event. Must be one, or job., "
			    "agent., queue. or client. for all of these.",
			    "kind", index, NULL);
	}
}

int
journal_get(struct worker *w, struct req *r)
{
	struct journal_query q = {
	    .limit = LIMIT,
	    .subject = uri_query(&r->uri, "subject"),
	    .who = (r->caller.roles & (ROLE_ADMIN | ROLE_MANAGER)) != 0,
	};
	const char *json, *why;
	struct faults f;
	size_t len;
	enum err e;

	faults_init(&f, r->arena);
	if ((why = read_number(&r->uri, "after", INT64_MAX, &q.after)) != NULL)
		faults_add(&f, why, "after", NULL);
	if ((why = read_number(&r->uri, "limit", LIMIT, &q.limit)) != NULL)
		faults_add(&f, why, "limit", NULL);
	read_kinds(&r->uri, &q.kinds, &f);
	if (faults_any(&f))
		return reply_faults_of(r, "query", &f);
	e = journal_read(w->svc, r->arena, &q, &json, &len);
	return e == ERR_OK ? reply_json(r, 200, json, len) : reply_err(r, e);
}
