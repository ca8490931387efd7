#ifndef RETENTION_H
#define RETENTION_H

#include "svc.h"

/*
 * What ends by age.  A job whose attachments do not come within ATTACHMENT_TIMEOUT is
 * cancelled.  JOB_MAX_AGE after the end of a job, and after the last upload under its
 * id, its rows and files are removed; the same holds for files and rows under an id
 * without a job.  A job that has not ended is never touched.
 */

struct retention;

/* ERR_IO (logged), ERR_NOMEM.  s must outlive it. */
enum err retention_open(struct retention **out, struct svc *s)
    __attribute__((warn_unused_result));
void retention_close(struct retention *r);

/* One round of bounded work.  stopping may cut it short. */
void retention_tick(struct retention *r, bool (*stopping)(void));

/* The thread of a responder: returns once the process drains. */
void retention_run(
    struct svc *s, bool (*stopping)(void), void (*sleep_ms)(int));

#endif /* !RETENTION_H */
