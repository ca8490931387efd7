#ifndef MULTIPART_H
#define MULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "err.h"

/*
 * multipart/form-data (RFC 7578, RFC 2046 section 5.1), read as it comes and in
 * constant memory: the bytes of the first file named "file" go to whoever wants
 * them, everything else is passed over.
 */

struct multipart;

/* More bytes of fields than so many, all together, are refused. */
#define MULTIPART_FIELDS_MAX ((size_t)500000)

/* Takes bytes of the file; what it returns but ERR_OK ends the reading. */
typedef enum err (*multipart_take)(void *arg, const char *p, size_t n);

/* Begin a body of this Content-Type (NULL: none).  ERR_INVALID if it is no form
 * with a boundary, ERR_NOMEM. */
enum err multipart_new(struct multipart **out, struct arena *a,
    const char *content_type, multipart_take take, void *arg)
    __attribute__((warn_unused_result));

/*
 * The next n bytes of the body, cut anywhere.  ERR_INVALID: no form; ERR_LIMIT:
 * more than MULTIPART_FIELDS_MAX; or what take() returned.  Not to be fed again
 * after any of these.
 */
enum err multipart_feed(struct multipart *m, const char *p, size_t n)
    __attribute__((warn_unused_result));

/* The body has ended: ERR_OK if it was a whole form with the file in it, else
 * ERR_INVALID. */
enum err multipart_end(const struct multipart *m)
    __attribute__((warn_unused_result));

#endif /* !MULTIPART_H */
