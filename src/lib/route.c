/* Rows of routes: which one fits, and what it asks of a request. */

#include "route.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "clock.h"
#include "seclog.h"

static const struct {
	enum method method;
	const char *name;
} methods[] = {
    {METHOD_GET, "GET"},
    {METHOD_HEAD, "HEAD"},
    {METHOD_POST, "POST"},
    {METHOD_PUT, "PUT"},
    {METHOD_DELETE, "DELETE"},
    {METHOD_OPTIONS, "OPTIONS"},
};

#define N_METHODS (sizeof(methods) / sizeof(methods[0]))
#define PARAMS_MAX 4

static enum method
method_of(const char *name)
{
	size_t i;

	for (i = 0; name != NULL && i < N_METHODS; i++)
		if (strcmp(methods[i].name, name) == 0)
			return methods[i].method;
	return METHOD_OTHER;
}

/*
 * How well the path fits: 0 not, else 1 + the number of literal segments, so
 * that a literal goes before a placeholder.  params gets the placeholders'
 * values.
 */
static unsigned
fit(const char *path, const struct uri *u, const char *params[PARAMS_MAX])
{
	unsigned literals = 0;
	size_t i = 0, n_params = 0, len;

	while (*path == '/')
		path++;
	for (; *path != '\0'; i++) {
		len = strcspn(path, "/");
		if (i >= u->n_segments)
			return 0;
		if (path[0] == '{') {
			params[n_params++] = u->segments[i];
			if (path[len - 2] == '.')
				i = u->n_segments - 1;
		} else if (strlen(u->segments[i]) == len &&
			   memcmp(u->segments[i], path, len) == 0) {
			literals++;
		} else {
			return 0;
		}
		path += len;
		while (*path == '/')
			path++;
	}
	return i == u->n_segments ? literals + 1 : 0;
}

static bool
allows(const struct route *row, enum method m)
{
	if ((row->flags & ROUTE_ELSEWHERE) != 0)
		return false;
	if (row->method == m)
		return true;
	return m == METHOD_HEAD && row->method == METHOD_GET &&
	       (row->flags & ROUTE_NO_HEAD) == 0;
}

/* The value of {path...}: what is left of the path, joined. */
static bool
join_rest(struct req *r)
{
	const char *rest = strstr(r->route->path, "...}"), *p;
	size_t i = 0, n = 0;
	struct buf b;

	if (rest == NULL)
		return true;
	for (p = r->route->path; p < rest; p++) {
		n += *p == '{';
		i += *p == '/';
	}
	buf_init(&b, r->arena, 128);
	for (i--; i < r->uri.n_segments; i++) {
		if (b.len > 0)
			buf_char(&b, '/');
		buf_str(&b, r->uri.segments[i]);
	}
	r->params[n - 1] = b.p;
	return buf_ok(&b);
}

struct match {
	const struct route *row; /* NULL: the path is known, the method not */
	unsigned best; /* of fit(); 0: no such path */
	unsigned allowed; /* enum method, or-ed */
	const char *params[PARAMS_MAX];
};

/* oidc: people sign in by it. */
static void
find(const struct route_table *t, const struct req *r, bool oidc,
    struct match *m)
{
	const char *params[PARAMS_MAX] = {NULL};
	const struct route *row;
	unsigned how;
	size_t i;

	*m = (struct match){.row = NULL};
	for (i = 0; i < t->n; i++) {
		row = &t->routes[i];
		if ((row->flags & ROUTE_OIDC) != 0 && !oidc)
			continue;
		how = fit(row->path, &r->uri, params);
		if (how == 0 || how < m->best)
			continue;
		if (how > m->best)
			*m = (struct match){.best = how};
		m->allowed |= row->method;
		if (allows(row, METHOD_HEAD))
			m->allowed |= METHOD_HEAD;
		if (allows(row, r->method)) {
			m->row = row;
			memcpy(m->params, params, sizeof(params));
		}
	}
}

static int
reply_allow(struct req *r, unsigned allowed)
{
	static const char json[] =
	    "{\"detail\":{},\"message\":\"Method Not Allowed\"}\n";
	char allow[128];
	size_t i, n;

	allowed |= METHOD_OPTIONS;
	n = (size_t)snprintf(allow, sizeof(allow), "Allow: ");
	for (i = 0; i < N_METHODS; i++)
		if ((allowed & methods[i].method) != 0)
			n += (size_t)snprintf(allow + n, sizeof(allow) - n,
			    "%s%s", n > 7 ? ", " : "", methods[i].name);
	(void)snprintf(allow + n, sizeof(allow) - n, "\r\n");
	if (r->method == METHOD_OPTIONS)
		return reply(r, 200, "text/html; charset=utf-8", allow, "", 0);
	return reply(r, 405, "application/json", allow, json, sizeof(json) - 1);
}

static enum err
read_body(struct req *r, const struct conf *c)
{
	r->body = "";
	r->body_len = 0;
	if (r->route->body_max == ROUTE_NO_BODY ||
	    (r->route->flags & ROUTE_STREAM) != 0)
		return ERR_OK;
	return req_read_body(r, (size_t)conf_int(c, r->route->body_max));
}

int
route_refuse(struct req *r, int status, const char *fmt, ...)
{
	const char *id = r->caller.client_id, *message;
	char *event;
	va_list ap;

	va_start(ap, fmt);
	message = arena_vprintf(r->arena, fmt, ap);
	va_end(ap);
	event = arena_printf(r->arena, "authz_fail:%s,%s",
	    id != NULL ? id : "unauthenticated", r->route->path);
	if (message == NULL || event == NULL)
		return reply_err(r, ERR_NOMEM);
	seclog(r, event, "%s%s was refused with %d: %s",
	    id != NULL ? "The client " : "A caller without a client id",
	    id != NULL ? id : "", status, message);
	return reply_message(r, status, "%s", message);
}

/* What a proxy adds (RFC 9110, 7.6.3; RFC 7239; and the custom of many). */
static const char *const proxied[] = {
    "HTTP_VIA", "HTTP_FORWARDED", "HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP"};

/*
 * NULL where requests share a connection before they are answered, as in HTTP/2, or it is
 * that of a proxy, which may carry anybody's requests and lose an answer after it got it.
 */
static const char *
connection_of(struct req *r)
{
	const char *protocol = req_param(r, "SERVER_PROTOCOL");
	size_t i;

	for (i = 0; i < sizeof(proxied) / sizeof(proxied[0]); i++)
		if (req_param(r, proxied[i]) != NULL)
			return NULL;
	return protocol != NULL && strncmp(protocol, "HTTP/1.", 7) == 0
		   ? req_param(r, "TF_CONNECTION")
		   : NULL;
}

static void
tell_cause(struct req *r)
{
	const char *cookies = req_param(r, "HTTP_COOKIE");

	r->cause = (struct cause){
	    .request_id = req_id(r),
	    .client = r->caller.client_id,
	    .agent = cookies != NULL
			 ? uri_cookie(r->arena, cookies, "agent_name")
			 : NULL,
	    .connection = connection_of(r),
	};
	cause_set(&r->cause);
}

void
route_note_word(const struct worker *w, const struct req *r)
{
	struct seen *s = w != NULL ? w->svc->seen : NULL;
	const char *agent = r->cause.agent;

	if (s == NULL)
		return;
	if (agent != NULL && agent[0] != '\0')
		seen_touch(s, SEEN_AGENT, agent, clock_now_ms());
	else if (r->method == METHOD_POST && r->id.text[0] != '\0')
		seen_touch(s, SEEN_JOB, r->id.text, clock_now_ms());
}

static bool
may_pass(struct req *r, unsigned anonymous, const struct worker *w,
    struct auth_denial *denial)
{
	const char *cookies = req_param(r, "HTTP_COOKIE");
	struct auth_ask ask = {
	    .authorization = req_param(r, "HTTP_AUTHORIZATION"),
	    .roles = r->route->roles,
	    .anonymous = anonymous,
	    .keys = w != NULL ? w->svc->jwt : NULL,
	    .now_ms = clock_now_ms(),
	    .upward = (r->route->flags & ROUTE_ROLES_UPWARD) != 0,
	};

	if (cookies != NULL)
		ask.agent_cookie =
		    uri_cookie(r->arena, cookies, "agent_name") != NULL;
	return auth_check(&ask, r->arena, &r->caller, denial);
}

int
route_run(const struct route_table *t, const struct conf *c, unsigned anonymous,
    struct worker *w, struct req *r)
{
	const char *target = req_param(r, "REQUEST_URI");
	struct auth_denial denial;
	struct match m;
	enum err e;

	r->method = method_of(req_param(r, "REQUEST_METHOD"));
	if (target == NULL)
		target = "/";
	e = uri_parse(&r->uri, r->arena, target, strlen(target));
	if (e == ERR_INVALID)
		return reply_message(r, 400, "Bad Request");
	if (e != ERR_OK)
		return reply_err(r, e);
	find(t, r, w != NULL && w->svc->oidc != NULL, &m);
	if (m.best == 0)
		return reply_message(r, 404, "Not Found");
	if (m.row == NULL)
		return reply_allow(r, m.allowed);
	r->route = m.row;
	memcpy(r->params, m.params, sizeof(r->params));
	if (!join_rest(r))
		return reply_err(r, ERR_NOMEM);
	if (!may_pass(r, anonymous, w, &denial))
		return route_refuse(r, denial.status, "%s", denial.message);
	if ((e = read_body(r, c)) != ERR_OK)
		return reply_err(r, e);
	tell_cause(r);
	route_note_word(w, r);
	(void)m.row->handler(w, r);
	route_note_word(w, r);
	cause_set(NULL);
	return r->status;
}

bool
route_id(struct req *r)
{
	const char *given = r->params[0];

	if (id_parse(given, strlen(given), &r->id))
		return true;
	if ((r->route->flags & ROUTE_ID_TEXT) != 0)
		(void)reply_text(r, 400, "Invalid job id\n");
	else
		(void)reply_message(r, 400, "Invalid job_id specified");
	return false;
}
