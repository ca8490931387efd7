#ifndef HTTP_FCGI_H
#define HTTP_FCGI_H

#include "http.h"

/* Requests over FastCGI: ctx is an accepted FCGX_Request. */
extern const struct http_io http_fcgi;

#endif /* !HTTP_FCGI_H */
