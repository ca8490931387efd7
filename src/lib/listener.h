#ifndef LISTENER_H
#define LISTENER_H

#include <fcgiapp.h>
#include <stdbool.h>

/*
 * The listening socket, fd 0, and the threads at it: a few at a time (gate.h) wait for a
 * connection, which wakes one of them.
 */

struct listener;

/* Make fd 0 ready, once and before all else; name: of the program.  False, with the reason
 * logged, if it is no listening socket. */
bool listener_prepare(const char *name) __attribute__((warn_unused_result));

/* drain_fd: readable once the process drains, which ends each wait.  NULL, with the reason
 * logged.  Free with listener_free() when no thread is at it; NULL is allowed. */
struct listener *listener_new(int drain_fd);
void listener_free(struct listener *l);

/* Wait until there may be a connection, or the drain.  False after listener_close(). */
bool listener_wait(struct listener *l);

/*
 * Accept one connection and read its parameters.  False if there is none: another thread or
 * process was faster, or the process is short of something, which ends neither thread nor
 * process.  Without a descriptor one connection at a time has that in reserve.
 */
bool listener_accept(struct listener *l, FCGX_Request *fr);

/* Let nobody in any more, and those go who wait for a place. */
void listener_close(struct listener *l);

/* After a request: have a descriptor in reserve again. */
void listener_keep_spare(void);

/* The process has no descriptor left: what is kept open for long must not be. */
bool listener_short_of_files(void);

#endif /* !LISTENER_H */
