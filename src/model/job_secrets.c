/* Names and paths come in any number: repeats are found by sorting. */

#include "job_secrets.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "field.h"

#define SECRETS_PER_JOB 1000

static bool
is_name(const char *s)
{
	if (!isalpha((unsigned char)*s) && *s != '_')
		return false;
	while (isalnum((unsigned char)*s) || *s == '_')
		s++;
	return *s == '\0';
}

static bool
is_path(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (!isalnum((unsigned char)s[i]) &&
		    (s[i] == '\0' || strchr("_/-", s[i]) == NULL))
			return false;
	return len > 0;
}

static bool
read_one(
    struct shaping *s, const struct js_member *m, const struct fault_path *map)
{
	const struct fault_path entry = {.up = map, .key = m->key};
	const struct fault_path key = {.up = &entry, .key = "key"};
	const struct fault_path value = {.up = &entry, .key = "value"};
	struct js_doc doc = {.arena = s->arena};
	const char *path, *why;
	bool good = true;
	size_t len;

	if (!is_name(m->key))
		good = shape_fault(s, &key, FIELD_NO_MATCH);
	why = field_string(&doc, m, &path, &len);
	if (why == NULL && !is_path(path, len))
		why = FIELD_NO_MATCH;
	return why != NULL ? shape_fault(s, &value, why) : good;
}

bool
job_secrets_read(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at)
{
	struct js_doc in;
	bool good = true;
	size_t i, came;

	(void)field;
	if (m->kind != JS_OBJECT)
		return shape_fault(
		    s, at, m->kind == JS_NULL ? FIELD_NULL : FIELD_NOT_MAP);
	if (!shape_scan(s, &in, m))
		return false;
	came = in.n_members;
	if (js_last_wins(&in) != ERR_OK) {
		s->out->failed = true;
		return false;
	}
	/* Each is looked up when the job is submitted and when it is taken. */
	if (in.n_members > SECRETS_PER_JOB)
		return shape_fault(s, at, "Longer than maximum length 1000.");
	for (i = 0; i < in.n_members; i++)
		good = read_one(s, &in.members[i], at) && good;
	if (in.n_members == came)
		return shape_as_is(s, m) && good;
	for (i = 0; i < in.n_members; i++) {
		buf_char(s->out, i == 0 ? '{' : ',');
		buf_add(
		    s->out, in.members[i].raw_key.p, in.members[i].raw_key.len);
		buf_char(s->out, ':');
		(void)shape_as_is(s, &in.members[i]);
	}
	buf_char(s->out, '}');
	return good;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

enum err
job_secrets_paths(
    struct arena *a, const struct js_member *m, const char ***paths, size_t *n)
{
	struct js_fault fault;
	struct js_doc in;
	const char **list;
	size_t i, len, kept = 0;

	if (js_scan(&in, a, m->value.p, m->value.len, &fault) != ERR_OK ||
	    js_last_wins(&in) != ERR_OK)
		return ERR_NOMEM;
	list = arena_alloc(a, (in.n_members + 1) * sizeof(const char *));
	if (list == NULL)
		return ERR_NOMEM;
	for (i = 0; i < in.n_members; i++)
		if ((list[i] = js_string(a, &in.members[i], &len)) == NULL)
			return ERR_NOMEM;
	qsort(list, in.n_members, sizeof(const char *), by_text);
	for (i = 0; i < in.n_members; i++)
		if (kept == 0 || strcmp(list[kept - 1], list[i]) != 0)
			list[kept++] = list[i];
	*paths = list;
	*n = kept;
	return ERR_OK;
}

enum err
job_secrets_named(struct arena *a, const char *body, size_t len,
    const char ***paths, size_t *n)
{
	const struct js_member *m;
	struct js_doc doc, test;
	struct js_fault fault;

	*n = 0;
	if (js_scan(&doc, a, body, len, &fault) != ERR_OK)
		return ERR_NOMEM; /* what is stored has passed this scan */
	if ((m = js_find(&doc, "test_data")) == NULL || m->kind != JS_OBJECT)
		return ERR_OK;
	if (js_scan(&test, a, m->value.p, m->value.len, &fault) != ERR_OK)
		return ERR_NOMEM;
	if ((m = js_find(&test, "secrets")) == NULL)
		return ERR_OK;
	return job_secrets_paths(a, m, paths, n);
}
