#ifndef OUTBOX_H
#define OUTBOX_H

#include "id.h"
#include "svc.h"

/*
 * What the broker has yet to confirm.  A job's row says from when on it is to
 * be sent (publish_at); its submitter sends it at once and has the time until
 * then for itself, so that nobody else sends it meanwhile.
 */

/* How long a submitter has for the first try, milliseconds. */
#define OUTBOX_FIRST_TRY_MS INT64_C(15000)

struct outbox_item {
	struct id id;
	int64_t publish_at; /* in the row: who sends it has it until then */
	const char *queue;
	const char *body;
	size_t len;
};

/* Publish a job whose row is committed, and note the outcome. */
void outbox_send(
    struct svc *s, const struct outbox_item *item, const char *request_id);

/* Send again what stayed unconfirmed, once: at most one batch.  The number
 * sent, or -1 if the broker or the store would not have it. */
int outbox_sweep(struct svc *s, struct arena *a);

/* Beyond this many outbox_waiting() does not count. */
#define OUTBOX_COUNT_MAX INT64_C(10000)

/* The number of jobs that the broker has yet to confirm, OUTBOX_COUNT_MAX for that
 * many or more; -1: unknown. */
int64_t outbox_waiting(struct svc *s);

/* The sweeper's thread of a responder: returns once the process drains. */
void outbox_run(struct svc *s, bool (*stopping)(void), void (*sleep_ms)(int));

#endif /* !OUTBOX_H */
