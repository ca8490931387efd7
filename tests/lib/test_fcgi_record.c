/* Records of FastCGI, as a web server sends them and as a reply ends. */

#include <criterion/criterion.h>
#include <string.h>

#include "fcgi_record.h"

/* What begins a request of number hi * 256 + lo. */
#define BEGIN(hi, lo) 1, 1, hi, lo, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0

/* All of it in pieces of step bytes. */
static enum fcgi_record_found
scan(struct fcgi_record_scan *s, const unsigned char *p, size_t n, size_t step)
{
	enum fcgi_record_found found = FCGI_RECORD_MORE;
	size_t part;

	*s = (struct fcgi_record_scan){0};
	for (; n > 0 && found == FCGI_RECORD_MORE; p += part, n -= part) {
		part = n < step ? n : step;
		found = fcgi_record_scan(s, p, part);
	}
	return found;
}

Test(fcgi_record, finds_the_request_however_it_is_cut)
{
	static const unsigned char one[] = {
	    BEGIN(0, 1), 1, 4, 0, 1, 0, 3, 5, 0, 'a', 'b', 'c', 0, 0, 0, 0, 0};
	static const unsigned char other[] = {
	    /* A question about the application, with padding, comes first. */
	    1, 9, 0, 0, 0, 2, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, BEGIN(0xff, 0xfe)};
	struct fcgi_record_scan s;
	size_t step;

	for (step = 1; step <= sizeof(one); step++) {
		cr_assert(
		    scan(&s, one, sizeof(one), step) == FCGI_RECORD_BEGUN);
		cr_assert(s.request == 1);
		cr_assert(
		    scan(&s, other, sizeof(other), step) == FCGI_RECORD_BEGUN);
		cr_assert(s.request == 0xfffe);
	}
}

Test(fcgi_record, waits_for_the_whole_of_what_begins_a_request)
{
	static const unsigned char one[] = {BEGIN(0, 1)};
	struct fcgi_record_scan s;
	size_t n;

	for (n = 0; n < sizeof(one); n++)
		cr_assert(scan(&s, one, n, 64) == FCGI_RECORD_MORE);
}

Test(fcgi_record, passes_over_a_record_of_the_greatest_size)
{
	static unsigned char big[8 + 65535 + 255 + 16] = {
	    1, 5, 0, 7, 0xff, 0xff, 0xff, 0};
	static const unsigned char begin[] = {BEGIN(0, 2)};
	struct fcgi_record_scan s;

	memset(big + 8, 1, 65535 + 255);
	memcpy(big + 8 + 65535 + 255, begin, sizeof(begin));
	cr_assert(scan(&s, big, sizeof(big), 1000) == FCGI_RECORD_BEGUN);
	cr_assert(s.request == 2);
}

Test(fcgi_record, refuses_what_is_no_request_for_a_responder)
{
	static const unsigned char rows[][16] = {
	    "GET / HTTP/1.1\r",
	    {2, 1, 0, 1, 0, 8, 0, 0, 0, 1}, /* another version */
	    {BEGIN(0, 0)}, /* the number of the connection */
	    {1, 1, 0, 1, 0, 9, 0, 0, 0, 1}, /* another length */
	    {1, 1, 0, 1, 1, 8, 0, 0, 0, 1},
	    {1, 1, 0, 1, 0, 8, 0, 0, 0, 2}, /* an authorizer */
	    {1, 1, 0, 1, 0, 8, 0, 0, 1, 1},
	};
	struct fcgi_record_scan s;
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert(
		    scan(&s, rows[i], 16, 16) == FCGI_RECORD_BAD, "row %zu", i);
		cr_assert(scan(&s, rows[i], 16, 1) == FCGI_RECORD_BAD,
		    "row %zu by bytes", i);
	}
}

Test(fcgi_record, writes_what_the_specification_says)
{
	static const unsigned char head_want[] = {
	    1, 6, 0x12, 0x34, 0xff, 0xf8, 5, 0};
	static const unsigned char tail_want[] = {1, 6, 0x12, 0x34, 0, 0, 0, 0,
	    1, 3, 0x12, 0x34, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	unsigned char head[FCGI_RECORD_HEAD], tail[FCGI_RECORD_TAIL];

	fcgi_record_stdout(head, 0x1234, FCGI_RECORD_MAX, 5);
	cr_assert(memcmp(head, head_want, sizeof(head)) == 0);
	memset(tail, 0xaa, sizeof(tail));
	fcgi_record_tail(tail, 0x1234);
	cr_assert(memcmp(tail, tail_want, sizeof(tail)) == 0);
}
