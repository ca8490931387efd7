#ifndef ERR_H
#define ERR_H

/*
 * The ways in which a call can end, one table: name, HTTP status of a reply
 * that says nothing more exact, and the words for log and reply.
 */

#define ERR_TABLE(X)                                                           \
	X(OK, 200, "no error")                                                 \
	X(INVALID, 422, "not valid")                                           \
	X(NOTFOUND, 404, "not found")                                          \
	X(CONFLICT, 409, "the state does not allow it")                        \
	X(LIMIT, 422, "a configured limit is reached")                         \
	X(TOOBIG, 413, "too large")                                            \
	X(BUSY, 503, "the store is busy")                                      \
	X(FULL, 503, "the disk is full")                                       \
	X(IO, 503, "the storage failed")                                       \
	X(DAMAGED, 503, "the store is damaged")                                \
	X(BROKER, 503, "the broker did not confirm")                           \
	X(NOMEM, 503, "out of memory")                                         \
	X(GONE, 499, "the client went away")

enum err {
#define ERR_ENUM(name, status, text) ERR_##name,
	ERR_TABLE(ERR_ENUM)
#undef ERR_ENUM
	    ERR__MAX
};

/* What a reply of 503 says, whatever the reason, and after how many seconds one may come again. */
#define ERR_UNAVAILABLE "Service unavailable"
#define ERR_RETRY_AFTER_S 5

/* The words of e, a constant; never NULL. */
const char *err_text(enum err e);

/* The HTTP status of e (RFC 9110, section 15; 499 as nginx logs it). */
int err_status(enum err e);

#endif /* !ERR_H */
