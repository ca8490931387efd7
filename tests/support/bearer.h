#ifndef BEARER_H
#define BEARER_H

/* Credentials: tokens as the instance "tokens" verifies them, made here with its key.  They live as
 * long as the process. */

/* An Authorization header with a token of that role; role NULL: without one. */
const char *bearer(const char *role, const char *client_id);

/* Likewise with these permissions, a JSON object. */
const char *bearer_with(const char *permissions);

/* Likewise, of these claims and this key. */
const char *bearer_of(const char *claims, const char *key);

/* An Authorization header with an id and a secret; scheme: "Basic " in any case. */
const char *basic(const char *scheme, const char *id, const char *secret);

#endif /* !BEARER_H */
