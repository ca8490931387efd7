#ifndef USER_H
#define USER_H

#include "svc.h"

/* People who sign in elsewhere, each a client whose id is the email address; what the
 * provider calls the person (sub) stays when the address changes. */

struct user {
	const char *sub;
	const char *email;
	const char *name; /* NULL: unknown */
};

enum user_verdict {
	USER_FAILED, /* see *failure */
	USER_BAD_EMAIL, /* it will not do as the id of a client */
	USER_TAKEN, /* another client has that id */
	USER_NEW, /* a contributor from now on */
	USER_RENAMED, /* known by another address until now */
	USER_KNOWN
};

/* Note that u signed in now.  Whoever has another address than the last time keeps role,
 * permissions, queues, refresh tokens and secrets, and jobs keep theirs; but for secrets when
 * there is no key, see secret_reseal_move(). */
enum user_verdict user_sign_in(struct svc *s, struct arena *a,
    const struct user *u, const char **former, enum err *failure)
    __attribute__((warn_unused_result));

/* Remove some of those who have not signed in for 90 days, with all that is theirs; *n how
 * many.  A client with a secret of its own is never removed. */
enum err user_sweep(struct svc *s, int64_t *n)
    __attribute__((warn_unused_result));

#endif /* !USER_H */
