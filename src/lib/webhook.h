#ifndef WEBHOOK_H
#define WEBHOOK_H

#include "fetch.h"

/* Calls to a webhook: to nowhere but where they are meant to go. */

/* True if both have the same origin: the scheme in either case, the authority compared as
 * text. */
bool webhook_same_origin(const char *a, const char *b);

/* PUT the len bytes at json to url, with a bearer token unless it is "".  All of it takes
 * at most 3 s. */
enum fetch_result webhook_put(struct arena *a, const char *url,
    const char *bearer, const char *json, size_t len, struct fetch_answer *out)
    __attribute__((warn_unused_result));

#endif /* !WEBHOOK_H */
