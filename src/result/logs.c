/* POST and GET /v1/result/{job_id}/log/{output,serial}. */

#include <stdio.h>
#include <string.h>

#include "field.h"
#include "handout.h"
#include "joblog.h"
#include "routes.h"
#include "stream.h"

/* Of what goes before the text of a phase, and its end. */
#define HEAD_MAX 96

static int
post(struct worker *w, struct req *r, enum joblog_type type)
{
	struct joblog_fragment fragment;
	struct id apart = {""};
	struct js_doc doc;
	struct faults f;
	enum err e;

	faults_init(&f, r->arena);
	e = req_json_object(r, &doc, &f);
	if (e == ERR_INVALID)
		return r->status;
	if (e != ERR_OK)
		return reply_err(r, e);
	e = joblog_fragment_read(&doc, &f, &fragment);
	if (e == ERR_INVALID)
		return reply_faults(r, &f);
	if (e != ERR_OK)
		return reply_err(r, e);
	if (!route_id(r))
		return r->status;
	e = joblog_append(w->svc, &r->id, type, &fragment);
	if (e == ERR_NOTFOUND) {
		e = handout_apart(w->svc, &r->id, &apart);
		if (e == ERR_OK)
			e = joblog_append(w->svc, &apart, type, &fragment);
	}
	return e == ERR_OK ? reply_text(r, 200, "OK") : reply_err(r, e);
}

int
logs_post_output(struct worker *w, struct req *r)
{
	return post(w, r, JOBLOG_OUTPUT);
}

int
logs_post_serial(struct worker *w, struct req *r)
{
	return post(w, r, JOBLOG_SERIAL);
}

static const char *
start_fragment(const char *value, struct joblog_query *q)
{
	const char *why = field_int_text(value, strlen(value), &q->number);

	if (why == NULL && q->number < 0)
		return "Must be greater than or equal to 0.";
	return why;
}

static const char *
start_timestamp(const char *value, struct joblog_query *q)
{
	return field_datetime_text(value, strlen(value), &q->at);
}

static const char *
phase(const char *value, struct joblog_query *q)
{
	q->phase = phase_of(value, strlen(value));
	return q->phase == PHASE__MAX ? PHASE_UNKNOWN : NULL;
}

static const struct {
	const char *name;
	const char *(*read)(const char *value, struct joblog_query *q);
} params[] = {
    {"start_fragment", start_fragment},
    {"start_timestamp", start_timestamp},
    {"phase", phase},
};

#define N_PARAMS (sizeof(params) / sizeof(params[0]))

/* Of a parameter that comes twice the first counts. */
static void
read_query(const struct uri *u, struct faults *f, struct joblog_query *q)
{
	const char *value, *why;
	size_t i, k;

	for (k = 0; k < N_PARAMS; k++) {
		if ((value = uri_query(u, params[k].name)) == NULL)
			continue;
		if ((why = params[k].read(value, q)) != NULL)
			faults_add(f, why, params[k].name, NULL);
	}
	for (i = 0; i < u->n_query; i++) {
		for (k = 0; k < N_PARAMS; k++)
			if (strcmp(params[k].name, u->query[i].name) == 0)
				break;
		if (k == N_PARAMS)
			faults_add(f, FIELD_UNKNOWN, u->query[i].name, NULL);
	}
}

/* 400 with an object as message: so it is on this path alone. */
static int
reply_query_faults(struct req *r, const struct faults *f)
{
	const char *json = faults_json(f);
	struct buf b;

	buf_init(&b, r->arena, 512);
	buf_str(&b, "{\"detail\":{},\"message\":");
	buf_str(&b, json != NULL ? json : "{}");
	buf_str(&b, "}\n");
	return buf_ok(&b) ? reply_json(r, 400, b.p, b.len)
			  : reply_err(r, ERR_NOMEM);
}

/* One phase, or of it that there is nothing. */
static void
put_phase(
    struct stream *s, const struct joblogs *logs, enum phase p, bool first)
{
	char head[HEAD_MAX];
	size_t i;
	int n;

	for (i = 0; i < logs->n; i++)
		if (logs->logs[i].phase == p)
			break;
	n = snprintf(head, sizeof(head),
	    "%s\"%s\":{\"last_fragment_number\":%lld,\"log_data\":",
	    first ? "" : ",", phase_name(p),
	    i < logs->n ? (long long)logs->logs[i].last : -1);
	stream_text(s, head, (size_t)n);
	if (i < logs->n)
		stream_log(s, i);
	else
		stream_text(s, "\"\"", 2);
	stream_text(s, "}", 1);
}

static int
reply_logs(struct worker *w, struct req *r, const struct joblog_query *q,
    struct joblogs *logs)
{
	struct stream *s =
	    stream_begin(w, r, logs, (size_t)PHASE__MAX * HEAD_MAX);
	bool one = q->phase != PHASE__MAX;
	enum phase p;
	char head[32];

	if (s == NULL)
		return r->status;
	stream_text(s, head,
	    (size_t)snprintf(
		head, sizeof(head), "{\"%s\":{", joblog_type_name(q->type)));
	for (p = one ? q->phase : PHASE_SETUP; p < PHASE__MAX; p++) {
		put_phase(s, logs, p, one || p == PHASE_SETUP);
		if (one)
			break;
	}
	stream_text(s, "}}\n", 3);
	return stream_end(s);
}

static int
get(struct worker *w, struct req *r, enum joblog_type type)
{
	struct joblog_query q = {type, PHASE__MAX, INT64_MIN, INT64_MIN};
	struct joblogs logs;
	struct faults f;
	int status;
	enum err e;

	if (!id_parse(r->params[0], strlen(r->params[0]), &r->id))
		return reply_message(r, 400, "Invalid job id\n");
	faults_init(&f, r->arena);
	read_query(&r->uri, &f, &q);
	if (faults_any(&f))
		return reply_query_faults(r, &f);
	if ((e = joblog_list(w->svc, &r->id, &q, &logs)) != ERR_OK)
		return reply_err(r, e);
	status = reply_logs(w, r, &q, &logs);
	joblog_close(&logs);
	return status;
}

int
logs_get_output(struct worker *w, struct req *r)
{
	return get(w, r, JOBLOG_OUTPUT);
}

int
logs_get_serial(struct worker *w, struct req *r)
{
	return get(w, r, JOBLOG_SERIAL);
}
