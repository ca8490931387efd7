#ifndef SEEN_H
#define SEEN_H

#include <stdint.h>

#include "err.h"

/*
 * When agents, queues and jobs were last heard of: times in a file that processes share,
 * so that a sign of life costs no write to the store.  It is a hint.  What it has
 * lost (a file that was damaged or cut short, a crowded table, a power cut) the store knows from not long
 * ago, because the times are written down there now and then.
 */

struct seen;

/* SEEN_POLL: that an agent asked for work, by its name. */
enum seen_kind { SEEN_AGENT, SEEN_QUEUE, SEEN_JOB, SEEN_POLL };

/*
 * Use the file at path, of room for n names or more; a file that is missing, damaged or
 * smaller is replaced by an empty one.  Whoever uses the former goes over to the one at path
 * within about a second of use, whatever its size, and makes a new one where there is none.
 * ERR_IO (logged).  Free with seen_close().  NULL may be passed to all functions here:
 * it notes nothing and remembers nothing.
 */
enum err seen_open(struct seen **out, const char *path, uint64_t n)
    __attribute__((warn_unused_result));
void seen_close(struct seen *s);

/* The name was heard of at now_ms; an earlier time changes nothing, but one that
 * lies ahead is replaced. */
void seen_note(
    struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms);

/* The same of a name that has a place already, by seen_note() or seen_keep(); of others
 * nothing is noted, so that whoever makes names up takes nobody's place. */
void seen_touch(
    struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms);

/* Give the name a place if it has none; it was not heard of by that. */
void seen_keep(
    struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms);

/* Clocks of threads and processes may differ by so much. */
#define SEEN_AHEAD_MS 60000

/* When it was last heard of, milliseconds; 0: nobody remembers.  A time further ahead
 * than SEEN_AHEAD_MS is none. */
int64_t seen_last(
    struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms);

/* The oldest time that may stand in the store when only the map is told of a name that
 * is forgotten after max_age_ms (0: never): were the map lost, half of that age would be
 * left. */
int64_t seen_fresh(int64_t now_ms, int64_t max_age_ms);

#endif /* !SEEN_H */
