/* The definition is copied in stretches of the text that is stored, so that what nobody
 * here reads keeps its bytes. */

#include "job_view.h"

#include <string.h>

#include "clock.h"
#include "job_fields.h"
#include "js.h"
#include "js_escape.h"
#include "secret.h"

static void
put_member(struct buf *b, const struct js_member *m, const char *id_text)
{
	buf_add(b, m->raw_key.p, m->raw_key.len);
	buf_char(b, ':');
	if (strcmp(m->key, "job_id") == 0)
		js_put_string(b, id_text, strlen(id_text));
	else
		buf_add(b, m->value.p, m->value.len);
}

/* The known members, without the final brace. */
static void
put_known(struct buf *b, const struct js_doc *doc, const char *id_text)
{
	size_t start = b->len, i;

	for (i = 0; i < doc->n_members; i++) {
		if (!job_fields_known(doc->members[i].key))
			continue;
		buf_char(b, b->len == start ? '{' : ',');
		put_member(b, &doc->members[i], id_text);
	}
}

/* All of it, without the final brace. */
static void
put_all(struct buf *b, const struct js_doc *doc, const char *id_text)
{
	const char *from = doc->text.p;
	const char *end = doc->text.p + doc->text.len - 1;
	const struct js_span *value;
	size_t i;

	for (i = 0; i < doc->n_members; i++) {
		if (strcmp(doc->members[i].key, "job_id") != 0)
			continue;
		value = &doc->members[i].value;
		buf_add(b, from, (size_t)(value->p - from));
		js_put_string(b, id_text, strlen(id_text));
		from = value->p + value->len;
	}
	buf_add(b, from, (size_t)(end - from));
}

enum err
job_view(struct buf *b, const struct job *job, bool strict, const char *id_text)
{
	struct js_fault fault;
	struct js_doc doc;
	enum err e;

	e = js_scan(&doc, b->arena, job->body, job->body_len, &fault);
	if (e != ERR_OK)
		return ERR_NOMEM; /* what is stored has passed this scan */
	if (strict && !job->seed)
		put_known(b, &doc, id_text);
	else
		put_all(b, &doc, id_text);
	if (!job->seed && js_find(&doc, "exclude_agents") == NULL)
		buf_str(b, ",\"exclude_agents\":[]");
	if (job->retry_of != NULL)
		buf_printf(b, ",\"retry_of\":\"%s\"", job->retry_of);
	if (job->retried_as != NULL)
		buf_printf(b, ",\"retried_as\":\"%s\"", job->retried_as);
	buf_char(b, '}');
	return buf_ok(b) ? ERR_OK : ERR_NOMEM;
}

enum err
job_view_taken(struct svc *s, struct buf *b, const struct job *job)
{
	const char *body = job->body;
	char time[CLOCK_TEXT_LEN];
	size_t len = job->body_len;
	enum err e = ERR_OK;

	if (job->client_id != NULL)
		e = secret_fill(s, b->arena, &job->id, job->client_id,
		    job->body, job->body_len, &body, &len);
	if (e != ERR_OK)
		return e;
	clock_text(job->started_at, time);
	buf_add(b, body, len - 1);
	if (job->client_id != NULL && job->client_id[0] != '\0') {
		buf_str(b, ",\"client_id\":");
		js_put_string(b, job->client_id, strlen(job->client_id));
	}
	if (job->attachments != NULL) {
		buf_str(b, ",\"attachments_status\":");
		js_put_string(b, job->attachments, strlen(job->attachments));
	}
	buf_printf(b, ",\"started_at\":\"%s\"}\n", time);
	return buf_ok(b) ? ERR_OK : ERR_NOMEM;
}
