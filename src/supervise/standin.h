#ifndef SUPERVISE_STANDIN_H
#define SUPERVISE_STANDIN_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Stands in for a responder that cannot start: each request on its socket is answered at once
 * with 503, Retry-After and the API's error in JSON, instead of waiting in the backlog for
 * nginx's time-out.  Nothing here waits for a peer.
 */

struct standin; /* opaque */

/* Connections at a time; the others wait in the backlog. */
#define STANDIN_CONNS 256
#define STANDIN_FDS (STANDIN_CONNS + 1)

/* For the listening socket at fd, which stays the caller's.  NULL if it is none, or without
 * memory. */
struct standin *standin_new(int fd);
void standin_free(struct standin *s);

/* What to wait for, to be given to poll(): connections in hand and, where accept is set, new
 * ones.  Returns how many of fds are filled.  From the first accept on the socket does not
 * block, for whoever shares it. */
unsigned standin_fds(
    struct standin *s, bool accept, struct pollfd fds[STANDIN_FDS]);

/* When a turn is due at the latest, by clock_mono_ms(); INT64_MAX: only when poll() says so. */
int64_t standin_due_ms(const struct standin *s);

/* Go on with all that poll() has found in fds, and with what is due. */
void standin_turn(struct standin *s, const struct pollfd *fds);

/* Requests answered so far. */
unsigned standin_answered(const struct standin *s);

#endif /* !SUPERVISE_STANDIN_H */
