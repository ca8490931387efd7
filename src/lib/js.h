#ifndef JS_H
#define JS_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "err.h"
#include "js_scan.h"

/* The members and values of JSON text that js_scan() has accepted. */

/* The last member called key (a repeated key: the last wins), or NULL. */
const struct js_member *js_find(const struct js_doc *doc, const char *key);

/* Leave one member of each key in doc, the last; order stays.  ERR_NOMEM. */
enum err js_last_wins(struct js_doc *doc) __attribute__((warn_unused_result));

/* The document as a json-c value that lives with the arena; made at the first
 * call.  NULL for the JSON value null and without memory. */
struct json_object *js_tree(struct js_doc *doc);

/* The json-c value of one member, living with the arena of doc.  NULL for
 * null and without memory. */
struct json_object *js_member_tree(
    struct js_doc *doc, const struct js_member *m);

/* A string value decoded, ended by NUL, in arena memory; it may hold others.  NULL
 * without memory. */
const char *js_string(struct arena *a, const struct js_member *m, size_t *len);

/* The last member called key as such a string, if it is one and holds no NUL; else, and
 * without memory, NULL. */
const char *js_text(struct arena *a, const struct js_doc *doc, const char *key);

/* As js_string(), but where the value stands, which is then no JSON any more; the
 * text that was scanned must be writable.  For what is too big to be held twice. */
const char *js_string_in_place(const struct js_member *m, size_t *len);

/* The elements of an array that was scanned, one for each call: *rest is the
 * array's span before the first call, and out gets value and kind.  False after
 * the last. */
bool js_element(struct js_span *rest, struct js_member *out);

#endif /* !JS_H */
