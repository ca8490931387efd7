#ifndef SEAL_H
#define SEAL_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "conf.h"
#include "err.h"

/*
 * Values encrypted at rest: XChaCha20-Poly1305 with a random nonce, bound to their
 * owner and path, so that one cannot be put in another's place.  One key seals, it and
 * a former one open.
 */

struct seal;

/*
 * The keys that c names: SECRETS_MASTER_KEY or SECRETS_MASTER_KEY_FILE, and the former
 * ones.  *out is NULL if there are none.  ERR_INVALID with *fault for a key that is
 * no base64 of at least 32 bytes, or a file that cannot be read or that others may
 * read; ERR_NOMEM.  Free with seal_free(), NULL is allowed.
 */
enum err seal_open(struct seal **out, const struct conf *c,
    struct conf_fault *fault) __attribute__((warn_unused_result));
void seal_free(struct seal *s);

/* Whether the keys that stand in c itself are good, which opens no file: ERR_OK, or
 * ERR_INVALID with *fault. */
enum err seal_check(const struct conf *c, struct conf_fault *fault)
    __attribute__((warn_unused_result));

/* True if c names a key; whether it is good seal_open() tells. */
bool seal_wanted(const struct conf *c);

/* The len bytes at value as sealed text of the arena, base64; NULL without memory. */
const char *seal_close_value(const struct seal *s, struct arena *a,
    const char *client, const char *path, const char *value, size_t len);

/* What was sealed for client and path, in arena memory and ended by NUL.  ERR_INVALID:
 * by another key, for another place, or damaged; ERR_NOMEM. */
enum err seal_open_value(const struct seal *s, struct arena *a,
    const char *client, const char *path, const char *text, const char **value,
    size_t *len) __attribute__((warn_unused_result));

/* True if the text was sealed by the key that seals now. */
bool seal_is_current(const struct seal *s, const char *text);

#endif /* !SEAL_H */
