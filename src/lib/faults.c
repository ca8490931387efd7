/* Faults as a json-c object that lives with the arena. */

#include "faults.h"

#include <json-c/json.h>
#include <stdarg.h>
#include <stddef.h>

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

void
faults_add(struct faults *f, const char *text, ...)
{
	struct json_object *o, *list = NULL;
	const char *key, *next;
	va_list ap;

	if (f->n == FAULTS_MAX)
		return;
	f->n++;
	if (f->root == NULL) {
		f->root = json_object_new_object();
		if (f->root == NULL ||
		    !arena_defer(f->arena, put_json, f->root))
			return;
	}
	o = f->root;
	va_start(ap, text);
	key = va_arg(ap, const char *);
	while ((next = va_arg(ap, const char *)) != NULL && o != NULL) {
		o = object_in(o, key);
		key = next;
	}
	va_end(ap);
	if (o == NULL)
		return;
	/* A client may name a key so that its fault stands where a list is. */
	if (!json_object_object_get_ex(o, key, &list) ||
	    !json_object_is_type(list, json_type_array)) {
		list = json_object_new_array_ext(1);
		if (list == NULL)
			return;
		(void)json_object_object_add(o, key, list);
	}
	(void)json_object_array_add(list, json_object_new_string(text));
}

const char *
faults_json(const struct faults *f)
{
	return json_object_to_json_string_ext(
	    f->root, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
}
