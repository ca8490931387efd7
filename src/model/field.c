/* Types of fields.  Numbers are read from their bytes, because json-c saturates
 * what does not fit and says nothing. */

#include "field.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "address.h"
#include "datetime.h"

#define NUMBER_LEN_MAX 400

static const char no_memory[] = "Out of memory.";

const char *
field_string(struct js_doc *doc, const struct js_member *m, const char **out,
    size_t *len)
{
	const char *s;

	if (m->kind == JS_NULL)
		return FIELD_NULL;
	if (m->kind != JS_STRING)
		return FIELD_NOT_STRING;
	if ((s = js_string(doc->arena, m, len)) == NULL)
		return no_memory;
	*out = s;
	return NULL;
}

/* A JSON number as an integer. */
static const char *
number(const char *p, size_t len, int64_t *out)
{
	char text[NUMBER_LEN_MAX + 1];
	long long n;
	double d;

	if (len > NUMBER_LEN_MAX)
		return FIELD_INT_TOO_LARGE;
	memcpy(text, p, len);
	text[len] = '\0';
	if (strpbrk(text, ".eE") != NULL) {
		d = trunc(strtod(text, NULL));
		if (!(d > -9.2e18 && d < 9.2e18))
			return FIELD_INT_TOO_LARGE;
		*out = (int64_t)d;
		return NULL;
	}
	errno = 0;
	n = strtoll(text, NULL, 10);
	if (errno == ERANGE)
		return FIELD_INT_TOO_LARGE;
	*out = n;
	return NULL;
}

/* How many bytes of white space the len bytes at s begin with. */
static size_t
spaces(const char *s, size_t len)
{
	size_t i = 0, n;

	while (i < len && (n = address_space_len(s + i, len - i)) > 0)
		i += n;
	return i;
}

/* Without the white space around. */
static void
trim(const char **s, size_t *len)
{
	size_t i = spaces(*s, *len), end = 0, n;

	*s += i;
	*len -= i;
	for (i = 0; i < *len; i += n) {
		if ((n = spaces(*s + i, *len - i)) > 0)
			continue;
		n = 1;
		end = i + 1;
	}
	*len = end;
}

/* Text with spaces around, a sign, digits, and single underscores between them.
 */
static const char *
number_text(const char *s, size_t len, int64_t *out)
{
	char digits[NUMBER_LEN_MAX + 1];
	size_t i = 0, n = 0;

	trim(&s, &len);
	if (i < len && (s[i] == '-' || s[i] == '+')) {
		if (s[i] == '-')
			digits[n++] = '-';
		i++;
	}
	if (i == len || len - i > NUMBER_LEN_MAX - 1)
		return FIELD_NOT_INT;
	for (; i < len; i++) {
		if (s[i] == '_' && i > 0 && isdigit((unsigned char)s[i - 1]) &&
		    i + 1 < len && isdigit((unsigned char)s[i + 1]))
			continue;
		if (!isdigit((unsigned char)s[i]))
			return FIELD_NOT_INT;
		digits[n++] = s[i];
	}
	return number(digits, n, out);
}

const char *
field_int(struct js_doc *doc, const struct js_member *m, int64_t *out)
{
	const char *s, *why;
	size_t len;

	if (m->kind == JS_NULL)
		return FIELD_NULL;
	if (m->kind == JS_NUMBER)
		return number(m->value.p, m->value.len, out);
	if (m->kind != JS_STRING)
		return FIELD_NOT_INT;
	why = field_string(doc, m, &s, &len);
	return why != NULL ? why : number_text(s, len, out);
}

const char *
field_int_text(const char *s, size_t len, int64_t *out)
{
	return number_text(s, len, out);
}

const char *
field_datetime_text(const char *s, size_t len, int64_t *out)
{
	return datetime_read(s, len, out) ? NULL : FIELD_NOT_DATETIME;
}

const char *
field_datetime(struct js_doc *doc, const struct js_member *m, int64_t *out)
{
	const char *s, *why;
	size_t len;

	if (m->kind == JS_NULL)
		return FIELD_NULL;
	if (m->kind != JS_STRING)
		return FIELD_NOT_DATETIME;
	why = field_string(doc, m, &s, &len);
	return why != NULL ? why : field_datetime_text(s, len, out);
}

static bool
bool_word(const char *s, bool *out)
{
	/* Each in lower, Capitalised and UPPER form. */
	static const struct {
		const char *word;
		bool value;
	} words[] = {{"t", true}, {"true", true}, {"on", true}, {"y", true},
	    {"yes", true}, {"1", true}, {"f", false}, {"false", false},
	    {"off", false}, {"n", false}, {"no", false}, {"0", false}};
	size_t i, k, len = strlen(s);
	bool upper = true, lower = true;

	for (k = 1; k < len; k++) {
		upper = upper && !islower((unsigned char)s[k]);
		lower = lower && !isupper((unsigned char)s[k]);
	}
	if (!lower && (!upper || islower((unsigned char)s[0])))
		return false;
	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcasecmp(s, words[i].word) == 0) {
			*out = words[i].value;
			return true;
		}
	return false;
}

static bool
exactly_0_or_1(const char *p, size_t len, bool *out)
{
	char text[NUMBER_LEN_MAX + 1];
	double d;

	if (len > NUMBER_LEN_MAX)
		return false;
	memcpy(text, p, len);
	text[len] = '\0';
	d = strtod(text, NULL);
	*out = d == 1.0;
	return d == 0.0 || d == 1.0;
}

const char *
field_bool(struct js_doc *doc, const struct js_member *m, bool *out)
{
	const char *s, *why;
	size_t len;

	switch (m->kind) {
	case JS_NULL:
		return FIELD_NULL;
	case JS_BOOL:
		*out = m->value.p[0] == 't';
		return NULL;
	case JS_NUMBER:
		if (!exactly_0_or_1(m->value.p, m->value.len, out))
			return FIELD_NOT_BOOL;
		return NULL;
	case JS_STRING:
		if ((why = field_string(doc, m, &s, &len)) != NULL)
			return why;
		return strlen(s) == len && bool_word(s, out) ? NULL
							     : FIELD_NOT_BOOL;
	default:
		return FIELD_NOT_BOOL;
	}
}

const char *
field_object(struct js_doc *doc, const struct js_member *m, struct js_doc *out)
{
	struct js_fault fault;

	if (m->kind == JS_NULL)
		return FIELD_NULL;
	if (m->kind != JS_OBJECT)
		return FIELD_NOT_MAP;
	if (js_scan(out, doc->arena, m->value.p, m->value.len, &fault) !=
	    ERR_OK)
		return no_memory;
	return NULL;
}

/* Seconds of a unit, 0 for an unknown one. */
static int64_t
unit_seconds(const char *s, size_t len)
{
	static const struct {
		const char *name;
		int64_t seconds;
	} units[] = {{"s", 1}, {"sec", 1}, {"secs", 1}, {"m", 60}, {"min", 60},
	    {"mins", 60}, {"h", 3600}, {"hour", 3600}, {"hours", 3600},
	    {"d", 86400}, {"day", 86400}, {"days", 86400}};
	size_t i;

	for (i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (strlen(units[i].name) == len &&
		    strncasecmp(units[i].name, s, len) == 0)
			return units[i].seconds;
	return 0;
}

/* One or more of digits, optional space, unit. */
static bool
duration_parts(const char *s, size_t all, int64_t *out)
{
	const char *limit = s + all;
	int64_t sum = 0, n, unit;
	size_t len;
	char *end;

	while (*s != '\0') {
		if (!isdigit((unsigned char)*s))
			return false;
		errno = 0;
		n = strtoll(s, &end, 10);
		if (errno == ERANGE)
			return false;
		end += spaces(end, (size_t)(limit - end));
		for (len = 0; isalpha((unsigned char)end[len]); len++)
			;
		unit = unit_seconds(end, len);
		if (unit == 0 || __builtin_mul_overflow(n, unit, &n) ||
		    __builtin_add_overflow(sum, n, &sum))
			return false;
		s = end + len;
		s += spaces(s, (size_t)(limit - s));
	}
	*out = sum;
	return true;
}

static const char *
duration_fault(struct js_doc *doc, const char *why, const char *arg)
{
	char *text =
	    arena_printf(doc->arena, "Invalid duration format: %s%s", why, arg);

	return text != NULL ? text : no_memory;
}

static const char *
duration_text(struct js_doc *doc, const char *s, size_t len, int64_t *out)
{
	char *trimmed;
	int64_t n;

	trim(&s, &len);
	if (len == 0)
		return duration_fault(doc, "Duration cannot be empty", "");
	if (number_text(s, len, &n) == NULL) {
		if (n < 0)
			return duration_fault(
			    doc, "Duration cannot be negative", "");
		*out = n;
		return NULL;
	}
	trimmed = arena_printf(doc->arena, "%.*s", (int)len, s);
	if (trimmed == NULL)
		return no_memory;
	if (strlen(trimmed) == len && duration_parts(trimmed, len, out))
		return NULL;
	trimmed = arena_printf(doc->arena, "'%s'", trimmed);
	return duration_fault(
	    doc, "Invalid duration format: ", trimmed != NULL ? trimmed : "");
}

const char *
field_duration(
    struct js_doc *doc, const struct js_member *m, int64_t *out, bool *none)
{
	static const char wrong[] = "Duration must be string or int, got ";
	const char *s, *why;
	size_t len;

	*none = m->kind == JS_NULL;
	switch (m->kind) {
	case JS_NULL:
		return NULL;
	case JS_STRING:
		if ((why = field_string(doc, m, &s, &len)) != NULL)
			return why;
		return duration_text(doc, s, len, out);
	case JS_NUMBER:
		if (memchr(m->value.p, '.', m->value.len) != NULL ||
		    memchr(m->value.p, 'e', m->value.len) != NULL ||
		    memchr(m->value.p, 'E', m->value.len) != NULL)
			return duration_fault(doc, wrong, "<class 'float'>");
		if ((why = number(m->value.p, m->value.len, out)) != NULL)
			return duration_fault(doc, why, "");
		return *out >= 0 ? NULL
				 : duration_fault(
				       doc, "Duration cannot be negative", "");
	case JS_BOOL:
		return duration_fault(doc, wrong, "<class 'bool'>");
	case JS_ARRAY:
		return duration_fault(doc, wrong, "<class 'list'>");
	default:
		return duration_fault(doc, wrong, "<class 'dict'>");
	}
}

/* names: of those with a NUL inside nothing is kept. */
static bool
read_strings(struct js_doc *doc, const struct js_member *m, const char *key,
    struct faults *f, bool names, const char ***out, size_t *n)
{
	struct js_span rest = m->value;
	struct js_member element;
	const char **strings, *why;
	char index[24];
	size_t i, len, count = 0, kept = 0;
	bool good = true;

	if (m->kind != JS_ARRAY) {
		faults_add(f, m->kind == JS_NULL ? FIELD_NULL : FIELD_NOT_LIST,
		    key, NULL);
		return false;
	}
	while (js_element(&rest, &element))
		count++;
	strings = arena_alloc(doc->arena, (count + 1) * sizeof(*strings));
	if (strings == NULL) {
		faults_add(f, no_memory, key, NULL);
		return false;
	}
	rest = m->value;
	for (i = 0; js_element(&rest, &element); i++) {
		why = field_string(doc, &element, &strings[kept], &len);
		if (why == NULL) {
			kept += !names || strlen(strings[kept]) == len;
			continue;
		}
		(void)snprintf(index, sizeof(index), "%zu", i);
		faults_add(f, why, key, index, NULL);
		good = false;
	}
	if (!good)
		return false;
	*out = strings;
	*n = kept;
	return true;
}

bool
field_strings(struct js_doc *doc, const struct js_member *m, const char *key,
    struct faults *f, const char ***out, size_t *n)
{
	return read_strings(doc, m, key, f, false, out, n);
}

bool
field_names(struct js_doc *doc, const struct js_member *m, const char *key,
    struct faults *f, const char ***out, size_t *n)
{
	return read_strings(doc, m, key, f, true, out, n);
}
