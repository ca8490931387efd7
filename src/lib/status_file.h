#ifndef STATUS_FILE_H
#define STATUS_FILE_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

/*
 * What a supervisor tells of itself, in a file NAME.status.  It keeps the file locked as long as
 * it lives, and the kernel takes the lock away with it: so one that is gone is known, and no
 * number of a process need be believed.
 */

/* The environment's name for the file of a process's own supervisor. */
#define STATUS_FILE_ENV "TF_STATUS_FILE"

struct status_file {
	unsigned rolls; /* replacements that have ended */
	bool roll_failed; /* so did the last */
	bool down; /* its program cannot start */
};

/* Make the file and lock it until the process ends.  Returns a descriptor that is not
 * inherited, or -1, logged. */
int status_file_open(const char *path) __attribute__((warn_unused_result));

/* In place and always as long, so that a full disk does not keep it from being told.  A failure
 * is logged. */
void status_file_write(int fd, const struct status_file *f);

/* Of all NAME.status in one directory those whose supervisor is gone or says that its program
 * cannot start, by NAME, in order. */
#define STATUS_FILE_NAME_MAX 31
#define STATUS_FILE_DOWN_MAX 16 /* more are not told */
struct status_file_down {
	size_t n;
	char names[STATUS_FILE_DOWN_MAX][STATUS_FILE_NAME_MAX + 1];
};

/* In the directory of the file own.  ERR_IO: one cannot be read, logged. */
enum err status_file_look(const char *own, struct status_file_down *out)
    __attribute__((warn_unused_result));

#endif /* !STATUS_FILE_H */
