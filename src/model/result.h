#ifndef RESULT_H
#define RESULT_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "err.h"
#include "faults.h"
#include "id.h"
#include "joblog.h"
#include "js.h"
#include "svc.h"

/*
 * Results.  An ordinary job has today's view, rebuilt from what its agent
 * reports. A seed result is any JSON value, kept as a file and given back as it
 * was posted; it needs no job.
 */

/* What a report changes; NULL: it does not say. */
struct result_report {
	const char *state;
	size_t state_len;
	const char *status; /* JSON: exit codes by phase */
	size_t status_len;
	struct js_span device_info; /* JSON as posted */
};

/* True if doc is an object of nothing but fields of a report. */
bool result_is_report(const struct js_doc *doc);

/* Judge doc, an object; unknown fields are faults.  ERR_INVALID with faults
 * noted, ERR_NOMEM. */
enum err result_report_read(struct js_doc *doc, struct faults *f,
    struct result_report *out) __attribute__((warn_unused_result));

enum result_target { RESULT_NO_JOB, RESULT_SEED_JOB, RESULT_ORDINARY_JOB };

/* What stands under id. */
enum err result_target(struct svc *s, const struct id *id,
    enum result_target *out) __attribute__((warn_unused_result));

/*
 * Note a report durably: each field given replaces the former.  A job that has
 * ended keeps its state, and none goes back to waiting.  ERR_OK also without
 * such a job, and then nothing is kept.
 */
enum err result_report_put(struct svc *s, const struct id *id,
    const struct result_report *r) __attribute__((warn_unused_result));

/*
 * Keep the len bytes at json, a JSON value, as the result under id, in place of
 * a former one.  If there is a job it has ended by that, with the job_state in doc
 * or else complete, and cannot be cancelled any more.
 */
enum err result_seed_put(struct svc *s, const struct id *id, struct js_doc *doc,
    const char *json, size_t len, bool has_job)
    __attribute__((warn_unused_result));

/*
 * What there is to show: JSON in arena memory, or, of a big seed result, the path of
 * its file as blob_path() tells it.  If the job has logs they are open, and json is an
 * object that has members and is still to be closed.
 */
struct result_shown {
	const char *json;
	size_t len;
	const char *file; /* NULL: json is it */
	bool cancelled; /* the job is, and what is shown is a seed result */
	struct joblogs logs;
};

/* ERR_NOTFOUND: nothing yet.  id must outlive out.  Close out->logs after ERR_OK. */
enum err result_read(struct svc *s, struct arena *a, const struct id *id,
    struct result_shown *out) __attribute__((warn_unused_result));

#endif /* !RESULT_H */
