/* Records of FastCGI, written and read. */

#include "fcgi_record.h"

#include <string.h>

#define VERSION 1
#define BEGIN_REQUEST 1
#define END_REQUEST 3
#define STDOUT 6
#define RESPONDER 1 /* a role */

static void
put_head(unsigned char head[FCGI_RECORD_HEAD], unsigned char type,
    unsigned request, size_t content, size_t padding)
{
	head[0] = VERSION;
	head[1] = type;
	head[2] = (unsigned char)(request >> 8);
	head[3] = (unsigned char)request;
	head[4] = (unsigned char)(content >> 8);
	head[5] = (unsigned char)content;
	head[6] = (unsigned char)padding;
	head[7] = 0;
}

void
fcgi_record_stdout(unsigned char head[FCGI_RECORD_HEAD], unsigned request,
    size_t content, size_t padding)
{
	put_head(head, STDOUT, request, content, padding);
}

/* The content of END_REQUEST is zero: status 0 of the program, the request complete. */
void
fcgi_record_tail(unsigned char tail[FCGI_RECORD_TAIL], unsigned request)
{
	memset(tail, 0, FCGI_RECORD_TAIL);
	put_head(tail, STDOUT, request, 0, 0);
	put_head(
	    tail + FCGI_RECORD_HEAD, END_REQUEST, request, FCGI_RECORD_HEAD, 0);
}

static unsigned
number(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static enum fcgi_record_found
take_head(struct fcgi_record_scan *s)
{
	const unsigned char *h = s->part;
	size_t content = number(h + 4);

	if (h[0] != VERSION)
		return FCGI_RECORD_BAD;
	if (h[1] != BEGIN_REQUEST) {
		s->skip = content + h[6];
		return FCGI_RECORD_MORE;
	}
	s->begun = true;
	s->request = number(h + 2);
	/* Number 0 is of the connection itself. */
	return s->request != 0 && content == sizeof(s->part) ? FCGI_RECORD_MORE
							     : FCGI_RECORD_BAD;
}

enum fcgi_record_found
fcgi_record_scan(struct fcgi_record_scan *s, const unsigned char *p, size_t n)
{
	enum fcgi_record_found found = FCGI_RECORD_MORE;
	size_t step;

	for (; n > 0 && found == FCGI_RECORD_MORE; p += step, n -= step) {
		if (s->skip > 0) {
			step = n < s->skip ? n : s->skip;
			s->skip -= step;
			continue;
		}
		step = sizeof(s->part) - s->have;
		if (step > n)
			step = n;
		memcpy(s->part + s->have, p, step);
		s->have += step;
		if (s->have < sizeof(s->part))
			break;
		s->have = 0;
		if (!s->begun)
			found = take_head(s);
		else
			found = number(s->part) == RESPONDER ? FCGI_RECORD_BEGUN
							     : FCGI_RECORD_BAD;
	}
	return found;
}
