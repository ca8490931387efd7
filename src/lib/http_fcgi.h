#ifndef HTTP_FCGI_H
#define HTTP_FCGI_H

#include "http.h"

/* Requests over FastCGI: ctx is an accepted FCGX_Request. */
extern const struct http_io http_fcgi;

/* True once the web server has hung up, as it does when its client has gone. */
bool http_fcgi_gone(const struct http_conn *c);

/*
 * The reply to a connection that req_detach() gave away: ctx is one of these.  What is
 * written is gathered in the arena and sent by http_fcgi_end(), which closes the
 * connection; false if nobody took it, or a long one too slowly (pace.h).
 */
struct http_fcgi_late {
	struct http_conn conn;
	struct buf out;
};

extern const struct http_io http_fcgi_late;

void http_fcgi_begin(
    struct http_fcgi_late *l, const struct http_conn *c, struct arena *a);
bool http_fcgi_end(struct http_fcgi_late *l);

#endif /* !HTTP_FCGI_H */
