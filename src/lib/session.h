#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"

/* The session of a browser: a cookie that it can read but not change (HMAC-SHA-256), so that
 * the server keeps nothing for it. */

struct session {
	/* While a sign-in goes on, see struct oidc_login; else NULL. */
	const char *state;
	const char *nonce;
	const char *verifier;
	/* Afterwards, who it was; else NULL. */
	const char *client;
	const char *name;
	int64_t until; /* seconds since 1970 */
};

/* The value of the cookie, letters, digits, "-", "_" and a dot; NULL without memory. */
const char *session_seal(
    const char *key, struct arena *a, const struct session *s);

/* What value says, in memory of a; false if it was not sealed with the key, or has ended. */
bool session_open(const char *key, struct arena *a, const char *value,
    int64_t now_s, struct session *out);

#endif /* !SESSION_H */
