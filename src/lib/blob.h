#ifndef BLOB_H
#define BLOB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "blob_name.h"
#include "err.h"

/* Files of jobs, published whole.  For the logs see blob_log.h. */

struct blob;

/* There are files of some job under path, which need not exist.  Some hundred directories are
 * looked through at most. */
bool blob_any(const char *path);

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
 * The id and the name that it begins with are those that the log lines tell; it may be
 * published as another.
 * Nobody sees the file before it is published.  All return ERR_OK, ERR_FULL or
 * ERR_IO (logged), blob_begin() also ERR_NOMEM.
 */
struct blob_file;

enum err blob_begin(struct blob *b, const struct id *id, enum blob_name name,
    struct blob_file **out) __attribute__((warn_unused_result));
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

/* Bytes that an ordinary process may still write there, none without inodes; -1 if
 * unknown. */
int64_t blob_free_bytes(struct blob *b);

#endif /* !BLOB_H */
