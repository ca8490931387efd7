#ifndef ARCHIVE_H
#define ARCHIVE_H

#include "arena.h"
#include "blob.h"
#include "err.h"
#include "id.h"
#include "svc.h"

/*
 * Archives of a job.  An artifact comes from its agent, needs no job, and the
 * newest counts.  Attachments come from its submitter, once; the job is neither
 * handed out nor published before.
 */

enum attachments {
	ATTACHMENTS_NO_JOB, /* none that waits */
	ATTACHMENTS_NONE, /* the job has none */
	ATTACHMENTS_AWAITED,
	ATTACHMENTS_HERE
};

/* What the job under id says of attachments. */
enum err archive_attachments(struct svc *s, const struct id *id,
    enum attachments *out) __attribute__((warn_unused_result));

/*
 * Keep f as the attachments of the job, durably; from then on it is handed out and,
 * with a broker, published.  *out: what the job said before; unless it awaited them
 * nothing has changed.  blob_end() is left to the caller.
 */
enum err archive_put_attachments(struct svc *s, const struct id *id,
    struct blob_file *f, enum attachments *out)
    __attribute__((warn_unused_result));

/* Keep f as the artifact under id, durably, and as that of the job if there is one.
 * Likewise. */
enum err archive_put_artifact(struct svc *s, const struct id *id,
    struct blob_file *f) __attribute__((warn_unused_result));

/* Where the archive is, as blob_path() tells it, and of an artifact its size; ERR_NOTFOUND. */
enum err archive_find_attachments(struct svc *s, struct arena *a,
    const struct id *id, const char **path) __attribute__((warn_unused_result));
enum err archive_find_artifact(struct svc *s, struct arena *a,
    const struct id *id, const char **path, int64_t *size)
    __attribute__((warn_unused_result));

#endif /* !ARCHIVE_H */
