#ifndef JWS_H
#define JWS_H

#include "js.h"

/* Signed JSON in its compact form (RFC 7515, section 7.1), taken apart; whether the signature
 * is right is for who has the keys. */

struct jws {
	const char *signed_text; /* header and payload, as they were signed */
	size_t signed_len;
	struct js_doc header, payload; /* objects */
	const char *signature; /* decoded */
	size_t signature_len;
};

/* Take the len bytes at token apart, which must outlive *out.  ERR_INVALID: not three parts,
 * bad base64url, or no JSON objects; ERR_NOMEM. */
enum err jws_read(struct jws *out, struct arena *a, const char *token,
    size_t len) __attribute__((warn_unused_result));

/*
 * The algorithm its header names, in arena memory.  ERR_INVALID: none, a key id that is no
 * string, or something that a reader must understand (RFC 7515, section 4.1.11; RFC 7797)
 * and we do not; ERR_NOMEM.
 */
enum err jws_algorithm(const struct jws *t, struct arena *a, const char **alg)
    __attribute__((warn_unused_result));

/* The whole seconds of a claim of time: a number, or a string of an integer. */
bool jws_seconds(struct arena *a, const struct js_member *m, double *out);

#endif /* !JWS_H */
