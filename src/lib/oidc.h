#ifndef OIDC_H
#define OIDC_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "conf.h"
#include "err.h"
#include "js.h"

/*
 * The OpenID Connect provider that people sign in with, as its client: discovery (OpenID
 * Connect Discovery 1.0, section 4), the device flow (RFC 8628), the authorization code with
 * PKCE (OpenID Connect Core 1.0, section 3.1; RFC 7636), and who it says somebody is.
 * Every call takes 5 s at most, and only so many threads are in one at a time.
 */

struct oidc;

/* *out is NULL if there is none (auth_has_oidc()).  Nothing is asked of the provider yet.  c must outlive
 * it.  ERR_NOMEM.  Free with oidc_free(), NULL is allowed. */
enum err oidc_open(struct oidc **out, const struct conf *c)
    __attribute__((warn_unused_result));
void oidc_free(struct oidc *o);

enum oidc_verdict {
	OIDC_OK,
	OIDC_FAILED, /* by us: see oidc_call.failure */
	OIDC_UNREACHABLE,
	OIDC_UNEXPECTED, /* its answer is not what the standard says */
	OIDC_NO_ENDPOINT, /* it does not do that */
	OIDC_REFUSED, /* see oidc_call.error */
	OIDC_NO_USER, /* it does not say who that is, or not so that it can be believed */
	OIDC_NO_EMAIL
};

/* One conversation: whose memory it uses, and why it failed. */
struct oidc_call {
	struct oidc *oidc;
	struct arena *arena;
	enum err failure; /* with OIDC_FAILED */
	const char
	    *error; /* with OIDC_REFUSED: the provider's word (RFC 6749, section
			      5.2), "" without one */
};

/* Who signed in. */
struct oidc_user {
	const char *sub; /* the provider's own name for the person, for ever */
	const char *email;
	const char *name; /* NULL: it tells none */
};

/* A sign-in by device that has begun. */
struct oidc_device {
	const char *code; /* NULL: the provider gave none */
	int64_t life_s;
	struct js_doc answer; /* what else it said, device_code among it */
};

enum oidc_verdict oidc_device_start(struct oidc_call *c,
    struct oidc_device *out) __attribute__((warn_unused_result));

/* Ask once whether somebody has signed in with the device of that code; OIDC_REFUSED with
 * "authorization_pending" or "slow_down": not yet. */
enum oidc_verdict oidc_device_poll(struct oidc_call *c, const char *code,
    struct oidc_user *out) __attribute__((warn_unused_result));

/* A sign-in by browser: random texts that only this browser knows, and where it comes back
 * to. */
struct oidc_login {
	const char *state;
	const char *nonce;
	const char *
	    verifier; /* 43 to 128 letters and digits (RFC 7636, section 4.1) */
	const char *redirect;
};

/* The address to send the browser to, in arena memory. */
enum oidc_verdict oidc_login_url(
    struct oidc_call *c, const struct oidc_login *l, const char **url)
    __attribute__((warn_unused_result));

/* Who came back with the code. */
enum oidc_verdict oidc_login_user(struct oidc_call *c,
    const struct oidc_login *l, const char *code, struct oidc_user *out)
    __attribute__((warn_unused_result));

/* True if iss, with which the browser came back, is the provider's name (RFC 9207); NULL, for
 * a provider that tells none, is. */
bool oidc_is_issuer(const struct oidc *o, const char *iss);

#endif /* !OIDC_H */
