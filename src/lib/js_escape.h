#ifndef JS_ESCAPE_H
#define JS_ESCAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"

/* The escapes of JSON strings (RFC 8259, section 7), written and read. */

/* Whether a byte may stand in a string as it is; false of those beyond ASCII, which may only
 * as parts of a character. */
extern const bool js_escape_plain[256];

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

/* The four hexadecimal digits of a \u escape, at p; -1 if they are not before end. */
int js_escape_unit(const unsigned char *p, const unsigned char *end);

/*
 * Decode the escapes of the len bytes at s, which stood between the quotes of a string
 * that js_scan() has accepted.  Returns how many bytes that are; out, which may be s, has
 * room for len and a NUL after them.
 */
size_t js_escape_decode(char *out, const unsigned char *s, size_t len);

#endif /* !JS_ESCAPE_H */
