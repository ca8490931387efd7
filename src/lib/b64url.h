#ifndef B64URL_H
#define B64URL_H

#include <stddef.h>

#include "arena.h"
#include "err.h"

/* Base64 with the alphabet for URLs and without padding (RFC 4648, section 5), strict: one
 * value has one spelling. */

/* Append the n bytes at p. */
void b64url_put(struct buf *b, const void *p, size_t n);

/* The bytes that the len characters at s stand for, in arena memory with a NUL behind them.
 * ERR_INVALID: another character, padding, bits left over; ERR_NOMEM. */
enum err b64url_get(struct arena *a, const char *s, size_t len,
    const char **out, size_t *out_len) __attribute__((warn_unused_result));

#endif /* !B64URL_H */
