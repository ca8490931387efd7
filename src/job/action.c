/* POST /v1/job/{job_id}/action, {"action": "cancel"}. */

#include <string.h>

#include "body.h"
#include "job.h"
#include "routes.h"

/* With its length: what is cut at a NUL would be another word. */
static const char *
check(const char *s, size_t len)
{
	return len == strlen("cancel") && memcmp(s, "cancel", len) == 0
		   ? NULL
		   : "Must be one of: cancel.";
}

int
action_post(struct worker *w, struct req *r)
{
	enum err e;

	/* Parse and check. */
	if (body_string(r, "action", check) == NULL || !route_id(r))
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
