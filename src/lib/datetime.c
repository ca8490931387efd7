/* Read from left to right, by digits and the characters between them. */

#include "datetime.h"

#include <ctype.h>

/* What is left to read of a text. */
struct rest {
	const char *p, *end;
};

static bool
skip_char(struct rest *r, char c)
{
	if (r->p == r->end || *r->p != c)
		return false;
	r->p++;
	return true;
}

/* From least to most digits, the number they make at most max. */
static bool
digits(struct rest *r, int least, int most, int max, int *out)
{
	int n, v = 0;

	for (n = 0; n < most && r->p < r->end && isdigit((unsigned char)*r->p);
	     n++)
		v = v * 10 + (*r->p++ - '0');
	*out = v;
	return n >= least && v <= max;
}

/* ".25" as microseconds. */
static bool
fraction(struct rest *r, int *us)
{
	int scale = 100000;
	const char *first = r->p;

	*us = 0;
	for (; r->p < r->end && isdigit((unsigned char)*r->p); r->p++) {
		*us += (*r->p - '0') * scale;
		scale /= 10;
	}
	return r->p > first;
}

/* Z, +hh, +hhmm, +hh:mm or nothing, as minutes. */
static bool
offset(struct rest *r, int *minutes)
{
	int sign, hour, minute = 0;

	*minutes = 0;
	if (r->p == r->end || skip_char(r, 'Z'))
		return true;
	sign = *r->p == '-' ? -1 : 1;
	if (!skip_char(r, '+') && !skip_char(r, '-'))
		return false;
	if (!digits(r, 2, 2, 99, &hour))
		return false;
	if (r->p < r->end) {
		(void)skip_char(r, ':');
		if (!digits(r, 2, 2, 99, &minute))
			return false;
	}
	*minutes = sign * (hour * 60 + minute);
	return hour * 60 + minute < 24 * 60;
}

static int
days_of_month(int year, int month)
{
	static const int days[] = {
	    31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

/* Days since 1970-01-01 (proleptic Gregorian calendar). */
static int64_t
days_since_1970(int year, int month, int day)
{
	int64_t y = year - 1, n;
	int m;

	n = y * 365 + y / 4 - y / 100 + y / 400 - 719162;
	for (m = 1; m < month; m++)
		n += days_of_month(year, m);
	return n + day - 1;
}

bool
datetime_read(const char *s, size_t len, int64_t *us)
{
	struct rest r = {s, s + len};
	int year, month, day, hour, minute, second = 0, part = 0, off;

	if (!digits(&r, 4, 4, 9999, &year) || !skip_char(&r, '-') ||
	    !digits(&r, 1, 2, 12, &month) || !skip_char(&r, '-') ||
	    !digits(&r, 1, 2, 31, &day) || year == 0 || month == 0 ||
	    day == 0 || day > days_of_month(year, month))
		return false;
	if ((!skip_char(&r, 'T') && !skip_char(&r, ' ')) ||
	    !digits(&r, 1, 2, 23, &hour) || !skip_char(&r, ':') ||
	    !digits(&r, 1, 2, 59, &minute))
		return false;
	if (skip_char(&r, ':') &&
	    (!digits(&r, 1, 2, 59, &second) ||
		(skip_char(&r, '.') && !fraction(&r, &part))))
		return false;
	if (!offset(&r, &off) || r.p != r.end)
		return false;
	*us = (((days_since_1970(year, month, day) * 24 + hour) * 60 + minute -
		   off) *
		      60 +
		  second) *
		  1000000 +
	      part;
	return true;
}
