/* Preferences, separated by commas, each with parameters behind semicolons; texts in
 * quotes may hold both. */

#include "prefer.h"

#include <string.h>
#include <strings.h>

#define SPACE " \t"

/* The length of what p begins with, up to one of ends outside quotes. */
static size_t
part(const char *p, const char *ends)
{
	bool quoted = false;
	size_t n;

	for (n = 0; p[n] != '\0'; n++) {
		if (quoted && p[n] == '\\' && p[n + 1] != '\0')
			n++;
		else if (p[n] == '"')
			quoted = !quoted;
		else if (!quoted && strchr(ends, p[n]) != NULL)
			break;
	}
	return n;
}

static void
trim(const char **p, size_t *n)
{
	while (*n > 0 && strchr(SPACE, **p) != NULL) {
		(*p)++;
		(*n)--;
	}
	while (*n > 0 && strchr(SPACE, (*p)[*n - 1]) != NULL)
		(*n)--;
}

bool
prefer_seconds(const char *text, size_t len, int64_t *seconds)
{
	int64_t n = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		n = n * 10 + (text[i] - '0');
		if (n > INT32_MAX)
			n = INT32_MAX;
	}
	if (len > 0)
		*seconds = n;
	return len > 0;
}

bool
prefer_wait(const char *value, int64_t *seconds)
{
	const char *name, *p;
	size_t n, len, name_len;

	for (p = value; *p != '\0'; p += p[len] != '\0' ? len + 1 : len) {
		len = part(p, ",");
		n = part(p, ",;");
		name = p;
		name_len = strcspn(p, "=,;");
		if (name_len >= n)
			continue;
		n -= name_len + 1;
		trim(&name, &name_len);
		/* Of two the first counts (section 2). */
		if (name_len == 4 && strncasecmp(name, "wait", 4) == 0) {
			name = strchr(name, '=') + 1;
			trim(&name, &n);
			return prefer_seconds(name, n, seconds);
		}
	}
	return false;
}
