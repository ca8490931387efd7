#ifndef SIGNED_H
#define SIGNED_H

#include <stdint.h>

/* Access tokens made apart from the code that judges them.  Each result lives until
 * eight more have been made. */

/* header and payload as they are, signed with HS256 and key. */
const char *token_signed(
    const char *key, const char *header, const char *payload);

/* A good one for ten minutes from now_s on. */
const char *token_for(const char *key, const char *permissions, int64_t now_s);

#endif /* !SIGNED_H */
