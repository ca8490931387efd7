/* The replies to a poll, at once or late. */

#include "take_reply.h"

#include "job_view.h"
#include "reply.h"

int
take_reply_job(
    struct svc *svc, struct req *r, const struct job *job, const char *headers)
{
	struct buf b;
	enum err e;

	buf_init(&b, r->arena, job->body_len + 128);
	e = job_view_taken(svc, &b, job);
	return e == ERR_OK
		   ? reply(r, 200, "application/json", headers, b.p, b.len)
		   : reply_err(r, e);
}

int
take_reply_none(struct req *r, const char *headers)
{
	return reply(r, 204, "", headers, "", 0);
}
