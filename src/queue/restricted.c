/* /v1/restricted-queues: who may submit to a queue. */

#include "restricted.h"

#include <string.h>

#include "body.h"
#include "queue.h"
#include "routes.h"

#define NOT_FOUND "Error: Restricted queue not found."

int
restricted_list_get(struct worker *w, struct req *r)
{
	const char *json;
	size_t len;
	enum err e = restricted_list(w->svc, r->arena, &json, &len);

	return e == ERR_OK ? reply_json(r, 200, json, len) : reply_err(r, e);
}

int
restricted_get(struct worker *w, struct req *r)
{
	const char *json;
	size_t len;
	enum err e;

	e = restricted_read(w->svc, r->arena, r->params[0], &json, &len);
	if (e == ERR_NOTFOUND)
		return reply_message(r, 404, NOT_FOUND);
	return e == ERR_OK ? reply_json(r, 200, json, len) : reply_err(r, e);
}

static int
reply_queue_fault(struct req *r, const char *why)
{
	struct faults f;

	faults_init(&f, r->arena);
	faults_add(&f, why, "queue", NULL);
	return reply_faults(r, &f);
}

int
restricted_post(struct worker *w, struct req *r)
{
	const char *queue = r->params[0], *client, *why;
	enum err failure;

	/* Parse and check. */
	if ((client = body_string(r, "client_id", NULL)) == NULL)
		return r->status;
	if (client[0] == '\0')
		return reply_message(r, 400, "Error: Missing client ID.");
	if ((why = queue_name_fault(queue, strlen(queue))) != NULL)
		return reply_queue_fault(r, why);

	/* Act. */
	switch (restricted_add(w->svc, queue, client, false, &failure)) {
	case RESTRICTED_OK:
		return reply_text(r, 200, "OK");
	case RESTRICTED_NO_CLIENT:
		return reply_message(
		    r, 404, "Error: Specified client_id does not exist.");
	case RESTRICTED_NO_AGENT:
		return reply_message(r, 404,
		    "Error: No agent is associated with the specified queue.");
	case RESTRICTED_LIMIT:
		return reply_queue_fault(
		    r, "Too many queues: the server's MAX_QUEUES is reached.");
	case RESTRICTED_TOO_MANY:
		return reply_queue_fault(r,
		    "Too many queues: the client's token would not fit into a "
		    "request.");
	default:
		return reply_err(r, failure);
	}
}

int
restricted_delete(struct worker *w, struct req *r)
{
	const char *client, *json;
	enum err failure, e;
	size_t len;

	/* Parse and check. */
	if ((client = body_string(r, "client_id", NULL)) == NULL)
		return r->status;
	e = restricted_read(w->svc, r->arena, r->params[0], &json, &len);
	if (e == ERR_NOTFOUND)
		return reply_message(r, 404, NOT_FOUND);
	if (e != ERR_OK)
		return reply_err(r, e);
	if (client[0] == '\0')
		return reply_message(r, 400, "Error: Missing client ID.");

	/* Act. */
	switch (restricted_lift(w->svc, r->params[0], &failure)) {
	case RESTRICTED_OK:
		return reply_text(r, 200, "OK");
	case RESTRICTED_NOT:
		return reply_message(r, 404, NOT_FOUND);
	default:
		return reply_err(r, failure);
	}
}
