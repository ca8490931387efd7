/*
 * A temporary file is locked while its writer lives, so that whoever starts next
 * can tell what a dead process left from what a living one is writing.  The sync
 * of a new file waits for the directory it is in, so that tmp/ is several: writers
 * that share one would wait for each other.
 */

#include "blob_tmp.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define TMP_DIRS 16U

/* Nobody holds the lock of a file whose writer is dead. */
static void
sweep_one(int tmp, const char *name)
{
	int fd;

	fd = openat(tmp, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		if (unlinkat(tmp, name, 0) == 0)
			log_info(
			    "removed tmp/%s, left by a dead process", name);
	}
	(void)close(fd);
}

static void
sweep_dir(int tmp, const char *name)
{
	struct dirent *d;
	DIR *dir;
	int fd;

	fd = blob_fs_open_dir(tmp, name);
	dir = fd != -1 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		log_errno("cannot read the directory of temporary files");
		if (fd != -1)
			(void)close(fd);
		return;
	}
	while ((d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.')
			sweep_one(fd, d->d_name);
	(void)closedir(dir);
}

int
blob_tmp_make_dirs(int tmp)
{
	char name[4];
	unsigned i;

	for (i = 0; i < TMP_DIRS; i++) {
		(void)snprintf(name, sizeof(name), "%x", i & (TMP_DIRS - 1));
		if (mkdirat(tmp, name, 0750) == -1 && errno != EEXIST)
			return -1;
	}
	return 0;
}

void
blob_tmp_sweep(int tmp)
{
	char name[4];
	unsigned i;

	for (i = 0; i < TMP_DIRS; i++) {
		(void)snprintf(name, sizeof(name), "%x", i & (TMP_DIRS - 1));
		sweep_dir(tmp, name);
	}
}

/* A new temporary file, locked.  A sweep that met it between creation and lock
 * has removed it: then make another. */
int
blob_tmp_open(int tmp, char name[BLOB_TMP_LEN])
{
	struct stat st;
	uint64_t r;
	int fd, try;

	for (try = 0; try < 100; try++) {
		if (getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r))
			return -1;
		(void)snprintf(name, BLOB_TMP_LEN, "%x/%016llx",
		    (unsigned)r & (TMP_DIRS - 1), (unsigned long long)r);
		fd = openat(
		    tmp, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
		if (fd == -1 && errno == EEXIST)
			continue;
		if (fd == -1)
			return -1;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 &&
		    st.st_nlink > 0)
			return fd;
		(void)close(fd);
	}
	errno = EEXIST;
	return -1;
}

/*
 * The web server knows the versions of a file by size and second (ETag, Last-Modified),
 * and a client that goes on with a range by these.  So what replaces a file is of a later
 * second, even if that is ahead of the clock.
 */
static int
make_later(int fd, int jobs, const char *path)
{
	struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}};
	struct stat old, new;

	if (fstatat(jobs, path, &old, AT_SYMLINK_NOFOLLOW) == -1)
		return errno == ENOENT ? 0 : -1;
	if (fstat(fd, &new) == -1)
		return -1;
	if (new.st_mtim.tv_sec > old.st_mtim.tv_sec)
		return 0;
	times[1].tv_sec = old.st_mtim.tv_sec + 1;
	return futimens(fd, times);
}

/* Who replaces a file in the same shard waits, so that no two are of one second. */
static int
replace(struct blob *b, int fd, const char *tmp_name, const struct id *id,
    const char *path)
{
	char shard[BLOB_SHARD_LEN];
	int lock, rc;

	blob_name_shard(id, shard);
	if ((lock = blob_fs_open_dir(b->jobs, shard)) == -1)
		return -1;
	rc = blob_fs_lock(lock);
	if (rc == 0 && (rc = make_later(fd, b->jobs, path)) == 0)
		rc = renameat(b->tmp, tmp_name, b->jobs, path);
	(void)close(lock);
	return rc;
}

/* The job's directory is there, unless somebody has removed it since.  Most files
 * replace none; a file system that cannot tell says EINVAL. */
static int
give_name(struct blob *b, int fd, const char *tmp_name, const struct id *id,
    enum blob_name name)
{
	char path[BLOB_PATH_LEN];
	int rc;

	blob_name_path(id, name, path);
	rc = renameat2(b->tmp, tmp_name, b->jobs, path, RENAME_NOREPLACE);
	if (rc == -1 && (errno == EEXIST || errno == EINVAL))
		rc = replace(b, fd, tmp_name, id, path);
	return rc;
}

/* Rename, durably. */
int
blob_tmp_publish(struct blob *b, int fd, const char *tmp_name,
    const struct id *id, enum blob_name name)
{
	char dir[BLOB_DIR_LEN];

	blob_name_dir(id, dir);
	if (give_name(b, fd, tmp_name, id, name) == -1 &&
	    (errno != ENOENT || blob_fs_make_job_dir(b, id) == -1 ||
		give_name(b, fd, tmp_name, id, name) == -1 ||
		blob_fs_sync_shard(b, id) == -1))
		return -1;
	return blob_fs_sync_dir(b->jobs, dir);
}
