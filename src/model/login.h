#ifndef LOGIN_H
#define LOGIN_H

#include "client.h"

/*
 * Log-in by client id and secret.  A wrong one takes as long as another; so many in a
 * minute for one client from one address, and it has to wait.  A secret that was
 * verified in the last ten minutes is known again without bcrypt, as clients log in with
 * every command.
 */

enum login_verdict {
	LOGIN_GOOD,
	LOGIN_WRONG,
	LOGIN_LIMITED, /* TOKEN_FAILURES_MAX is reached */
	LOGIN_FAILED /* see *failure */
};

struct login {
	const char *id;
	const char *secret;
	size_t secret_len;
	const char *address; /* of the caller */
};

/* The client of l is in *out, in memory of a, if it is LOGIN_GOOD.  *wait_s, if
 * LOGIN_LIMITED: the seconds until another try is allowed. */
enum login_verdict login_check(struct svc *s, struct arena *a,
    const struct login *l, struct client *out, int *wait_s, enum err *failure)
    __attribute__((warn_unused_result));

#endif /* !LOGIN_H */
