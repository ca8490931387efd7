#ifndef BODY_H
#define BODY_H

#include "http.h"

/* Bodies that several responders read alike. */

/*
 * The string in a body that is an object of this one field, in memory of the request.
 * check: NULL, or what is wrong with the len bytes at s, NULL for nothing.  One with a NUL
 * in it, which names nothing, is given as a control character, which names nothing either.
 * NULL after the refusal has been sent.
 */
const char *body_string(struct req *r, const char *name,
    const char *(*check)(const char *s, size_t len));

/* A check: what is wrong with an empty string. */
const char *body_not_empty(const char *s, size_t len);

#endif /* !BODY_H */
