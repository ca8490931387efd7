/*
 * POST /v1/job/{job_id}/events: what an agent tells of a job, passed on to the job's
 * webhook.  Scheme and authority must be those of WEBHOOK_URL, so that no job can make
 * this server call another.
 */

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>

#include "address.h"
#include "field.h"
#include "gate.h"
#include "job.h"
#include "log.h"
#include "routes.h"

#define TIMEOUT_MS 3000L
#define ANSWER_MAX ((size_t)1048576)

/* The body without the address, which is not the webhook's business. */
struct events {
	const char *url;
	struct buf body;
};

static bool
is_field(const char *key)
{
	return strcmp(key, "agent_id") == 0 || strcmp(key, "job_queue") == 0 ||
	       strcmp(key, "job_status_webhook") == 0 ||
	       strcmp(key, "events") == 0;
}

static void
check_event(struct js_doc *doc, const struct js_member *m, const char *index,
    struct faults *f)
{
	static const struct {
		const char *key;
		bool needed;
	} fields[] = {
	    {"event_name", true}, {"timestamp", true}, {"detail", false}};
	const struct js_member *x;
	const char *why, *text;
	struct js_doc in;
	size_t i, k, len;

	if (field_object(doc, m, &in) != NULL) {
		faults_add(
		    f, FIELD_WRONG_INPUT, "events", index, "_schema", NULL);
		return;
	}
	for (k = 0; k < 3; k++) {
		x = js_find(&in, fields[k].key);
		why = NULL;
		if (x != NULL)
			why = field_string(&in, x, &text, &len);
		else if (fields[k].needed)
			why = FIELD_MISSING;
		if (why != NULL)
			faults_add(
			    f, why, "events", index, fields[k].key, NULL);
	}
	for (i = 0; i < in.n_members; i++) {
		for (k = 0; k < 3; k++)
			if (strcmp(fields[k].key, in.members[i].key) == 0)
				break;
		if (k == 3)
			faults_add(f, FIELD_UNKNOWN, "events", index,
			    in.members[i].key, NULL);
	}
}

static void
check_events(struct js_doc *doc, const struct js_member *m, struct faults *f)
{
	struct js_span rest = m->value;
	struct js_member element;
	char index[24];
	size_t i;

	if (m->kind != JS_ARRAY) {
		faults_add(f, m->kind == JS_NULL ? FIELD_NULL : FIELD_NOT_LIST,
		    m->key, NULL);
		return;
	}
	for (i = 0; f->n < FAULTS_MAX && js_element(&rest, &element); i++) {
		(void)snprintf(index, sizeof(index), "%zu", i);
		check_event(doc, &element, index, f);
	}
}

static void
check_text(struct js_doc *doc, const char *key, struct faults *f)
{
	const struct js_member *m = js_find(doc, key);
	const char *text, *why;
	size_t len;

	if (m != NULL && (why = field_string(doc, m, &text, &len)) != NULL)
		faults_add(f, why, key, NULL);
}

static void
check_url(struct js_doc *doc, struct events *out, struct faults *f)
{
	const struct js_member *m = js_find(doc, "job_status_webhook");
	const char *why = FIELD_MISSING;
	size_t len;

	if (m != NULL)
		why = field_string(doc, m, &out->url, &len);
	if (why == NULL && !address_is_url(out->url, len))
		why = "Not a valid URL.";
	if (why != NULL)
		faults_add(f, why, "job_status_webhook", NULL);
}

static enum err
read_events(struct js_doc *doc, struct faults *f, struct events *out)
{
	const struct js_member *m;
	size_t i, n = 0;

	for (i = 0; i < doc->n_members; i++)
		if (!is_field(doc->members[i].key))
			faults_add(f, FIELD_UNKNOWN, doc->members[i].key, NULL);
	check_text(doc, "agent_id", f);
	check_text(doc, "job_queue", f);
	check_url(doc, out, f);
	if ((m = js_find(doc, "events")) != NULL)
		check_events(doc, m, f);
	if (faults_any(f))
		return ERR_INVALID;
	buf_init(&out->body, doc->arena, doc->text.len);
	for (i = 0; i < doc->n_members; i++) {
		m = &doc->members[i];
		if (strcmp(m->key, "job_status_webhook") == 0)
			continue;
		buf_char(&out->body, n++ == 0 ? '{' : ',');
		buf_add(&out->body, m->raw_key.p, m->raw_key.len);
		buf_char(&out->body, ':');
		buf_add(&out->body, m->value.p, m->value.len);
	}
	buf_str(&out->body, n == 0 ? "{}" : "}");
	return buf_ok(&out->body) ? ERR_OK : ERR_NOMEM;
}

/* Compared as text: another spelling of the same host is another host. */
static bool
is_pinned(const char *url, const char *allowed)
{
	size_t n = address_origin(url), m = address_origin(allowed);

	return n == m && memcmp(url, allowed, n) == 0;
}

/* What the webhook answers, up to ANSWER_MAX. */
static size_t
keep(char *p, size_t size, size_t n, void *arg)
{
	struct buf *b = arg;

	if (b->len + size * n > ANSWER_MAX)
		return 0;
	buf_add(b, p, size * n);
	return buf_ok(b) ? size * n : 0;
}

static struct curl_slist *
headers_of(struct arena *a, const char *token)
{
	struct curl_slist *h, *more;
	char *line;

	h = curl_slist_append(NULL, "Content-Type: application/json");
	if (h == NULL || token[0] == '\0')
		return h;
	line = arena_printf(a, "Authorization: Bearer %s", token);
	more = line != NULL ? curl_slist_append(h, line) : NULL;
	if (more == NULL)
		curl_slist_free_all(h);
	return more;
}

static CURLcode
put(CURL *c, const struct events *ev, struct curl_slist *headers,
    struct buf *answer, long *status)
{
	CURLcode rc;

	if (curl_easy_setopt(c, CURLOPT_URL, ev->url) != CURLE_OK ||
	    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") !=
		CURLE_OK)
		return CURLE_UNSUPPORTED_PROTOCOL;
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
	(void)curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	(void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, "PUT");
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, ev->body.p);
	(void)curl_easy_setopt(
	    c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ev->body.len);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, keep);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, answer);
	rc = curl_easy_perform(c);
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, status);
	return rc;
}

static int
reply_answer(struct req *r, CURLcode rc, long status, const struct buf *answer)
{
	if (rc == CURLE_OPERATION_TIMEDOUT)
		return reply_message(r, 504, "Webhook Timeout");
	if (rc != CURLE_OK || status < 200) {
		log_warn("the webhook cannot be reached: %s",
		    curl_easy_strerror(rc));
		return reply_message(r, 502, "Webhook unreachable");
	}
	if (status == 401 || status == 403)
		return reply_message(r, 500, "Webhook authentication failed");
	return reply(r, (int)status, "text/html; charset=utf-8", NULL,
	    answer->p, answer->len);
}

static int
call_webhook(struct worker *w, struct req *r, const struct events *ev)
{
	CURL *c = curl_easy_init();
	struct curl_slist *headers =
	    headers_of(r->arena, conf_str(w->svc->conf, CONF_WEBHOOK_AUTH));
	struct buf answer;
	long status = 0;
	CURLcode rc;

	buf_init(&answer, r->arena, 1024);
	buf_str(&answer, "");
	if (c == NULL || headers == NULL) {
		curl_easy_cleanup(c);
		curl_slist_free_all(headers);
		return reply_err(r, ERR_NOMEM);
	}
	gate_leave();
	rc = put(c, ev, headers, &answer, &status);
	/* Once more where a connection broke before it was heard of. */
	if (rc == CURLE_SEND_ERROR || rc == CURLE_GOT_NOTHING)
		rc = put(c, ev, headers, &answer, &status);
	curl_easy_cleanup(c);
	curl_slist_free_all(headers);
	return reply_answer(r, rc, status, &answer);
}

int
webhook_post(struct worker *w, struct req *r)
{
	const char *allowed = conf_str(w->svc->conf, CONF_WEBHOOK_URL);
	struct events ev = {.url = NULL};
	struct js_doc doc;
	struct faults f;
	struct job job;
	enum err e;

	/* Parse. */
	faults_init(&f, r->arena);
	e = req_json_object(r, &doc, &f);
	if (e == ERR_INVALID)
		return r->status;

	/* Check. */
	if (e == ERR_OK)
		e = read_events(&doc, &f, &ev);
	if (e == ERR_INVALID)
		return reply_faults(r, &f);
	if (e != ERR_OK)
		return reply_err(r, e);
	if (!route_id(r))
		return r->status;
	e = job_read(w->svc, r->arena, &r->id, &job);
	if (e == ERR_NOTFOUND)
		return reply_message(r, 404, "Job not found");
	if (e != ERR_OK)
		return reply_err(r, e);
	/* Agents repeat a 500 five times, and it would not go away. */
	if (allowed[0] == '\0')
		return reply_message(r, 501, "Webhook URL not configured");
	if (!is_pinned(ev.url, allowed))
		return reply_message(
		    r, 403, "Invalid job_status_webhook URL specified");

	/* Act. */
	return call_webhook(w, r, &ev);
}
