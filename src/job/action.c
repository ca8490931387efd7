/* POST /v1/job/{job_id}/action, {"action": "cancel"}. */

#include <string.h>

#include "field.h"
#include "job.h"
#include "routes.h"

static void
check(struct js_doc *doc, struct faults *f)
{
	const struct js_member *m;
	const char *action, *why;
	size_t i, len;

	for (i = 0; i < doc->n_members; i++)
		if (strcmp(doc->members[i].key, "action") != 0)
			faults_add(f, FIELD_UNKNOWN, doc->members[i].key, NULL);
	m = js_find(doc, "action");
	if (m == NULL) {
		faults_add(f, FIELD_MISSING, "action", NULL);
		return;
	}
	why = field_string(doc, m, &action, &len);
	/* With its length: what is cut at a NUL would be another word. */
	if (why == NULL &&
	    (strlen(action) != len || strcmp(action, "cancel") != 0))
		why = "Must be one of: cancel.";
	if (why != NULL)
		faults_add(f, why, "action", NULL);
}

int
action_post(struct worker *w, struct req *r)
{
	struct js_doc doc;
	struct faults f;
	enum err e;

	/* Parse. */
	faults_init(&f, r->arena);
	e = req_json_object(r, &doc, &f);
	if (e == ERR_INVALID)
		return r->status;
	if (e != ERR_OK)
		return reply_err(r, e);

	/* Check. */
	check(&doc, &f);
	if (faults_any(&f))
		return reply_faults(r, &f);
	if (!route_id(r))
		return r->status;

	/* Act. */
	e = job_cancel(w->svc, &r->id);
	if (e == ERR_CONFLICT)
		return reply_text(
		    r, 400, "The job is already completed or cancelled");
	if (e != ERR_OK)
		return reply_err(r, e);
	return reply_text(r, 200, "OK");
}
