#ifndef BLOB_FS_H
#define BLOB_FS_H

#include "blob_name.h"
#include "err.h"

/*
 * What blob, blob_log, blob_tmp and blob_tree have in common: the directories below
 * DATA_PATH.
 * All that return int: -1 with errno if it fails, and nothing is logged.
 */

struct blob {
	int root; /* DATA_PATH */
	int jobs;
	int tmp;
};

/* The failure that errno tells of: ERR_FULL or ERR_IO. */
enum err blob_fs_err(void);

/* Open the directory called name in the one that at is; made before, if it is missing.
 * A descriptor, to be closed by the caller. */
int blob_fs_open_dir(int at, const char *name);
int blob_fs_make_dir(int at, const char *name);

/* Make what is missing of the directories below jobs that those of jobs are in; they are
 * durable afterwards. */
int blob_fs_make_shards(int jobs);

/* Make the directory of a job if it is missing; not durable yet. */
int blob_fs_make_job_dir(struct blob *b, const struct id *id);

/* Make the names in a directory durable: in the one called name in at; in the shard of a
 * job; in the directory of a job and in its shard. */
int blob_fs_sync_dir(int at, const char *name);
int blob_fs_sync_shard(struct blob *b, const struct id *id);
int blob_fs_sync_names(struct blob *b, const struct id *id);

/* Lock the file or directory that fd is, once nobody else has it so in any thread or
 * process; the lock ends with fd. */
int blob_fs_lock(int fd);

#endif /* !BLOB_FS_H */
