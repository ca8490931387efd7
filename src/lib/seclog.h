#ifndef SECLOG_H
#define SECLOG_H

#include "http.h"

/*
 * The security log: one line of JSON for one event, to stderr like the log, in the
 * OWASP Logging Vocabulary.  No token and no secret may stand in it.
 */

/*
 * event: name and arguments as in "authn_login_fail:cli".  The description is as in
 * printf, in plain words, naming client, role and reason.  Address, host, method,
 * target (without its query) and request id are those of r; NULL: no request.  Of
 * events that a client without rights can cause, a process writes 1000 a minute and
 * then tells in the log how many more there were.
 */
void seclog(struct req *r, const char *event, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif /* !SECLOG_H */
