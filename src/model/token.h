#ifndef TOKEN_H
#define TOKEN_H

#include "svc.h"

/* Refresh tokens: random texts that are told once and stored as hashes. */

#define TOKEN_LEN 48
#define TOKEN_ID_LEN 12

enum token_verdict {
	TOKEN_GOOD,
	TOKEN_UNKNOWN,
	TOKEN_REVOKED,
	TOKEN_EXPIRED,
	TOKEN_FAILED /* see *failure */
};

/* A new token of the client, good for REFRESH_TOKEN_LIFE.  ERR_CONFLICT if there is no
 * such client any more. */
enum err token_issue(struct svc *s, const char *client, char out[TOKEN_LEN + 1])
    __attribute__((warn_unused_result));

/* Judge a token by which somebody wants another access token, and note that it
 * is used.  *client: whose it is, in memory of a, but for an unknown one. */
enum token_verdict token_use(struct svc *s, struct arena *a, const char *token,
    const char **client, enum err *failure) __attribute__((warn_unused_result));

/* Revoke it.  ERR_NOTFOUND; ERR_CONFLICT: it is revoked already. */
enum err token_revoke(struct svc *s, const char *token)
    __attribute__((warn_unused_result));

/* A name for the token in logs, which tells nothing of it: the begin of its hash. */
void token_id(const char *token, char out[TOKEN_ID_LEN + 1]);

/* Remove some tokens that were not used for 90 days or expired a day ago.  *n: how many;
 * call again while there are any. */
enum err token_sweep(struct svc *s, int64_t *n)
    __attribute__((warn_unused_result));

#endif /* !TOKEN_H */
