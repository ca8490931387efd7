/* Directories of jobs: made, synced, locked. */

#include "blob_fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum err
blob_fs_err(void)
{
	return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
}

int
blob_fs_open_dir(int at, const char *name)
{
	return openat(
	    at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int
blob_fs_make_dir(int at, const char *name)
{
	if (mkdirat(at, name, 0750) == -1 && errno != EEXIST)
		return -1;
	return blob_fs_open_dir(at, name);
}

/* All shards exist from the first start on, so that no put has to sync
 * the directory that holds them.  It is synced at each start, for who made them may
 * not have come to that. */
int
blob_fs_make_shards(int jobs)
{
	char name[BLOB_SHARD_LEN];
	unsigned i;

	if (faccessat(jobs, "ff", F_OK, 0) == 0)
		return fsync(jobs);
	for (i = 0; i < BLOB_SHARDS; i++) {
		(void)snprintf(name, sizeof(name), "%02x", i & 0xff);
		if (mkdirat(jobs, name, 0750) == -1 && errno != EEXIST)
			return -1;
	}
	return fsync(jobs);
}

int
blob_fs_lock(int fd)
{
	int rc;

	do
		rc = flock(fd, LOCK_EX);
	while (rc == -1 && errno == EINTR);
	return rc;
}

int
blob_fs_sync_dir(int at, const char *name)
{
	int fd, rc;

	fd = blob_fs_open_dir(at, name);
	if (fd == -1)
		return -1;
	rc = fsync(fd);
	(void)close(fd);
	return rc;
}

int
blob_fs_make_job_dir(struct blob *b, const struct id *id)
{
	char dir[BLOB_DIR_LEN];

	blob_name_dir(id, dir);
	return mkdirat(b->jobs, dir, 0750) == -1 && errno != EEXIST ? -1 : 0;
}

int
blob_fs_sync_shard(struct blob *b, const struct id *id)
{
	char shard[BLOB_SHARD_LEN];

	blob_name_shard(id, shard);
	return blob_fs_sync_dir(b->jobs, shard);
}

/* Make a new name durable: the directory that holds it and the one above, which
 * another process may have changed a moment ago. */
int
blob_fs_sync_names(struct blob *b, const struct id *id)
{
	char dir[BLOB_DIR_LEN];

	blob_name_dir(id, dir);
	return blob_fs_sync_dir(b->jobs, dir) == 0 ? blob_fs_sync_shard(b, id)
						   : -1;
}
