#ifndef JOURNAL_H
#define JOURNAL_H

#include "arena.h"
#include "db.h"
#include "svc.h"

/*
 * Every transition of a job, agent, queue or permission is a numbered row, written in the
 * same change as what it tells of.  It is also the audit: who and by which request.
 */

/* More of what happened. */
struct journal_item {
	const char *name;
	const char *
	    text; /* NULL: the number; of more than JOURNAL_TEXT_MAX bytes the begin */
	int64_t number;
	size_t len; /* of text; 0: it ends with its NUL */
};

#define JOURNAL_TEXT_MAX ((size_t)4096)

/* The kinds of events that text means, which is one of them, or what some begin with up to their dot
 * ("job."), a bit for each; 0: none is known by it. */
uint64_t journal_kinds(const char *text);

/* Note, in a change, what of one of these kinds happened to subject (a job's id, the name of an agent or a queue, a
 * client's id), on behalf of cause_now(). */
enum err journal_add(struct db_conn *c, const char *kind, const char *subject,
    const struct journal_item *items, size_t n)
    __attribute__((warn_unused_result));

struct journal_query {
	int64_t after; /* what has a greater number */
	const char *
	    subject; /* NULL: of all; a job's id in any spelling of id_parse() */
	uint64_t kinds; /* 0: all; of the journal_kinds() */
	int64_t limit;
	bool
	    who; /* with clients and request ids, and what happened to clients */
};

/* Events that a reader of some kinds looks at, at most. */
#define JOURNAL_LOOKED_AT 10000

/* {"events":[…],"last":N}: in the order of their numbers; last is the greatest of them, or
 * where there are none after, or the number of the newest event if that is less.  With kinds it is
 * that of the last event that was looked at, of any kind. */
enum err journal_read(struct svc *s, struct arena *a,
    const struct journal_query *q, const char **json, size_t *len)
    __attribute__((warn_unused_result));

/* Remove some rows older than EVENT_MAX_AGE, never the newest; *n how many.  Costs a look
 * where there is none. */
enum err journal_sweep(struct svc *s, int64_t *n)
    __attribute__((warn_unused_result));

#endif /* !JOURNAL_H */
