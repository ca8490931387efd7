#ifndef SECRET_RESEAL_H
#define SECRET_RESEAL_H

#include <stdint.h>

#include "db.h"
#include "err.h"
#include "svc.h"

/*
 * Secrets sealed anew: with another key, as an operator has set, or for another name of their
 * client.  A sealed value opens only with its key, under the client and the path for which it was
 * sealed.
 */

/* Where a walk over all secrets stands; both NULL before the first.  Free with
 * secret_reseal_free(). */
struct secret_reseal_place {
	char *client;
	char *path;
};

void secret_reseal_free(struct secret_reseal_place *p);

/* Look at a few hundred secrets behind *after and seal anew, with the key that seals
 * now, what another has sealed; *after goes on.  *n: how many were looked at, 0: that
 * was all.  *lost grows by those that no key opens, which stay as they are. */
enum err secret_reseal(struct svc *s, struct secret_reseal_place *after,
    int64_t *n, int64_t *lost) __attribute__((warn_unused_result));

/* In a change: the client from is called to from now on, where nothing is yet, and its
 * secrets are sealed for that name; those that no key opens are gone.  Without a key they
 * stay where they are, which is told in the log. */
enum err secret_reseal_move(struct db_conn *c, struct svc *s, const char *from,
    const char *to) __attribute__((warn_unused_result));

#endif /* !SECRET_RESEAL_H */
