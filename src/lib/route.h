#ifndef ROUTE_H
#define ROUTE_H

#include <stddef.h>

#include "conf.h"
#include "reply.h"

/* Find the row, enforce what it says, call its handler. */

struct worker;

typedef int (*route_handler)(struct worker *w, struct req *r);

enum route_flag {
	ROUTE_NO_HEAD = 1 << 0, /* GET changes something: HEAD is 405 */
	ROUTE_ID_TEXT = 1 << 1, /* a bad job id is "Invalid job id\n" as text */
	ROUTE_ELSEWHERE = 1 << 2, /* another responder's: Allow names it */
	ROUTE_ROLES_UPWARD = 1 << 3, /* a refusal names the lowest role first */
	ROUTE_STREAM = 1 << 4, /* the handler reads the body, as it comes */
	ROUTE_OIDC = 1 << 5, /* there only where people sign in by OIDC */
	ROUTE_PRIVATE = 1 << 6 /* the path holds what is no log's business */
};

/*
 * path: segments and placeholders, "/v1/job/{job_id}/action".  {job_id} must be
 * a UUID in any spelling (else 400) and is canonical in r->id afterwards; any
 * other placeholder is in r->params as decoded.  A last one with dots, {path...},
 * takes one segment or more, with "/" between.  A literal segment goes before a
 * placeholder.
 */
struct route {
	enum method method;
	const char *path;
	unsigned roles; /* who may, enum role; 0: everybody, token unread */
	enum conf_id body_max; /* key with the most bytes; ROUTE_NO_BODY */
	unsigned flags;
	route_handler handler;
};

#define ROUTE_NO_BODY CONF__MAX

struct route_table {
	const struct route *routes;
	size_t n;
};

/*
 * Answer r by the row that fits.  Before the handler runs: 400 for a target
 * that cannot be read, 404, OPTIONS with Allow, 405 with Allow, 401 and 403,
 * and the body read (413, 499).  A bad job id is left to route_id(), because
 * today's API judges the body first. Returns the status of the reply sent.
 */
int route_run(const struct route_table *t, const struct conf *c,
    unsigned anonymous, struct worker *w, struct req *r);

/* Refuse the caller for who it is, 401 or 403, in the shape of all errors; the security log
 * is told (authz_fail).  Returns the status. */
int route_refuse(struct req *r, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* r is a word of its agent: of the one whose name it carries, else, if it posts about a
 * job, of the one that has that job.  It is noted where somebody waits for it (see
 * seen_keep()).  route_run() does so before and after the handler; one that takes long
 * does it in between. */
void route_note_word(const struct worker *w, const struct req *r);

/* The canonical job id in r->id; false after the 400 that the row wants has
 * been sent. */
bool route_id(struct req *r);

#endif /* !ROUTE_H */
