#ifndef AGENT_REPORT_H
#define AGENT_REPORT_H

#include <stddef.h>

#include "err.h"
#include "faults.h"
#include "js.h"

/* What an agent posts of itself, field by field. */

enum agent_text {
	AGENT_STATE,
	AGENT_COMMENT,
	AGENT_IDENTIFIER,
	AGENT_JOB_ID,
	AGENT_LOCATION,
	AGENT_PROVISION_TYPE,
	AGENT_TEXT__MAX
};

struct agent_text_value {
	const char *p; /* NULL: not told */
	size_t len;
};

struct agent_report {
	struct agent_text_value texts[AGENT_TEXT__MAX];
	struct js_span queues; /* JSON list as posted; p NULL: not told */
	const char **queue_names;
	size_t n_queues;
	const char **log;
	size_t n_log;
	const char *key; /* Idempotency-Key; NULL: none */
};

/* Judge doc, an object.  ERR_INVALID with faults noted.  Texts live with the arena of doc. */
enum err agent_report_read(struct js_doc *doc, struct faults *f,
    struct agent_report *out) __attribute__((warn_unused_result));

#endif /* !AGENT_REPORT_H */
