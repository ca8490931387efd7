/*
 * What a web server sends, as tf-supervise reads it.  However it is cut, the same is found, and
 * it is what a reader finds that has all of it before it.
 */

#include "fcgi_record.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define NEED(what)                                                             \
	do {                                                                   \
		if (!(what))                                                   \
			abort();                                               \
	} while (0)

#define BEGIN_REQUEST 1
#define RESPONDER 1

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned
number(const uint8_t *p)
{
	return p[0] * 256u + p[1];
}

/* Record by record. */
static enum fcgi_record_found
read_whole(const uint8_t *p, size_t n, unsigned *request)
{
	size_t at = 0;

	while (at + 8 <= n) {
		const uint8_t *h = p + at;

		if (h[0] != 1)
			return FCGI_RECORD_BAD;
		at += 8;
		if (h[1] == BEGIN_REQUEST) {
			*request = number(h + 2);
			if (*request == 0 || number(h + 4) != 8)
				return FCGI_RECORD_BAD;
			if (at + 8 > n)
				return FCGI_RECORD_MORE;
			return number(p + at) == RESPONDER ? FCGI_RECORD_BEGUN
							   : FCGI_RECORD_BAD;
		}
		at += number(h + 4) + h[6];
	}
	return FCGI_RECORD_MORE;
}

/* In pieces of step bytes, each with nothing behind it, so that reading one shows. */
static enum fcgi_record_found
read_pieces(const uint8_t *p, size_t n, size_t step, unsigned *request)
{
	enum fcgi_record_found found = FCGI_RECORD_MORE;
	struct fcgi_record_scan s = {0};
	unsigned char *piece = malloc(step);
	size_t part;

	NEED(piece != NULL);
	for (; n > 0 && found == FCGI_RECORD_MORE; p += part, n -= part) {
		part = n < step ? n : step;
		memcpy(piece + step - part, p, part);
		found = fcgi_record_scan(&s, piece + step - part, part);
	}
	free(piece);
	*request = s.request;
	return found;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t steps[] = {1, 3, 7, 8, 9, 16, 1000};
	enum fcgi_record_found found;
	unsigned want = 0, request;
	size_t i;

	found = read_whole(data, size, &want);
	NEED(found != FCGI_RECORD_BEGUN || (want > 0 && want < 65536));
	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		NEED(read_pieces(data, size, steps[i], &request) == found);
		NEED(found != FCGI_RECORD_BEGUN || request == want);
	}
	return 0;
}
