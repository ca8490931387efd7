#ifndef BODY_H
#define BODY_H

#include "http.h"

/* Bodies that several responders read alike. */

/*
 * The string in a body that is an object of this one field, min (0 or 1) bytes long or more,
 * in memory of the request.  One with a NUL in it, which names nothing, is given as a control
 * character, which names nothing either.  NULL after the refusal has been sent.
 */
const char *body_string(struct req *r, const char *name, size_t min);

#endif /* !BODY_H */
