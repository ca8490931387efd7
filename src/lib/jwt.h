#ifndef JWT_H
#define JWT_H

#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "conf.h"
#include "err.h"

/*
 * Access tokens: JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256 (HS256,
 * RFC 7518, section 3.2).  One key signs, it and a former one verify.
 */

#define JWT_LIFE_S 600

struct jwt_keys;

/* The keys of c; *out is NULL if JWT_SIGNING_KEY is empty: then nothing signs and
 * nothing verifies.  ERR_NOMEM.  Free with jwt_keys_free(), NULL is allowed. */
enum err jwt_keys_open(struct jwt_keys **out, const struct conf *c)
    __attribute__((warn_unused_result));
void jwt_keys_free(struct jwt_keys *k);

/* One more key that verifies, of len bytes.  ERR_INVALID for an empty one, ERR_LIMIT,
 * ERR_NOMEM. */
enum err jwt_keys_add(struct jwt_keys *k, const void *key, size_t len)
    __attribute__((warn_unused_result));

/* A token for JWT_LIFE_S seconds from now_ms on, signed with the first key (k is not
 * NULL), which carries the len bytes at permissions, a JSON object, in memory of the
 * arena.  ERR_NOMEM. */
enum err jwt_sign(const struct jwt_keys *k, struct arena *a,
    const char *permissions, size_t len, int64_t now_ms, const char **token)
    __attribute__((warn_unused_result));

/* Why a token does not do, in the order in which it is judged. */
struct jwt_fault {
	int status; /* of the reply: 401 or 403 */
	const char
	    *message; /* as clients know it; in arena memory or constant */
};

/*
 * Judge the token of len bytes: form, algorithm, signature, claims; clocks may
 * differ by the leeway.  k == NULL: no signature is right.  ERR_OK: *permissions is
 * the JSON text of the claim of that name, any value, "{}" where there is none, ended
 * by NUL, in arena memory.  ERR_INVALID with *fault; ERR_NOMEM.
 */
enum err jwt_verify(const struct jwt_keys *k, struct arena *a,
    const char *token, size_t len, int64_t now_ms, const char **permissions,
    size_t *permissions_len, struct jwt_fault *fault)
    __attribute__((warn_unused_result));

#endif /* !JWT_H */
