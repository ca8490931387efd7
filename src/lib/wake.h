#ifndef WAKE_H
#define WAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

/*
 * Word between processes that something has changed: a datagram to the socket of each
 * that listens, all of them in one directory below DATA_PATH.  A word may get lost;
 * who listens looks at the store from time to time as well.
 */

enum wake_kind {
	WAKE_QUEUE = 'q', /* a job of this queue may be taken now */
	WAKE_AGENT = 'a', /* this agent wants no jobs any more */
	WAKE_ANY = '*' /* words were lost: it may have been anything */
};

/* No name of a queue or an agent is longer. */
#define WAKE_NAME_MAX 200

struct wake; /* who speaks: one for a process, for any thread */
struct wake_ear; /* who listens */

/* Open the directory below data_path, made if missing.  ERR_IO, ERR_NOMEM, logged. */
enum err wake_open(struct wake **out, const char *data_path)
    __attribute__((warn_unused_result));
void wake_close(struct wake *w); /* NULL is allowed */

/* Tell everybody who listens, without waiting.  Call it after the commit.  NULL for w:
 * nobody is told. */
void wake_say(struct wake *w, enum wake_kind kind, const char *name);

/* Listen.  ERR_IO, ERR_NOMEM, logged. */
enum err wake_listen(struct wake_ear **out, const struct wake *w)
    __attribute__((warn_unused_result));
void wake_deafen(struct wake_ear *ear); /* NULL is allowed */

/* Readable when there is something to hear. */
int wake_fd(const struct wake_ear *ear);

/* The next word; false if there is none.  name is "" for WAKE_ANY. */
bool wake_hear(
    struct wake_ear *ear, enum wake_kind *kind, char name[WAKE_NAME_MAX + 1]);

#endif /* !WAKE_H */
