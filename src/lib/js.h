#ifndef JS_H
#define JS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"

/*
 * JSON (RFC 8259).  A strict scan of the bytes comes first: what it accepts is
 * JSON in valid UTF-8, nested at most JS_DEPTH_MAX deep, without lone
 * surrogates and without NUL in a key; only then json-c builds values.
 * The scan also finds the members of the outermost object as spans of the
 * input, so that numbers and unknown fields pass on byte for byte.
 */

#define JS_DEPTH_MAX 100

struct json_object;

enum js_kind { JS_NULL, JS_BOOL, JS_NUMBER, JS_STRING, JS_ARRAY, JS_OBJECT };

struct js_span {
	const char *p;
	size_t len;
};

struct js_member {
	const char *key; /* decoded, ended by NUL */
	size_t key_len;
	struct js_span raw_key; /* with its quotes, as in the input */
	struct js_span value; /* without white space around */
	enum js_kind kind;
};

/* Where and why a text is not JSON. */
struct js_fault {
	size_t offset; /* bytes from the start */
	unsigned line; /* from 1 */
	unsigned column; /* from 1, in bytes */
	const char *why; /* a constant */
};

struct js_doc {
	struct js_span text; /* the value without white space around */
	enum js_kind kind;
	struct js_member *members; /* of an object, in order, repeats kept */
	size_t n_members;
	struct arena *arena;
	struct json_object *tree; /* see js_tree() */
};

/*
 * Scan the len bytes at p, which must outlive doc.  ERR_INVALID with *fault
 * filled if they are no JSON; ERR_NOMEM.  Linear in len; no recursion.
 */
enum err js_scan(struct js_doc *doc, struct arena *a, const char *p, size_t len,
    struct js_fault *fault) __attribute__((warn_unused_result));

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

/* Append the len bytes at s, valid UTF-8, as a JSON string with its quotes. */
void js_put_string(struct buf *b, const char *s, size_t len);

/* At most so many bytes does one byte become in a JSON string. */
#define JS_ESCAPED_MAX 6

/*
 * Write the len bytes at s, valid UTF-8 that may begin or end within a
 * character, as they stand between the quotes of a JSON string.  Returns how many
 * bytes that are; out has room for len * JS_ESCAPED_MAX.
 */
size_t js_escape(char *out, const char *s, size_t len);

/* True if the len bytes at s are valid UTF-8 (RFC 3629: no overlong forms, no
 * surrogates, nothing above U+10FFFF). */
bool js_utf8_ok(const char *s, size_t len);

#endif /* !JS_H */
