#ifndef FCGI_RECORD_H
#define FCGI_RECORD_H

#include <stdbool.h>
#include <stddef.h>

/* Records of FastCGI (FastCGI Specification, sections 3.3, 5.1, 5.3 and 5.5), where they
 * are written and read without the library. */

#define FCGI_RECORD_HEAD ((size_t)8) /* bytes of a header */
#define FCGI_RECORD_MAX                                                        \
	((size_t)65528) /* of content: 16 bits, a multiple of 8 */

/* The header of a STDOUT record with so many bytes of content, at most FCGI_RECORD_MAX,
 * and of padding, at most 255. */
void fcgi_record_stdout(unsigned char head[FCGI_RECORD_HEAD], unsigned request,
    size_t content, size_t padding);

/* What ends a reply: an empty STDOUT record, and END_REQUEST for a request that is complete. */
#define FCGI_RECORD_TAIL (3 * FCGI_RECORD_HEAD)
void fcgi_record_tail(unsigned char tail[FCGI_RECORD_TAIL], unsigned request);

/* Where a reader of a connection stands that looks for a request; begins as {0}. */
struct fcgi_record_scan {
	unsigned char part[8]; /* a header, or the content of BEGIN_REQUEST */
	size_t have; /* bytes of it */
	size_t skip; /* bytes of records that are none of ours */
	bool begun; /* part is content */
	unsigned request;
};

enum fcgi_record_found {
	FCGI_RECORD_MORE, /* no request has begun so far */
	FCGI_RECORD_BEGUN, /* one has, scan->request */
	FCGI_RECORD_BAD /* that is no FastCGI, or no request for a responder */
};

/* The next n bytes of the connection, cut anywhere.  Records before BEGIN_REQUEST are passed
 * over.  It is not called again after another answer than FCGI_RECORD_MORE. */
enum fcgi_record_found fcgi_record_scan(
    struct fcgi_record_scan *s, const unsigned char *p, size_t n);

#endif /* !FCGI_RECORD_H */
