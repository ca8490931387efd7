#ifndef BLOB_TMP_H
#define BLOB_TMP_H

#include "blob_fs.h"

/* Files under DATA_PATH/tmp, until they get their names.  All that return int: -1 with
 * errno if it fails, and nothing is logged. */

/* Bytes of the name of one, "f/0123456789abcdef", with its NUL and room. */
#define BLOB_TMP_LEN 32

/* Make what is missing of the directories below tmp. */
int blob_tmp_make_dirs(int tmp);

/* Remove the files that dead processes left. */
void blob_tmp_sweep(int tmp);

/* A new file for writing, and its name below tmp.  A descriptor; as long as it is open
 * nobody sweeps the file. */
int blob_tmp_open(int tmp, char name[BLOB_TMP_LEN]);

/*
 * Rename the file, which fd is and which must have been synced, into its place in the
 * directory of a job, made if it is missing; durably, but for the directory's own name
 * where that was there.  What it replaces is of an earlier second.  After -1 the old file
 * stands, or, if only the sync failed, either may.
 */
int blob_tmp_publish(struct blob *b, int fd, const char *tmp_name,
    const struct id *id, enum blob_name name);

#endif /* !BLOB_TMP_H */
