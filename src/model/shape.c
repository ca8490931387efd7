/*
 * Each reader appends the form that is kept; comparing that with what came tells
 * whether the object around it has changed.  So every byte is looked at once for each
 * level of the tables, and they are few.
 */

#include "shape.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "address.h"
#include "field.h"

bool
shape_fault(struct shaping *s, const struct fault_path *at, const char *text)
{
	if (s->faults != NULL)
		faults_at(s->faults, at, text);
	return false;
}

bool
shape_as_is(struct shaping *s, const struct js_member *m)
{
	buf_add(s->out, m->value.p, m->value.len);
	return true;
}

bool
shape_scan(struct shaping *s, struct js_doc *doc, const struct js_member *m)
{
	struct js_fault fault;

	if (js_scan(doc, s->arena, m->value.p, m->value.len, &fault) == ERR_OK)
		return true;
	/* It was scanned before, as a part of the whole. */
	s->out->failed = true;
	return false;
}

void
shape_undo(struct shaping *s, size_t from)
{
	s->out->len = from;
}

/* Where what was appended from there on is as it came. */
static bool
same(const struct shaping *s, size_t from, struct js_span came)
{
	return s->out->len - from == came.len &&
	       memcmp(s->out->p + from, came.p, came.len) == 0;
}

static bool
text(struct shaping *s, const struct js_member *m, const struct fault_path *at,
    const char **p, size_t *len)
{
	struct js_doc doc = {.arena = s->arena};
	const char *why = field_string(&doc, m, p, len);

	return why == NULL || shape_fault(s, at, why);
}

bool
shape_string(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at)
{
	const char *p, *why;
	size_t len;

	if (m->kind != JS_STRING || field->check != NULL) {
		if (!text(s, m, at, &p, &len))
			return false;
		if ((why = field->check(p, len)) != NULL)
			return shape_fault(s, at, why);
	}
	return shape_as_is(s, m);
}

bool
shape_url(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at)
{
	const char *p;
	size_t len;

	(void)field;
	if (!text(s, m, at, &p, &len))
		return false;
	return address_is_url(p, len) ? shape_as_is(s, m)
				      : shape_fault(s, at, "Not a valid URL.");
}

bool
shape_email(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at)
{
	const char *p;
	size_t len;

	(void)field;
	if (!text(s, m, at, &p, &len))
		return false;
	return address_is_email(p, len)
		   ? shape_as_is(s, m)
		   : shape_fault(s, at, "Not a valid email address.");
}

bool
shape_int(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at)
{
	struct js_doc doc = {.arena = s->arena};
	const char *why;
	int64_t n;

	(void)field;
	if ((why = field_int(&doc, m, &n)) != NULL)
		return shape_fault(s, at, why);
	buf_printf(s->out, "%lld", (long long)n);
	return true;
}

bool
shape_bool(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at)
{
	struct js_doc doc = {.arena = s->arena};
	const char *why;
	bool b;

	(void)field;
	if ((why = field_bool(&doc, m, &b)) != NULL)
		return shape_fault(s, at, why);
	buf_str(s->out, b ? "true" : "false");
	return true;
}

bool
shape_duration(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at)
{
	struct js_doc doc = {.arena = s->arena};
	const char *why;
	int64_t seconds;
	bool none;

	(void)field;
	if ((why = field_duration(&doc, m, &seconds, &none)) != NULL)
		return shape_fault(s, at, why);
	if (!none)
		buf_printf(s->out, "%lld", (long long)seconds);
	return true;
}

bool
shape_any_object(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at)
{
	(void)field;
	if (m->kind == JS_OBJECT)
		return shape_as_is(s, m);
	return shape_fault(
	    s, at, m->kind == JS_NULL ? FIELD_NULL : FIELD_NOT_MAP);
}

bool
shape_object(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at)
{
	const struct fault_path whole = {.up = at, .key = "_schema"};
	struct js_doc in;

	if (m->kind == JS_NULL)
		return shape_fault(s, at, FIELD_NULL);
	if (m->kind != JS_OBJECT)
		return shape_fault(s, &whole, FIELD_WRONG_INPUT);
	return shape_scan(s, &in, m) && shape_members(s, field->shape, &in, at);
}

/* An array's elements, each in its place; false after the faults of some. */
static bool
elements(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at, size_t *n)
{
	struct shaping in = *s;
	struct fault_path place = {.up = at};
	struct js_span rest = m->value;
	struct js_member e;
	bool good = true, changed = false;
	size_t begin = s->out->len, from;

	/* An element's memory must not be what its list lives in. */
	assert(s->arena != s->scratch);
	in.arena = s->scratch;
	buf_char(s->out, '[');
	for (; js_element(&rest, &e); place.index++) {
		if (place.index > 0)
			buf_char(s->out, ',');
		from = s->out->len;
		good = field->each->read(&in, field->each, &e, &place) && good;
		arena_reset(s->scratch);
		if (!good && (s->faults == NULL || !buf_ok(s->out)))
			return false;
		changed = changed || !same(s, from, e.value);
	}
	buf_char(s->out, ']');
	*n = place.index;
	if (good && !changed) {
		shape_undo(s, begin);
		(void)shape_as_is(s, m);
	}
	return good;
}

bool
shape_list(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at)
{
	char why[64];
	size_t n;

	if (m->kind != JS_ARRAY)
		return shape_fault(
		    s, at, m->kind == JS_NULL ? FIELD_NULL : FIELD_NOT_LIST);
	if (!elements(s, field, m, at, &n))
		return false;
	if (n >= field->min && (field->max == 0 || n <= field->max))
		return true;
	(void)snprintf(why, sizeof(why), "%s length %zu.",
	    n < field->min ? "Shorter than minimum" : "Longer than maximum",
	    n < field->min ? field->min : field->max);
	return shape_fault(s, at, why);
}

/* The index of the field called key; shape->n if there is none. */
static size_t
find(const struct shape *shape, const char *key)
{
	size_t i;

	for (i = 0; i < shape->n; i++)
		if (strcmp(shape->fields[i].name, key) == 0)
			break;
	return i;
}

/* A member of in, the last of its key if the shape knows it. */
static bool
member(struct shaping *s, const struct shape *shape,
    const struct shape_field *field, const struct js_member *m,
    const struct fault_path *at)
{
	const struct fault_path place = {.up = at, .key = m->key};

	if (field != NULL)
		return field->read(s, field, m, &place);
	if (!shape->open || (shape->refuses != NULL && shape->refuses(m)))
		return shape_fault(s, &place, FIELD_UNKNOWN);
	return shape_as_is(s, m);
}

/* The same with its key before it, in an object that began at begin.  *changed if
 * it is kept in another form. */
static bool
keyed_member(struct shaping *s, const struct shape *shape,
    const struct shape_field *field, const struct js_member *m,
    const struct fault_path *at, size_t begin, bool *changed)
{
	size_t start = s->out->len, from;
	bool good;

	if (start > begin + 1)
		buf_char(s->out, ',');
	buf_add(s->out, m->raw_key.p, m->raw_key.len);
	buf_char(s->out, ':');
	from = s->out->len;
	good = member(s, shape, field, m, at);
	if (!buf_ok(s->out))
		return false;
	*changed = *changed || !same(s, from, m->value);
	if (s->out->len == from || !good)
		shape_undo(s, start);
	return good;
}

static bool
all_required(struct shaping *s, const struct shape *shape,
    const struct js_member *const *last, const struct fault_path *at)
{
	struct fault_path place = {.up = at};
	bool good = true;
	size_t i;

	for (i = 0; i < shape->n; i++) {
		place.key = shape->fields[i].name;
		if (shape->fields[i].required && last[i] == NULL)
			good = shape_fault(s, &place, FIELD_MISSING);
	}
	return good;
}

bool
shape_members(struct shaping *s, const struct shape *shape,
    const struct js_doc *in, const struct fault_path *at)
{
	const struct js_member *last[SHAPE_FIELDS_MAX + 1] = {NULL}, *m;
	bool good = true, changed = false;
	size_t begin = s->out->len, i, k;

	assert(shape->n <= SHAPE_FIELDS_MAX);
	for (i = 0; i < in->n_members; i++)
		last[find(shape, in->members[i].key)] = &in->members[i];
	buf_char(s->out, '{');
	for (i = 0; i < in->n_members; i++) {
		m = &in->members[i];
		k = find(shape, m->key);
		if (k < shape->n && last[k] != m) {
			changed = true; /* its key comes again */
			continue;
		}
		good = keyed_member(s, shape,
			   k < shape->n ? &shape->fields[k] : NULL, m, at,
			   begin, &changed) &&
		       good;
		if (!good && (s->faults == NULL || !buf_ok(s->out)))
			return false;
	}
	buf_char(s->out, '}');
	good = all_required(s, shape, last, at) && good;
	if (!good || (shape->rule != NULL && !shape->rule(in)))
		return false;
	if (!changed) {
		shape_undo(s, begin);
		buf_add(s->out, in->text.p, in->text.len);
	}
	return true;
}
