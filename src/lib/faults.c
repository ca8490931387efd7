/* Faults as a json-c object that lives with the arena. */

#include "faults.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void
put_json(void *p)
{
	(void)json_object_put(p);
}

void
faults_init(struct faults *f, struct arena *a)
{
	f->arena = a;
	f->root = NULL;
	f->n = 0;
}

bool
faults_any(const struct faults *f)
{
	return f->root != NULL;
}

/* The object under key in o, made if it is not there. */
static struct json_object *
object_in(struct json_object *o, const char *key)
{
	struct json_object *in = NULL;

	if (json_object_object_get_ex(o, key, &in) &&
	    json_object_is_type(in, json_type_object))
		return in;
	in = json_object_new_object();
	if (in != NULL)
		(void)json_object_object_add(o, key, in);
	return in;
}

/* The object of all faults, which is there from the first one on. */
static struct json_object *
root(struct faults *f)
{
	if (f->root == NULL) {
		f->root = json_object_new_object();
		if (f->root != NULL &&
		    !arena_defer(f->arena, put_json, f->root))
			f->root = NULL;
	}
	return f->root;
}

static void
put_text(struct json_object *o, const char *key, const char *text)
{
	struct json_object *list = NULL, *last;
	size_t n;

	if (!json_object_object_get_ex(o, key, &list) ||
	    !json_object_is_type(list, json_type_array)) {
		list = json_object_new_array_ext(1);
		if (list == NULL)
			return;
		(void)json_object_object_add(o, key, list);
	}
	/* A key that comes twice has each of its faults once. */
	n = json_object_array_length(list);
	last = n > 0 ? json_object_array_get_idx(list, n - 1) : NULL;
	if (last != NULL && strcmp(json_object_get_string(last), text) == 0)
		return;
	(void)json_object_array_add(list, json_object_new_string(text));
}

void
faults_add(struct faults *f, const char *text, ...)
{
	struct json_object *o;
	const char *key, *next;
	va_list ap;

	if (f->n == FAULTS_MAX)
		return;
	f->n++;
	o = root(f);
	va_start(ap, text);
	key = va_arg(ap, const char *);
	while ((next = va_arg(ap, const char *)) != NULL && o != NULL) {
		o = object_in(o, key);
		key = next;
	}
	va_end(ap);
	if (o != NULL)
		put_text(o, key, text);
}

#define INDEX_LEN 24

static const char *
key_of(const struct fault_path *at, char index[INDEX_LEN])
{
	if (at->key != NULL)
		return at->key;
	(void)snprintf(index, INDEX_LEN, "%zu", at->index);
	return index;
}

/* The object that holds what at names. */
static struct json_object *
holder(struct faults *f, const struct fault_path *at)
{
	struct json_object *o;
	char index[INDEX_LEN];

	if (at->up == NULL)
		return root(f);
	o = holder(f, at->up);
	return o != NULL ? object_in(o, key_of(at->up, index)) : NULL;
}

void
faults_at(struct faults *f, const struct fault_path *at, const char *text)
{
	struct json_object *o;
	char index[INDEX_LEN];

	if (f->n == FAULTS_MAX)
		return;
	f->n++;
	if ((o = holder(f, at)) != NULL)
		put_text(o, key_of(at, index), text);
}

void
faults_bare(struct faults *f, const struct fault_path *at, const char *text)
{
	struct json_object *o;
	char index[INDEX_LEN];

	if (f->n == FAULTS_MAX)
		return;
	f->n++;
	if ((o = holder(f, at)) != NULL)
		(void)json_object_object_add(
		    o, key_of(at, index), json_object_new_string(text));
}

const char *
faults_json(const struct faults *f)
{
	return json_object_to_json_string_ext(
	    f->root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}
