#ifndef JWKS_H
#define JWKS_H

#include "jws.h"

/* The public keys of a sign-in provider (JSON Web Key Set, RFC 7517, section 5), and what they
 * signed with RS256 or ES256 (RFC 7518, sections 3.3 and 3.4). */

struct jwks;

/* More keys than so many are left out. */
#define JWKS_KEYS_MAX 32

/*
 * The keys in the len bytes of JSON at text.  RSA keys of 2048 to 8192 bits and those on the
 * curve P-256 are kept if they are for signatures; others are left out (RFC 7517, section
 * 5).  ERR_INVALID: no key set; ERR_NOMEM.  Free with jwks_free(), NULL is allowed.
 */
enum err jwks_open(struct jwks **out, const char *text, size_t len)
    __attribute__((warn_unused_result));
void jwks_free(struct jwks *k);

/*
 * Was t signed with a key of these?  One that names a key id is held against the keys of
 * that id and those without, another against each.  ERR_OK; ERR_NOTFOUND: no key here could have signed it, a
 * newer set might hold one; ERR_INVALID: another algorithm, or another signature;
 * ERR_NOMEM.  k is not changed: threads share it.
 */
enum err jwks_verify(const struct jwks *k, struct arena *a, const struct jws *t)
    __attribute__((warn_unused_result));

#endif /* !JWKS_H */
