#ifndef RESULT_STREAM_H
#define RESULT_STREAM_H

#include "app.h"
#include "http.h"
#include "joblog.h"

/* A JSON reply with logs in it, in constant memory however long they are. */

#define RESULT_WORKERS 64

struct stream;

/*
 * Begin a reply of 200 with text of at most so many bytes beside the logs.  NULL after
 * 503 if memory is short, or if it is a long one (pace.h) and many are being sent.
 */
struct stream *stream_begin(
    struct worker *w, struct req *r, struct joblogs *logs, size_t text);

/* Add text as it is. */
void stream_text(struct stream *s, const char *text, size_t len);

/* Add the i-th log as a string with its quotes. */
void stream_log(struct stream *s, size_t i);

/* Send what is left.  If a log could not be read the reply is 503, or is broken off if
 * some of it has gone out.  Returns the status, for the handler to return. */
int stream_end(struct stream *s);

#endif /* !RESULT_STREAM_H */
