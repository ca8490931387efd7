#ifndef REPLY_H
#define REPLY_H

#include "http.h"

/* The reply to a request: its head, its body at the pace that is allowed (pace.h), and the
 * words of failures. */

/*
 * Send a reply.  Each returns the status, for the handler to return.  headers:
 * NULL or complete lines, each ended by CRLF.  A long one (see pace.h) is 503 where too
 * many are under way, and is broken off where its client is too slow.
 */
int reply(struct req *r, int status, const char *type, const char *headers,
    const char *body, size_t len);
int reply_json(struct req *r, int status, const char *json, size_t len);
int reply_text(struct req *r, int status, const char *text);

/* Whether a long reply may begin now; else better a 503 than one that breaks off. */
bool reply_may_be_long(const struct req *r);

/*
 * A reply whose length nobody knows before: begin it, write any number of pieces,
 * better big than many, and end it, or break it off if the rest cannot be had.
 * reply_write() is false if nobody listens any more, or too slowly, or it was a HEAD;
 * then there is no need for the rest.  reply_end() and reply_cut() return the status.
 */
void reply_begin(struct req *r, int status, const char *type);
bool reply_write(struct req *r, const void *p, size_t n);
int reply_end(struct req *r);
int reply_cut(struct req *r);

/* Where the web server finds DATA_PATH/jobs for us, hidden from clients. */
#define REPLY_FILES "/_testflinger_files/"

/* 200 with the file at path below DATA_PATH/jobs, sent by the web server
 * (X-Accel-Redirect), so that a slow client holds nothing of ours.  headers: as in reply();
 * but the web server takes only those that its configuration passes on, as Job-State. */
int reply_file(
    struct req *r, const char *type, const char *headers, const char *path);

/* The same below REPLY_GZIPPED, where the web server adds the Content-Encoding gzip that
 * it would drop if we sent it.  headers: as in reply(). */
#define REPLY_GZIPPED "/_testflinger_gzipped/"
int reply_gzipped_file(
    struct req *r, const char *type, const char *headers, const char *path);

int reply_empty(struct req *r, int status);

/* {"detail":{},"message":…}, the message as in printf. */
int reply_message(struct req *r, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The reply for a failure e that the handler has no words for: its status and
 * text, Retry-After with 503, nothing internal. */
int reply_err(struct req *r, enum err e);

/* The faults as one 422: {"detail":{"json":{…}},"message":"Validation error"}.
 */
int reply_faults(struct req *r, const struct faults *f);

/* Likewise, of another part of the request than the body: "query". */
int reply_faults_of(struct req *r, const char *part, const struct faults *f);

#endif /* !REPLY_H */
