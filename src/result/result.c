/* POST and GET /v1/result/{job_id}. */

#include "result.h"

#include <stdio.h>

#include "handout.h"
#include "job.h"
#include "routes.h"
#include "stream.h"

/* ,"firmware_update_output": */
#define KEY_MAX 32

/* What comes from an agent that does not have the job. */
static enum err
keep_apart(struct worker *w, struct req *r, struct js_doc *doc)
{
	struct id apart = {""};
	enum err e = handout_apart(w->svc, &r->id, &apart);

	return e == ERR_OK ? result_seed_put(w->svc, &apart, doc, r->body,
				 r->body_len, false)
			   : e;
}

/* Today's rules: a report, every field checked, then the id. */
static int
post_report(struct worker *w, struct req *r, struct js_doc *doc)
{
	struct result_report report;
	struct faults f;
	enum err e;

	faults_init(&f, r->arena);
	e = result_report_read(doc, &f, &report);
	if (e == ERR_INVALID)
		return reply_faults(r, &f);
	if (e != ERR_OK)
		return reply_err(r, e);
	if (!route_id(r))
		return r->status;
	e = result_report_put(w->svc, &r->id, &report);
	if (e == ERR_NOTFOUND)
		e = keep_apart(w, r, doc);
	return e == ERR_OK ? reply_text(r, 200, "OK") : reply_err(r, e);
}

/* The seed's rules for whom they are: an unknown id, a seed job, and any body
 * but a report. */
static int
post_seed(struct worker *w, struct req *r, struct js_doc *doc)
{
	enum result_target target;
	enum err e;

	if (!route_id(r))
		return r->status;
	e = result_target(w->svc, &r->id, &target);
	if (e != ERR_OK)
		return reply_err(r, e);
	if (target == RESULT_ORDINARY_JOB && result_is_report(doc))
		return post_report(w, r, doc);
	e = result_seed_put(
	    w->svc, &r->id, doc, r->body, r->body_len, target != RESULT_NO_JOB);
	if (e == ERR_NOTFOUND)
		e = keep_apart(w, r, doc);
	return e == ERR_OK ? reply_text(r, 200, "OK") : reply_err(r, e);
}

int
result_post(struct worker *w, struct req *r)
{
	bool today = w->svc->strict || r->caller.token;
	struct js_doc doc;
	struct faults f;
	enum err e;

	faults_init(&f, r->arena);
	e = today ? req_json_object(r, &doc, &f) : req_json(r, &doc);
	if (e == ERR_INVALID)
		return r->status;
	/* Without a body there is nothing to keep. */
	if (r->body_len == 0)
		return route_id(r) ? reply_text(r, 200, "OK") : r->status;
	if (e != ERR_OK)
		return reply_err(r, e);
	return today ? post_report(w, r, &doc) : post_seed(w, r, &doc);
}

/* The view with its logs behind. */
static int
reply_view(struct worker *w, struct req *r, struct result_shown *shown)
{
	struct joblogs *logs = &shown->logs;
	char key[KEY_MAX];
	struct stream *s;
	size_t i;
	int n;

	s = stream_begin(
	    w, r, logs, shown->len + logs->n * sizeof(key) + sizeof("}\n"));
	if (s == NULL) {
		joblog_close(logs);
		return r->status;
	}
	stream_text(s, shown->json, shown->len);
	for (i = 0; i < logs->n; i++) {
		n = snprintf(key, sizeof(key),
		    ",\"%s_%s\":", phase_name(logs->logs[i].phase),
		    joblog_type_name(logs->logs[i].type));
		stream_text(s, key, (size_t)n);
		stream_log(s, i);
	}
	stream_text(s, "}\n", 2);
	joblog_close(logs);
	return stream_end(s);
}

/* The bytes are whoever's that posted them, so the job tells of its end beside them. */
static int
reply_seed(struct req *r, const struct result_shown *shown)
{
	const char *headers =
	    shown->cancelled ? "Job-State: " JOB_CANCELLED "\r\n" : NULL;

	if (shown->file != NULL)
		return reply_file(r, "application/json", headers, shown->file);
	return reply(
	    r, 200, "application/json", headers, shown->json, shown->len);
}

int
result_get(struct worker *w, struct req *r)
{
	struct result_shown shown;
	enum err e;

	if (!route_id(r))
		return r->status;
	e = result_read(w->svc, r->arena, &r->id, &shown);
	if (e == ERR_NOTFOUND)
		return reply_empty(r, 204);
	if (e != ERR_OK)
		return reply_err(r, e);
	if (shown.logs.n > 0)
		return reply_view(w, r, &shown);
	return reply_seed(r, &shown);
}
