/* The file in a form, from the wire to the disk as it comes. */

#include "routes.h"

#include <stdatomic.h>

#include "gate.h"
#include "multipart.h"

/* What a form may have around its file when the size of that is limited. */
#define FORM_ROOM ((int64_t)1 << 20)

/* Of the threads, one part is kept free of uploads. */
#define SHARE 4

static atomic_uint uploads;

struct upload {
	const struct worker *w;
	const struct req *r;
	struct multipart *form;
	struct blob_file *file;
	int64_t max; /* bytes of the file; 0: any */
	int64_t len;
};

static enum err
take_file(void *arg, const char *p, size_t n)
{
	struct upload *u = arg;

	u->len += (int64_t)n;
	if (u->max > 0 && u->len > u->max)
		return ERR_TOOBIG;
	return blob_write(u->file, p, n);
}

static enum err
take_body(void *arg, const char *p, size_t n)
{
	struct upload *u = arg;

	route_note_word(u->w, u->r);
	return multipart_feed(u->form, p, n);
}

static enum err
receive(struct worker *w, struct req *r, enum blob_name name, struct upload *u)
{
	enum err e;

	u->max = conf_int(w->svc->conf, r->route->body_max);
	e = multipart_new(
	    &u->form, r->arena, req_param(r, "CONTENT_TYPE"), take_file, u);
	if (e == ERR_OK)
		e = blob_begin(w->svc->blob, &r->id, name, &u->file);
	if (e == ERR_OK)
		e = req_stream_body(
		    r, u->max > 0 ? u->max + FORM_ROOM : 0, take_body, u);
	return e == ERR_OK ? multipart_end(u->form) : e;
}

bool
upload_receive(struct worker *w, struct req *r, enum blob_name name,
    struct blob_file **out)
{
	struct upload u = {.w = w, .r = r};
	enum err e = ERR_BUSY;

	/* Slow ones leave threads for the rest. */
	if (atomic_fetch_add(&uploads, 1) < gate_rest(SHARE))
		e = receive(w, r, name, &u);
	(void)atomic_fetch_sub(&uploads, 1);
	*out = u.file;
	if (e == ERR_OK)
		return true;
	/* Nothing is left when the answer comes, nor room taken. */
	if (u.file != NULL)
		blob_end(u.file);
	if (e == ERR_INVALID)
		(void)reply_message(r, 400, "Bad Request");
	else if (e == ERR_LIMIT)
		(void)reply_message(r, 413, "Request Entity Too Large");
	else
		(void)reply_err(r, e);
	return false;
}
