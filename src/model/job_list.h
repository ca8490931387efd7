#ifndef JOB_LIST_H
#define JOB_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "id.h"
#include "svc.h"

/* Jobs as lists, a page at a time, so that a long list holds neither memory nor the
 * store. */

#define JOB_LIST_TAGS_MAX 100

struct job_list {
	/* What is sought. */
	const char *queue; /* NULL: any */
	const char *const *tags;
	size_t n_tags;
	bool all_tags; /* else one is enough */
	const char *const *states;
	size_t n_states; /* 0: any */
	bool active; /* whatever has not ended; states do not count then */
	/* Where it stands; 0 before the first page. */
	int64_t after;
	size_t n; /* jobs so far */
	bool done;
};

/* Append the next page to b as elements of a JSON list, a comma before each but the
 * first of all. */
enum err job_list_page(struct svc *s, struct job_list *l, struct buf *b)
    __attribute__((warn_unused_result));

/* How many waiting jobs of its queue go before the job.  ERR_NOTFOUND if it does not
 * wait. */
enum err job_position(struct svc *s, const struct id *id, int64_t *out)
    __attribute__((warn_unused_result));

#endif /* !JOB_LIST_H */
