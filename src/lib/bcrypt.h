#ifndef BCRYPT_H
#define BCRYPT_H

#include <stdbool.h>

#include "err.h"

/*
 * Secrets as bcrypt hashes.  One hash costs a fifth of a second of CPU by design, so it
 * is made outside of any lock, and by no more threads at a time than there are
 * processors: bcrypt_enter() waits for a turn.
 */

#define BCRYPT_LEN 60 /* of a hash */
/* bcrypt reads no more bytes than 72; fewer than 15 are too easy to guess. */
#define BCRYPT_SECRET_MIN 15
#define BCRYPT_SECRET_MAX 72

/* Wait for a turn; the thread gives up its place in the gate.  ERR_BUSY, at once, if
 * an eighth of the threads hash or wait already.  After ERR_OK give the turn back with bcrypt_leave(). */
enum err bcrypt_enter(void) __attribute__((warn_unused_result));
void bcrypt_leave(void);

/* The hash of secret, made anew with a random salt ($2b$, cost 12).  ERR_NOMEM. */
enum err bcrypt_hash(const char *secret, char out[BCRYPT_LEN + 1])
    __attribute__((warn_unused_result));

/*
 * True if hash is one of secret: $2a$, $2b$ or $2y$, cost 4 to 15.  A refusal takes as
 * long as one by a hash of cost 12, also where hash is NULL or cheaper, so that
 * its time does not tell whether there was one.
 */
bool bcrypt_verify(const char *secret, const char *hash);

#endif /* !BCRYPT_H */
