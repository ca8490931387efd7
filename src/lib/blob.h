#ifndef BLOB_H
#define BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "id.h"

/* Files of jobs: DATA_PATH/jobs/<2 hex>/<uuid>/<name>, published whole. */

struct blob;

#define BLOB_LOGS 14

enum blob_name {
	BLOB_RESULT, /* result.json */
	BLOB_ARTIFACT, /* artifact.tar.gz */
	BLOB_ATTACHMENTS, /* attachments.tar.gz */
	BLOB_LOG, /* the first of BLOB_LOGS: log.output.setup, … .cleanup, then
		   * log.serial.… with the same phases */
	BLOB__MAX = BLOB_LOG + BLOB_LOGS
};

/* Open the tree under path, making what is missing, and remove temporary
 * files that dead processes left.  ERR_IO (logged). */
enum err blob_open(struct blob **out, const char *path)
    __attribute__((warn_unused_result));
void blob_close(struct blob *b);

/*
 * Publish the len bytes at buf.  A reader sees the old file or the new one,
 * never a mixture, and after ERR_OK the new one survives a crash and a power
 * cut.  The new file's time is of a later second than the old one's.  ERR_FULL or
 * ERR_IO (logged) if the disk refuses; the old file then remains, or after a failed
 * sync of the directory either may.
 */
enum err blob_put(struct blob *b, const struct id *id, enum blob_name name,
    const void *buf, size_t len) __attribute__((warn_unused_result));

/*
 * A file of any size, written piece by piece: begin, write, sync, publish; and
 * then, whatever came of it, blob_end(), which removes what was not published.
 * Nobody sees the file before it is published.  All return ERR_OK, ERR_FULL or
 * ERR_IO (logged), blob_begin() also ERR_NOMEM.
 */
struct blob_file;

enum err blob_begin(struct blob *b, struct blob_file **out)
    __attribute__((warn_unused_result));
enum err blob_write(struct blob_file *f, const void *buf, size_t len)
    __attribute__((warn_unused_result));

/* The bytes are on disk after this; it may take a while. */
enum err blob_sync(struct blob_file *f) __attribute__((warn_unused_result));

/* As the last step of blob_put(): the file must have been synced. */
enum err blob_publish(struct blob_file *f, const struct id *id,
    enum blob_name name) __attribute__((warn_unused_result));
void blob_end(struct blob_file *f);

/* Give the file of one job to another as well, durably: one file under two names, which
 * takes no room and outlives the removal of either.  The other must have none of that name.
 * ERR_NOTFOUND: there is none to give; ERR_FULL, ERR_IO (logged). */
enum err blob_link(struct blob *b, const struct id *from, const struct id *to,
    enum blob_name name) __attribute__((warn_unused_result));

/* Whether there is such a file, and how many bytes it has; -1: there is none. */
bool blob_has(struct blob *b, const struct id *id, enum blob_name name);
int64_t blob_size(struct blob *b, const struct id *id, enum blob_name name);

/* The whole file, in arena memory and ended by NUL.  ERR_TOOBIG if it has more than
 * max bytes, ERR_NOTFOUND, ERR_IO (logged), ERR_NOMEM. */
enum err blob_get(struct blob *b, const struct id *id, enum blob_name name,
    struct arena *a, size_t max, const char **buf, size_t *len)
    __attribute__((warn_unused_result));

/* Where the file is below DATA_PATH/jobs, for whoever sends it without us. */
const char *blob_path(
    struct arena *a, const struct id *id, enum blob_name name);

/* Remove the file durably; ERR_OK also if there is none. */
enum err blob_remove(struct blob *b, const struct id *id, enum blob_name name)
    __attribute__((warn_unused_result));

/*
 * A log, a file that grows at its end.  Its owner keeps elsewhere how many of its bytes
 * count; what stands behind those is nobody's.
 */
struct blob_log {
	int fd;
	int64_t size; /* bytes in the file when it was opened */
};

/* Open a log for appending, made if it is missing, and wait until nobody else has it
 * so, in any thread or process.  ERR_FULL, ERR_IO (logged). */
enum err blob_log_lock(struct blob *b, const struct id *id, enum blob_name name,
    struct blob_log *out) __attribute__((warn_unused_result));

/*
 * Write the len bytes at p from byte at on, and cut off what follows.  After
 * ERR_OK they survive a crash and a power cut, and at 0 so does the name.  ERR_FULL,
 * ERR_IO (logged); the bytes before at are never touched.
 */
enum err blob_log_write(struct blob *b, const struct id *id,
    enum blob_name name, struct blob_log *l, int64_t at, const char *p,
    size_t len) __attribute__((warn_unused_result));

/* Remove a log that is locked, for a new one in its place; who reads it goes
 * on.  ERR_IO (logged). */
enum err blob_log_remove(struct blob *b, const struct id *id,
    enum blob_name name) __attribute__((warn_unused_result));

/* Open a log for reading; nobody is waited for.  ERR_NOTFOUND, ERR_IO (logged).
 */
enum err blob_log_open(struct blob *b, const struct id *id, enum blob_name name,
    struct blob_log *out) __attribute__((warn_unused_result));

/* The len bytes from byte at on, all of them; ERR_IO (logged). */
enum err blob_log_read(const struct blob_log *l, int64_t at, char *buf,
    size_t len) __attribute__((warn_unused_result));

/* True while the file that was opened is the one under its name; brings l->size up to
 * date. */
bool blob_log_stands(struct blob_log *l);

/* Close it, and unlock it if it was locked. */
void blob_log_close(struct blob_log *l);

/* Bytes that an ordinary process may still write there, none without inodes; -1 if
 * unknown. */
int64_t blob_free_bytes(struct blob *b);

#endif /* !BLOB_H */
