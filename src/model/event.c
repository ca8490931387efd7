/* A report is judged by its shape, and passed on as the bytes that came. */

#include "event.h"

#include "shape.h"

/* A job has some sixteen. */
#define EVENTS_MAX 1000

/* Where a report goes is not part of what is passed on. */
static bool
read_webhook(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at)
{
	size_t from = s->out->len;
	bool good = shape_url(s, field, m, at);

	shape_undo(s, from);
	return good;
}

static const struct shape_field event_fields[] = {
    FIELD("event_name", shape_string, .required = true),
    FIELD("timestamp", shape_string, .required = true),
    FIELD("detail", shape_string),
};
static const struct shape event = {SHAPE_OF(event_fields)};
static const struct shape_field an_event =
    FIELD(NULL, shape_object, .shape = &event);

static const struct shape_field report_fields[] = {
    FIELD("agent_id", shape_string),
    FIELD("job_queue", shape_string),
    FIELD("job_status_webhook", read_webhook, .required = true),
    FIELD("events", shape_list, .each = &an_event, .max = EVENTS_MAX),
};
static const struct shape report = {SHAPE_OF(report_fields)};

static void
free_scratch(void *p)
{
	arena_free(p);
}

enum err
event_report_read(
    struct js_doc *doc, struct faults *f, struct event_report *out)
{
	struct buf body;
	struct shaping s = {
	    .arena = doc->arena,
	    .scratch = arena_new(),
	    .faults = f,
	    .out = &body,
	};
	size_t len;

	if (s.scratch == NULL ||
	    !arena_defer(doc->arena, free_scratch, s.scratch))
		return ERR_NOMEM;
	buf_init(&body, doc->arena, doc->text.len + 2);
	if (!shape_members(&s, &report, doc, NULL))
		return buf_ok(&body) ? ERR_INVALID : ERR_NOMEM;
	out->webhook =
	    js_string(doc->arena, js_find(doc, "job_status_webhook"), &len);
	out->json = body.p;
	out->len = body.len;
	return out->webhook != NULL && buf_ok(&body) ? ERR_OK : ERR_NOMEM;
}
