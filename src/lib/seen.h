#ifndef SEEN_H
#define SEEN_H

#include <stdint.h>

#include "err.h"

/*
 * When agents and queues were last heard of: times in a file that all processes map,
 * so that a sign of life costs no write to the store.  It is a hint.  What it has
 * lost (a damaged file, a crowded table, a power cut) the store knows from not long
 * ago, because the times are written down there now and then.
 */

struct seen;

enum seen_kind { SEEN_AGENT, SEEN_QUEUE };

/* Map the file at path, of room for n names, making it anew if it is missing or of
 * another form.  ERR_IO (logged).  Free with seen_close(), NULL is allowed. */
enum err seen_open(struct seen **out, const char *path, uint64_t n)
    __attribute__((warn_unused_result));
void seen_close(struct seen *s);

/* The name was heard of at now_ms; an earlier time changes nothing. */
void seen_note(
    struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms);

/* When it was last heard of, milliseconds; 0: nobody remembers. */
int64_t seen_last(struct seen *s, enum seen_kind kind, const char *name);

#endif /* !SEEN_H */
