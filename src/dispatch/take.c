/* GET /v1/job?queue=…: the next job of an agent. */

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "handout.h"
#include "hold.h"
#include "log.h"
#include "prefer.h"
#include "queue.h"
#include "routes.h"
#include "take_reply.h"

/* By so much the web server must wait longer than a request is held. */
#define MARGIN_S 5

/* Who asks: agent=NAME in the query, so that curl needs no cookie jar, else the
 * cookie that POST /v1/agents/data/NAME has set.  NULL: nobody we know. */
static const char *
agent_name(struct req *r, bool *by_cookie)
{
	const char *name = uri_query(&r->uri, "agent");
	const char *cookies;

	*by_cookie = false;
	if (name == NULL) {
		cookies = req_param(r, "HTTP_COOKIE");
		if (cookies != NULL)
			name = uri_cookie(r->arena, cookies, "agent_name");
		*by_cookie = true;
	}
	if (name == NULL || name_fault(name, strlen(name)) != NULL)
		return NULL;
	return name;
}

/* DISPATCH_WAIT_MAX, or less where the web server would not wait so long.  It tells its
 * time-out itself, for our configuration does not know it. */
static int64_t
wait_most(const struct conf *conf, struct req *r)
{
	static atomic_bool told;
	int64_t most = conf_int(conf, CONF_DISPATCH_WAIT_MAX), limit;
	const char *text = req_param(r, "TF_READ_TIMEOUT");

	if (text == NULL || !prefer_seconds(text, strlen(text), &limit))
		return most;
	limit = limit > MARGIN_S ? limit - MARGIN_S : 0;
	if (most <= limit)
		return most;
	if (!atomic_exchange(&told, true))
		log_warn("nginx waits no longer than %s s for an answer, so "
			 "requests for a job wait %lld s at most and not "
			 "DISPATCH_WAIT_MAX = %lld: raise fastcgi_read_timeout "
			 "and TF_READ_TIMEOUT for /v1/job in nginx's "
			 "testflinger.conf to %lld, or lower DISPATCH_WAIT_MAX",
		    text, (long long)limit, (long long)most,
		    (long long)most + 2LL * MARGIN_S);
	return limit;
}

/* How long r may wait for a job, and whether it has asked for that itself: wait=N in
 * the query, else in Prefer (RFC 7240).  False after a 422. */
static bool
read_wait(const struct conf *conf, struct req *r, bool by_cookie,
    struct hold_poll *out)
{
	const char *asked = uri_query(&r->uri, "wait");
	const char *prefer = req_param(r, "HTTP_PREFER");
	int64_t most = wait_most(conf, r);
	bool told = asked != NULL;
	struct faults f;

	if (asked != NULL &&
	    !prefer_seconds(asked, strlen(asked), &out->wait_s)) {
		faults_init(&f, r->arena);
		faults_add(&f, "Not a whole number of seconds.", "wait", NULL);
		(void)reply_faults_of(r, "query", &f);
		return false;
	}
	if (!told && prefer != NULL)
		told = prefer_wait(prefer, &out->wait_s);
	if (!told)
		out->wait_s =
		    by_cookie ? conf_int(conf, CONF_DISPATCH_WAIT) : 0;
	if (out->wait_s > most)
		out->wait_s = most;
	out->applied_s = told ? out->wait_s : -1;
	return true;
}

int
take_get(struct worker *w, struct req *r)
{
	struct handout_ask ask;
	struct hold_poll poll = {.generation = hold_generation()};
	char applied[64] = "";
	bool by_cookie;
	struct job job;
	enum err e;

	/* Parse and check. */
	poll.queues = uri_query_all(&r->uri, r->arena, "queue", &poll.n);
	if (poll.queues == NULL)
		return reply_err(r, ERR_NOMEM);
	if (poll.n == 0)
		return reply_message(
		    r, 400, "No queue(s) specified in request");
	poll.agent = agent_name(r, &by_cookie);
	if (poll.agent == NULL)
		return route_refuse(r, 401, "Agent not identified");
	if (!read_wait(w->svc->conf, r, by_cookie, &poll))
		return r->status;

	/* Act. */
	r->cause.agent = poll.agent;
	ask = (struct handout_ask){poll.queues, poll.n, poll.agent,
	    r->caller.client_id, r->cause.connection};
	e = handout_take(w->svc, r->arena, &ask, &job);
	if (e == ERR_NOTFOUND && poll.wait_s > 0) {
		if (hold_request(w->svc, r, &poll))
			return 0;
		poll.applied_s = -1;
	}

	/* Reply. */
	if (poll.applied_s >= 0)
		(void)snprintf(applied, sizeof(applied), TAKE_REPLY_APPLIED,
		    (long long)poll.applied_s);
	if (e == ERR_NOTFOUND)
		return take_reply_none(r, applied);
	if (e != ERR_OK)
		return reply_err(r, e);
	return take_reply_job(w->svc, r, &job, applied);
}
