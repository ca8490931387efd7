#ifndef TRIM_H
#define TRIM_H

#include "svc.h"

/*
 * Queues of the broker without the messages that are of no use any more.  The store marks a
 * queue when a job leaves the waiting ones (schema.sql); messages are then taken off its head
 * as long as their jobs do not wait, and the first whose job waits is put back.  So a queue
 * never has fewer messages than jobs wait, and as many once all that stand before the oldest of
 * these are gone.  What was not published by this server stays.
 */

struct trim;

/* For a process with a broker.  ERR_NOMEM. */
enum err trim_open(struct trim **out, struct svc *s)
    __attribute__((warn_unused_result));
void trim_close(struct trim *t);

/*
 * One step: reach the broker, heal some queues (heal.h) if it was reached anew, or trim some
 * that are marked.  It takes a bounded number of messages, and waits for the broker no longer
 * than its time-outs.  True: there is more to do at once.
 */
bool trim_tick(struct trim *t);

/* The thread of a responder: returns once the process drains. */
void trim_run(struct svc *s, bool (*stopping)(void), void (*sleep_ms)(int));

#endif /* !TRIM_H */
