/* /v1/agents/queues and /v1/agents/images: what agents advertise. */

#include "advert.h"
#include "list.h"
#include "routes.h"

typedef enum err (*reader)(
    struct js_doc *doc, struct faults *f, struct adverts *out);
typedef enum err (*keeper)(struct svc *s, const struct adverts *a);

static int
post(struct worker *w, struct req *r, reader read, keeper put)
{
	struct adverts a;
	struct js_doc doc;
	struct faults f;
	enum err e;

	/* Parse. */
	faults_init(&f, r->arena);
	e = req_json_object(r, &doc, &f);
	if (e == ERR_INVALID)
		return r->status;

	/* Check. */
	if (e == ERR_OK)
		e = read(&doc, &f, &a);
	if (e == ERR_INVALID)
		return reply_faults(r, &f);

	/* Act. */
	if (e == ERR_OK)
		e = put(w->svc, &a);
	if (e == ERR_LIMIT) {
		faults_add(&f,
		    "Too many queues: the server's MAX_QUEUES is reached.",
		    "_schema", NULL);
		return reply_faults(r, &f);
	}
	return e == ERR_OK ? reply_text(r, 200, "OK") : reply_err(r, e);
}

int
queues_post(struct worker *w, struct req *r)
{
	return post(w, r, advert_read_queues, advert_put_queues);
}

int
images_post(struct worker *w, struct req *r)
{
	return post(w, r, advert_read_images, advert_put_images);
}

int
queues_get(struct worker *w, struct req *r)
{
	return list_names(w, r, "{}", advert_list_page);
}

int
images_get(struct worker *w, struct req *r)
{
	const char *json;
	size_t len;
	enum err e;

	e = advert_images(w->svc, r->arena, r->params[0], &json, &len);
	return e == ERR_OK ? reply_json(r, 200, json, len) : reply_err(r, e);
}
