#ifndef JOB_SECRETS_H
#define JOB_SECRETS_H

#include "shape.h"

/* test_data.secrets: names of variables, each with the path of a secret. */

/* A map of them; of a name that comes twice the last counts, and it alone is
 * kept. */
shape_reader job_secrets_read;

/* The distinct paths in m, which was read, sorted by their bytes; in memory of
 * a.  ERR_NOMEM. */
enum err job_secrets_paths(struct arena *a, const struct js_member *m,
    const char ***paths, size_t *n) __attribute__((warn_unused_result));

/* The same of a definition that was stored; *n is 0 if it names none. */
enum err job_secrets_named(struct arena *a, const char *body, size_t len,
    const char ***paths, size_t *n) __attribute__((warn_unused_result));

#endif /* !JOB_SECRETS_H */
