/* POST and GET /v1/job/{job_id}/attachments. */

#include "handout.h"
#include "routes.h"

#include "archive.h"

/* The reply where nothing is to be received; 0 where something is. */
static int
reply_unless_awaited(struct req *r, enum attachments a)
{
	const char *words = NULL;

	switch (a) {
	case ATTACHMENTS_NO_JOB:
		words = "is not valid";
		break;
	case ATTACHMENTS_NONE:
		words = "not awaiting attachments";
		break;
	case ATTACHMENTS_HERE:
		return reply_text(r, 200, "OK");
	case ATTACHMENTS_AWAITED:
		return 0;
	}
	words = arena_printf(r->arena, "Job %s %s\n", r->params[0], words);
	return words != NULL ? reply_text(r, 422, words)
			     : reply_err(r, ERR_NOMEM);
}

int
attachments_post(struct worker *w, struct req *r)
{
	enum attachments before;
	struct blob_file *file;
	enum err e;

	/* Check; the body is left unread unless it is wanted. */
	if (!route_id(r))
		return r->status;
	e = archive_attachments(w->svc, &r->id, &before);
	if (e != ERR_OK)
		return reply_err(r, e);
	if (reply_unless_awaited(r, before) != 0)
		return r->status;

	/* Act. */
	if (!upload_receive(w, r, BLOB_ATTACHMENTS, &file))
		return r->status;
	e = archive_put_attachments(w->svc, &r->id, file, &before);
	blob_end(file);
	if (e != ERR_OK)
		return reply_err(r, e);

	/* Reply.  Another upload, or the end of the job, may have been faster. */
	if (reply_unless_awaited(r, before) != 0)
		return r->status;
	return reply_text(r, 200, "OK");
}

int
attachments_get(struct worker *w, struct req *r)
{
	const char *path;
	enum err e;

	if (!route_id(r))
		return r->status;
	e = archive_find_attachments(w->svc, r->arena, &r->id, &path);
	if (e == ERR_NOTFOUND)
		return reply_empty(r, 204);
	if (e != ERR_OK)
		return reply_err(r, e);
	e = handout_note_sign(w->svc, &r->id);
	if (e != ERR_OK && e != ERR_NOTFOUND)
		return reply_err(r, e);
	/* No Content-Encoding: an agent would undo it and then fail. */
	return reply_file(r, "application/gzip", NULL, path);
}
