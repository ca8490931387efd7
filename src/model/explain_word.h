#ifndef EXPLAIN_WORD_H
#define EXPLAIN_WORD_H

#include "id.h"
#include "svc.h"

/* What an agent says itself of a job that ended without its word, as one that was cancelled. */

struct explain_word {
	bool
	    at_it; /* it says that it is at such a job; else nothing below is set */
	struct id job;
	const char *phase; /* in which it says that it is */
	bool started; /* the job was handed to it */
	int64_t started_at; /* then: when, milliseconds */
	int64_t heard_at; /* when anything was heard of it last, milliseconds */
};

/*
 * It is at the job as long as the state that it told last is a phase of work and the job_id is
 * that of the job, and it has not asked for work since the job ended.  A job that its agent
 * ended, or returned from, is none.  Without the map of times nobody knows who has asked for
 * work.  The phase is of the arena.
 */
enum err explain_word(struct svc *s, struct db_conn *c, struct arena *a,
    const char *agent, struct explain_word *out)
    __attribute__((warn_unused_result));

/* When the agent was heard of last: by the map of times, or at updated_at by its row. */
int64_t explain_heard(struct svc *s, const char *agent, int64_t updated_at);

#endif /* !EXPLAIN_WORD_H */
