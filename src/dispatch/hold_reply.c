/* By way of http_fcgi_late: the request itself has gone since. */

#include "hold_reply.h"

#include <stdio.h>

#include "http_fcgi.h"
#include "log.h"
#include "reply.h"
#include "take_reply.h"

static void
preference(const struct parked *p, char *out, size_t size)
{
	out[0] = '\0';
	if (p->applied_s >= 0)
		(void)snprintf(
		    out, size, TAKE_REPLY_APPLIED, (long long)p->applied_s);
}

/* The reply to come: r by way of l. */
static void
begin_reply(
    struct parked *p, struct http_fcgi_late *l, struct req *r, struct arena *a)
{
	http_fcgi_begin(l, &p->conn, a);
	*r = (struct req){
	    .io = &http_fcgi_late,
	    .ctx = l,
	    .arena = a,
	    .method = METHOD_GET,
	};
	p->conn.fd = -1;
}

void
hold_reply_none(struct parked *p, struct arena *a)
{
	struct http_fcgi_late l;
	char applied[64];
	struct req r;

	preference(p, applied, sizeof(applied));
	begin_reply(p, &l, &r, a);
	(void)take_reply_none(&r, applied);
	(void)http_fcgi_end(&l);
	arena_reset(a);
}

void
hold_reply_job(struct svc *svc, struct parked *p, struct arena *a, enum err e,
    const struct job *job)
{
	struct http_fcgi_late l;
	char applied[64];
	struct req r;

	preference(p, applied, sizeof(applied));
	begin_reply(p, &l, &r, a);
	if (e == ERR_OK)
		(void)take_reply_job(svc, &r, job, applied);
	else
		(void)reply_err(&r, e);
	if (!http_fcgi_end(&l) && e == ERR_OK)
		log_warn("the agent %s has gone while it was given job %s",
		    p->agent, job->id.text);
}
