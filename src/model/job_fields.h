#ifndef JOB_FIELDS_H
#define JOB_FIELDS_H

#include <stdbool.h>

#include "faults.h"
#include "id.h"
#include "job.h"
#include "js.h"

/* A submission: from the posted object to the job that is stored. */

/*
 * Judge doc, an object, and fill *job with memory of its arena, but for what
 * needs the store.  strict: every field is checked and an unknown one is a
 * fault; else only what the server reads.  token: the submitter has one. Faults
 * are noted in f; false if there are any, or without memory (ERR_NOMEM then,
 * else ERR_INVALID).
 */
enum err job_fields_read(struct js_doc *doc, bool strict, bool token,
    struct faults *f, struct job_new *job) __attribute__((warn_unused_result));

/* True for a field that today's API knows. */
bool job_fields_known(const char *name);

#endif /* !JOB_FIELDS_H */
