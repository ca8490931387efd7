/*
 * JSON.  What the scan accepts json-c's strict parser accepts too; spans lie
 * within the input, in its order, and are JSON by themselves; what is refused
 * says why and where.
 */

#include "js.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "js_escape.h"
#include "utf8.h"

#define NEED(what)                                                             \
	do {                                                                   \
		if (!(what))                                                   \
			abort();                                               \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const enum json_type types[] = {
    [JS_NULL] = json_type_null,
    [JS_BOOL] = json_type_boolean,
    [JS_STRING] = json_type_string,
    [JS_ARRAY] = json_type_array,
    [JS_OBJECT] = json_type_object,
};

static void
check_type(const struct json_object *o, enum js_kind kind)
{
	enum json_type type = json_object_get_type(o);

	if (kind == JS_NUMBER)
		NEED(type == json_type_int || type == json_type_double);
	else
		NEED(type == types[kind]);
}

static void
check_span(struct js_span s, const char *from, const char *end)
{
	NEED(s.len > 0 && s.p >= from && s.len <= (size_t)(end - s.p));
	NEED(strchr(" \t\r\n", s.p[0]) == NULL);
	NEED(strchr(" \t\r\n", s.p[s.len - 1]) == NULL);
}

/* A text, written as a string, is read as the same. */
static void
check_string(struct arena *a, const char *s, size_t len)
{
	struct js_doc doc;
	struct js_fault fault;
	struct json_object *o;
	struct buf b;

	buf_init(&b, a, len);
	js_put_string(&b, s, len);
	NEED(buf_ok(&b));
	NEED(js_scan(&doc, a, b.p, b.len, &fault) == ERR_OK);
	NEED(doc.kind == JS_STRING && doc.text.len == b.len);
	o = js_tree(&doc);
	NEED((size_t)json_object_get_string_len(o) == len);
	NEED(memcmp(json_object_get_string(o), s, len) == 0);
}

static void
check_member(struct js_doc *doc, size_t i, const char *from, const char *end)
{
	const struct js_member *m = &doc->members[i], *last;
	struct js_doc value;
	struct js_fault fault;

	check_span(m->raw_key, from, end);
	check_span(m->value, m->raw_key.p + m->raw_key.len, end);
	NEED(strlen(m->key) == m->key_len);
	NEED(utf8_ok(m->key, m->key_len));
	NEED(js_scan(&value, doc->arena, m->raw_key.p, m->raw_key.len,
		 &fault) == ERR_OK);
	NEED(strcmp(json_object_get_string(js_tree(&value)), m->key) == 0);
	NEED(js_scan(&value, doc->arena, m->value.p, m->value.len, &fault) ==
	     ERR_OK);
	NEED(value.kind == m->kind && value.text.len == m->value.len);
	last = js_find(doc, m->key);
	NEED(last != NULL && last >= m && last->key_len == m->key_len);
}

/* The last of repeated keys is what json-c has. */
static void
check_found(struct js_doc *doc, const struct js_member *m)
{
	struct json_object *mine, *theirs;

	if (js_find(doc, m->key) != m)
		return;
	mine = js_member_tree(doc, m);
	NEED(json_object_object_get_ex(js_tree(doc), m->key, &theirs));
	check_type(mine, m->kind);
	NEED(json_object_get_type(mine) == json_object_get_type(theirs));
	/* JSON has no NaN: equal texts are equal values. */
	NEED(json_object_equal(mine, theirs) != 0);
}

static void
check_doc(struct js_doc *doc, const char *text, size_t size)
{
	const char *from = text, *end = text + size;
	size_t i;

	check_span(doc->text, text, end);
	NEED(utf8_ok(text, size));
	NEED((js_tree(doc) == NULL) == (doc->kind == JS_NULL));
	check_type(js_tree(doc), doc->kind);
	NEED(doc->n_members == 0 || doc->kind == JS_OBJECT);
	for (i = 0; i < doc->n_members; i++) {
		check_member(doc, i, from, end);
		from = doc->members[i].value.p + doc->members[i].value.len;
		/* Each takes time as long as the text. */
		if (i < 64)
			check_found(doc, &doc->members[i]);
	}
}

static void
check_fault(const struct js_fault *f, const char *text, size_t size)
{
	unsigned line = 1, column = 1;
	size_t i;

	NEED(f->why != NULL && f->offset <= size);
	for (i = 0; i < f->offset; i++) {
		column = text[i] == '\n' ? 1 : column + 1;
		line += text[i] == '\n';
	}
	NEED(f->line == line && f->column == column);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct js_fault fault = {.why = NULL};
	struct js_doc doc;
	char *text = malloc(size > 0 ? size : 1);

	/* No byte behind the text, so that reading one shows. */
	NEED(a != NULL && text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	if (js_scan(&doc, a, text, size, &fault) == ERR_OK)
		check_doc(&doc, text, size);
	else
		check_fault(&fault, text, size);
	if (utf8_ok(text, size))
		check_string(a, text, size);
	arena_free(a);
	free(text);
	return 0;
}
