#ifndef BEST_H
#define BEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "svc.h"

/*
 * The order of hand-out, and which job is the first that somebody may take.  Waiting jobs
 * that anybody may have stand in an index of their own, in that order.  The others stand
 * apart: those that exclude the same agents, and need a token alike, are together, and one of
 * them tells for all.  So it costs a few look-ups for each different list of excluded agents,
 * and nothing for each job.
 */

/* Conditions of SQL: each waiting job is one or the other, and there is an index of each,
 * (queue, priority DESC, seq) and (queue, ready, secrets, excludes, priority DESC, seq). */
#define BEST_PLAIN                                                             \
	"state = 'waiting' AND ready = 1 AND secrets = 0 AND excludes = ''"
#define BEST_SPECIAL                                                           \
	"state = 'waiting' AND (ready = 0 OR secrets <> 0 OR excludes <> '')"

/* The lists of the waiting jobs of one queue.  A retry and what goes back are let in beyond
 * that. */
#define BEST_LISTS_MAX 500

struct best_job {
	int64_t seq, priority;
	bool secrets; /* for who has a token only */
	bool excludes; /* some agents; see best_excludes() */
};

/* Whether a job is for the one who asks, which must depend on nothing but secrets and the
 * agents that it excludes. */
typedef enum err (*best_fits)(
    struct db_conn *c, const struct best_job *j, void *arg, bool *fits);

/*
 * The first waiting job of the queue, its attachments there, of which fits(c, job, arg, &fits)
 * says so: the highest priority, then the oldest.  secrets: also those that name some.
 * after, if not NULL: of those behind that job; all before it that fit have been found.
 * ERR_NOTFOUND: there is none.
 */
enum err best_find(struct db_conn *c, const char *queue, bool secrets,
    const struct best_job *after, best_fits fits, void *arg,
    struct best_job *out) __attribute__((warn_unused_result));

/* Whether a comes before b in the hand-out, also of different queues. */
bool best_before(const struct best_job *a, const struct best_job *b);

/* Whether the job excludes the agent. */
enum err best_excludes(struct db_conn *c, const struct best_job *j,
    const char *agent, bool *out) __attribute__((warn_unused_result));

/* Whether any job of the queue waits, its attachments there. */
enum err best_any(struct db_conn *c, const char *queue, bool *out)
    __attribute__((warn_unused_result));

/* In a change, when the job that best_find() has found is not there, or a look has found the front
 * wrong or missing: let it be what waits, and say so in the log.  ERR_NOTFOUND: it is what the indexes tell. */
enum err best_mend(struct db_conn *c, const char *queue)
    __attribute__((warn_unused_result));

struct best_count {
	int64_t n;
	int64_t secrets; /* of these, for who has a token only */
};

/*
 * Count the waiting jobs of the queue that go before j, which may be of another, and of which
 * fits(c, job, arg, &fits) says so; also those whose attachments are missing.  No more than
 * most: then there may be more.  Jobs behind j cost nothing, but a look-up or two for each
 * list of excluded agents.
 */
enum err best_count(struct db_conn *c, const char *queue,
    const struct best_job *j, best_fits fits, void *arg, int64_t most,
    struct best_count *out) __attribute__((warn_unused_result));

#define BEST_WORD_SIZE 65

/* The word for a list of agents, whose order and repeats do not matter; it sorts names.
 * "" for none. */
void best_word(const char **names, size_t n, char word[BEST_WORD_SIZE]);

/* In a change: ERR_LIMIT if the queue has no room for a job whose list has this word. */
enum err best_room(struct db_conn *c, const char *queue, const char *word)
    __attribute__((warn_unused_result));

#endif /* !BEST_H */
