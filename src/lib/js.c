/* Members and values of text that was scanned, and json-c's values of it. */

#include "js.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

#include "js_escape.h"

const struct js_member *
js_find(const struct js_doc *doc, const char *key)
{
	size_t i, len = strlen(key);

	for (i = doc->n_members; i > 0; i--)
		if (doc->members[i - 1].key_len == len &&
		    memcmp(doc->members[i - 1].key, key, len) == 0)
			return &doc->members[i - 1];
	return NULL;
}

static int
by_key_and_place(const void *a, const void *b)
{
	const struct js_member *x = *(const struct js_member *const *)a;
	const struct js_member *y = *(const struct js_member *const *)b;
	int order = strcmp(x->key, y->key);

	return order != 0 ? order : (x > y) - (x < y);
}

enum err
js_last_wins(struct js_doc *in)
{
	const struct js_member **sorted;
	size_t i, n = in->n_members, kept = 0;

	sorted = arena_alloc(in->arena, (n + 1) * sizeof(struct js_member *));
	if (sorted == NULL)
		return ERR_NOMEM;
	for (i = 0; i < n; i++)
		sorted[i] = &in->members[i];
	qsort(sorted, n, sizeof(struct js_member *), by_key_and_place);
	for (i = 0; i + 1 < n; i++)
		if (strcmp(sorted[i]->key, sorted[i + 1]->key) == 0)
			in->members[sorted[i] - in->members].raw_key.p = NULL;
	for (i = 0; i < n; i++)
		if (in->members[i].raw_key.p != NULL)
			in->members[kept++] = in->members[i];
	in->n_members = kept;
	return ERR_OK;
}

static void
put_tree(void *p)
{
	(void)json_object_put(p);
}

/* json-c's value of text the scan has accepted. */
static struct json_object *
tree_of(struct arena *a, const char *p, size_t len)
{
	struct json_tokener *t;
	struct json_object *o;

	t = json_tokener_new_ex(JS_DEPTH_MAX + 1);
	if (t == NULL)
		return NULL;
	json_tokener_set_flags(
	    t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(t, p, (int)len);
	/* A number may go on: only the NUL says that it does not. */
	if (o == NULL && json_tokener_get_error(t) == json_tokener_continue)
		o = json_tokener_parse_ex(t, "", 1);
	json_tokener_free(t);
	if (o != NULL && !arena_defer(a, put_tree, o))
		return NULL;
	return o;
}

struct json_object *
js_tree(struct js_doc *doc)
{
	if (doc->tree == NULL)
		doc->tree = tree_of(doc->arena, doc->text.p, doc->text.len);
	return doc->tree;
}

struct json_object *
js_member_tree(struct js_doc *doc, const struct js_member *m)
{
	return tree_of(doc->arena, m->value.p, m->value.len);
}

const char *
js_string(struct arena *a, const struct js_member *m, size_t *len)
{
	char *p = arena_alloc(a, m->value.len);

	if (p == NULL)
		return NULL;
	*len = m->value.len - 2;
	if (memchr(m->value.p, '\\', m->value.len) == NULL)
		memcpy(p, m->value.p + 1, *len);
	else
		*len = js_escape_decode(
		    p, (const unsigned char *)m->value.p + 1, *len);
	p[*len] = '\0';
	return p;
}

const char *
js_text(struct arena *a, const struct js_doc *doc, const char *key)
{
	const struct js_member *m = js_find(doc, key);
	const char *s;
	size_t len;

	if (m == NULL || m->kind != JS_STRING)
		return NULL;
	s = js_string(a, m, &len);
	return s != NULL && strlen(s) == len ? s : NULL;
}

const char *
js_string_in_place(const struct js_member *m, size_t *len)
{
	char *p = (char *)m->value.p + 1;

	*len = m->value.len - 2;
	if (memchr(p, '\\', *len) != NULL)
		*len = js_escape_decode(p, (const unsigned char *)p, *len);
	p[*len] = '\0';
	return p;
}

/* The length of the value at p, which was scanned before. */
static size_t
value_len(const char *p, const char *end)
{
	const char *s = p;
	size_t depth = 0;
	bool quoted = false;

	for (; s < end; s++) {
		if (quoted) {
			if (*s == '\\')
				s++;
			else if (*s == '"')
				quoted = false;
		} else if (*s == '"') {
			quoted = true;
		} else if (*s == '[' || *s == '{') {
			depth++;
		} else if (depth > 0 && (*s == ']' || *s == '}')) {
			depth--;
		} else if (depth == 0 && strchr(",] \t\r\n", *s) != NULL) {
			break;
		}
	}
	return (size_t)(s - p);
}

bool
js_element(struct js_span *rest, struct js_member *out)
{
	const char *p = rest->p, *end = p + rest->len;

	/* Behind an element there is a comma, a space or the end: this is the
	 * array's own bracket. */
	if (*p == '[')
		p++;
	while (p < end && strchr(", \t\r\n", *p) != NULL)
		p++;
	if (p == end || *p == ']')
		return false;
	*out = (struct js_member){
	    .value = {p, value_len(p, end)},
	    .kind = js_scan_kind((unsigned char)*p),
	};
	p += out->value.len;
	*rest = (struct js_span){p, (size_t)(end - p)};
	return true;
}
