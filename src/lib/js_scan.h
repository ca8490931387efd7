#ifndef JS_SCAN_H
#define JS_SCAN_H

#include <stddef.h>

#include "arena.h"
#include "err.h"

/*
 * JSON (RFC 8259).  A strict scan of the bytes comes first: what it accepts is
 * JSON in valid UTF-8, nested at most JS_DEPTH_MAX deep, without lone
 * surrogates and without NUL in a key; only then json-c builds values.
 * The scan also finds the members of the outermost object as spans of the
 * input, so that numbers and unknown fields pass on byte for byte.
 */

struct json_object;

#define JS_DEPTH_MAX 100

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

/* The kind of a value that was scanned, by its first byte. */
enum js_kind js_scan_kind(unsigned char first);

#endif /* !JS_SCAN_H */
