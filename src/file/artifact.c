/* POST and GET /v1/result/{job_id}/artifact. */

#include "routes.h"

#include "archive.h"
#include "handout.h"
#include "range.h"

int
artifact_post(struct worker *w, struct req *r)
{
	struct blob_file *file;
	struct id apart = {""};
	enum err e;

	if (!route_id(r) || !upload_receive(w, r, BLOB_ARTIFACT, &file))
		return r->status;
	e = handout_note_sign(w->svc, &r->id);
	if (e == ERR_OK) {
		e = archive_put_artifact(w->svc, &r->id, file);
	} else if (e == ERR_NOTFOUND) {
		e = handout_apart(w->svc, &r->id, &apart);
		if (e == ERR_OK)
			e = archive_put_artifact(w->svc, &apart, file);
	}
	blob_end(file);
	return e == ERR_OK ? reply_text(r, 200, "OK") : reply_err(r, e);
}

/* nginx will have a word to say instead of the file, and that is not compressed.  With
 * If-Range it may yet be the file. */
static bool
ends_as_416(struct req *r, int64_t size)
{
	const char *range = req_param(r, "HTTP_RANGE");

	return range != NULL && req_param(r, "HTTP_IF_RANGE") == NULL &&
	       range_is_beyond(range, size);
}

int
artifact_get(struct worker *w, struct req *r)
{
	const char *path;
	int64_t size;
	enum err e;

	if (!route_id(r))
		return r->status;
	e = archive_find_artifact(w->svc, r->arena, &r->id, &path, &size);
	if (e == ERR_NOTFOUND)
		return reply_empty(r, 204);
	if (e != ERR_OK)
		return reply_err(r, e);
	if (ends_as_416(r, size))
		return reply_file(r, "application/x-tar", NULL, path);
	/* Who undoes the encoding gets a tar, who does not the file as it was
	 * posted: both are relied on. */
	return reply_gzipped_file(r, "application/x-tar",
	    "Content-Disposition: inline; filename=artifact.tar.gz\r\n"
	    "Cache-Control: no-cache\r\n",
	    path);
}
