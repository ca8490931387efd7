#ifndef BLOB_LOG_H
#define BLOB_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blob_name.h"
#include "err.h"

struct blob;

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

#endif /* !BLOB_LOG_H */
