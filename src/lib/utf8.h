#ifndef UTF8_H
#define UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF). */

/* The length of the sequence that begins at p, before end; 0 if it is none. */
size_t utf8_len(const unsigned char *p, const unsigned char *end);

/* True if the len bytes at s are valid. */
bool utf8_ok(const char *s, size_t len);

#endif /* !UTF8_H */
