#ifndef AGENT_H
#define AGENT_H

#include <stddef.h>

#include "agent_report.h"
#include "arena.h"
#include "err.h"
#include "faults.h"
#include "js.h"
#include "queue.h"
#include "svc.h"

/* What agents tell of themselves. */

/* Make or update the agent: fields given are set, the others stay, log lines
 * are added and the last 100 kept, in 256 KiB; not those of a report that repeats the last one
 * with lines, as its key tells.  ERR_LIMIT if MAX_AGENTS others are known.
 */
enum err agent_put(struct svc *s, const char *name,
    const struct agent_report *r) __attribute__((warn_unused_result));

/* In SQL: the states in which an agent is set to take no jobs. */
#define AGENT_OFF_STATES "('offline', 'maintenance', 'restart')"

/* Whether the agent is in one of these.  One that nobody knows is not. */
enum err agent_is_off(struct svc *s, const char *name, bool *off)
    __attribute__((warn_unused_result));

/* The agent as JSON for clients, without its log.  ERR_NOTFOUND. */
enum err agent_read(struct svc *s, struct arena *a, const char *name,
    const char **json, size_t *len) __attribute__((warn_unused_result));

/* Append the next page of all agents by name to b, elements of a JSON list. */
enum err agent_list_page(struct svc *s, struct name_page *p, struct buf *b)
    __attribute__((warn_unused_result));

/* The agents that list the queue, as JSON of the fields that everybody may see.
 * ERR_NOTFOUND: none does. */
enum err agent_list_queue(struct svc *s, struct arena *a, const char *queue,
    const char **json, size_t *len) __attribute__((warn_unused_result));

/* How an attempt to provision ended. */
struct agent_outcome {
	const char *job_id; /* any text */
	size_t job_id_len;
	int64_t exit_code;
	const char *detail; /* NULL: not told */
	size_t detail_len;
};

/* Judge doc, an object.  ERR_INVALID with faults noted. */
enum err agent_outcome_read(struct js_doc *doc, struct faults *f,
    struct agent_outcome *out) __attribute__((warn_unused_result));

/* Note it, keeping the last 100 of the agent, and count how often in a row it ended
 * like this.  ERR_NOTFOUND if there is no such agent; nothing is kept then. */
enum err agent_outcome_put(struct svc *s, const char *name,
    const struct agent_outcome *o) __attribute__((warn_unused_result));

#endif /* !AGENT_H */
