#ifndef EVENT_H
#define EVENT_H

#include <stddef.h>

#include "err.h"
#include "faults.h"
#include "js.h"

/* Events of a job, on their way to its webhook; nothing of them is kept. */

struct event_report {
	const char *webhook; /* where to */
	const char *json; /* what: the report without the webhook */
	size_t len;
};

/* Judge doc, an object, and fill *out with memory of its arena.  ERR_INVALID with faults
 * noted, ERR_NOMEM. */
enum err event_report_read(struct js_doc *doc, struct faults *f,
    struct event_report *out) __attribute__((warn_unused_result));

#endif /* !EVENT_H */
