/* Ranges of bytes, one after the other. */

#include "range.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static void
skip_spaces(const char **p)
{
	while (**p == ' ')
		(*p)++;
}

/* Digits and spaces.  False without digits, or with too many. */
static bool
number(const char **p, int64_t *out)
{
	int64_t n = 0;

	if (!isdigit((unsigned char)**p))
		return false;
	for (; isdigit((unsigned char)**p); (*p)++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, **p - '0', &n))
			return false;
	skip_spaces(p);
	*out = n;
	return true;
}

/* "10-20", "10-" or "-20", up to its comma or the end, as the first byte and the one
 * behind the last.  False if it is badly written. */
static bool
one(const char **p, int64_t size, int64_t *first, int64_t *end)
{
	bool last = **p == '-';
	int64_t n;

	*first = 0;
	*end = size;
	if (!last && !number(p, first))
		return false;
	if (*(*p)++ != '-')
		return false;
	skip_spaces(p);
	if (!last && (**p == ',' || **p == '\0'))
		return true;
	if (!number(p, &n) || (**p != ',' && **p != '\0'))
		return false;
	if (last)
		*first = n < size ? size - n : 0;
	else if (n < size)
		*end = n + 1;
	return true;
}

bool
range_is_beyond(const char *text, int64_t size)
{
	static const char unit[] = "bytes=";
	int64_t first, end;
	bool any = false;

	if (strncasecmp(text, unit, strlen(unit)) != 0 ||
	    text[strlen(unit)] == '\0')
		return false;
	for (text += strlen(unit);; text++) {
		skip_spaces(&text);
		if (!one(&text, size, &first, &end))
			return true;
		/* An empty range at the begin asks for the whole file. */
		any = any || first < end || first == 0;
		if (*text == '\0')
			return !any;
	}
}
