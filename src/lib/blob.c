/*
 * Files are written under tmp/, synced, and renamed into their place.  A
 * temporary file is locked while its writer lives, so that whoever starts next
 * can tell what a dead process left from what a living one is writing.  There
 * are many directories for them, because the sync of a new file may sync the
 * one that holds it as well, and writers would wait for each other there.
 */

#include "blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "gate.h"
#include "log.h"

#define SHARDS 256
#define TMPS 64 /* directories of temporary files */
#define SHARD_LEN 3 /* "ab" and its NUL */
#define DIR_MAX (SHARD_LEN + ID_LEN + 1) /* "ab/<uuid>" */
#define PATH_LEN (DIR_MAX + 32)
#define TMP_LEN 32
#define SMALL ((size_t)2048)

struct blob {
	int root; /* DATA_PATH */
	int jobs;
	int tmp;
};

static const char *const names[BLOB__MAX] = {
    [BLOB_RESULT] = "result.json",
};

static enum err
disk_err(void)
{
	return errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO;
}

static void
shard_of(const struct id *id, char out[SHARD_LEN])
{
	out[0] = id->text[0];
	out[1] = id->text[1];
	out[2] = '\0';
}

static void
dir_of(const struct id *id, char out[DIR_MAX])
{
	(void)snprintf(out, DIR_MAX, "%.2s/%s", id->text, id->text);
}

static void
path_of(const struct id *id, enum blob_name name, char out[PATH_LEN])
{
	(void)snprintf(
	    out, PATH_LEN, "%.2s/%s/%s", id->text, id->text, names[name]);
}

static int
open_dir(int at, const char *name)
{
	return openat(
	    at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

static int
make_dir(int at, const char *name)
{
	if (mkdirat(at, name, 0750) == -1 && errno != EEXIST)
		return -1;
	return open_dir(at, name);
}

static void
shard_name(unsigned i, char out[SHARD_LEN])
{
	(void)snprintf(out, SHARD_LEN, "%02x", i & 0xff);
}

static int
make_dirs(int at, unsigned n)
{
	char name[SHARD_LEN];
	unsigned i;

	for (i = 0; i < n; i++) {
		shard_name(i, name);
		if (mkdirat(at, name, 0750) == -1 && errno != EEXIST)
			return -1;
	}
	return fsync(at);
}

/* All shards exist from the first start on, so that no put has to sync
 * the directory that holds them. */
static int
make_shards(int jobs)
{
	if (faccessat(jobs, "ff", F_OK, 0) == 0)
		return 0;
	return make_dirs(jobs, SHARDS);
}

/* Nobody holds the lock of a file whose writer is dead.  A directory is not
 * opened for writing, and stays. */
static void
sweep_one(int dir, const char *where, const char *name)
{
	int fd;

	fd = openat(dir, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		if (unlinkat(dir, name, 0) == 0)
			log_info("removed tmp/%s/%s, left by a dead process",
			    where, name);
	}
	(void)close(fd);
}

static void
sweep_dir(int tmp, const char *where)
{
	struct dirent *d;
	DIR *dir;
	int fd;

	fd = open_dir(tmp, where);
	dir = fd != -1 ? fdopendir(fd) : NULL;
	if (dir == NULL) {
		log_errno("cannot read tmp/%s", where);
		if (fd != -1)
			(void)close(fd);
		return;
	}
	while ((d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.')
			sweep_one(dirfd(dir), where, d->d_name);
	(void)closedir(dir);
}

/* Versions before had their temporary files directly in tmp/. */
static void
sweep(int tmp)
{
	char name[SHARD_LEN];
	unsigned i;

	sweep_dir(tmp, ".");
	for (i = 0; i < TMPS; i++) {
		shard_name(i, name);
		sweep_dir(tmp, name);
	}
}

enum err
blob_open(struct blob **out, const char *path)
{
	struct blob *b;

	b = calloc(1, sizeof(*b));
	if (b == NULL)
		return ERR_NOMEM;
	b->jobs = b->tmp = -1;
	b->root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (b->root == -1 || (b->jobs = make_dir(b->root, "jobs")) == -1 ||
	    (b->tmp = make_dir(b->root, "tmp")) == -1 ||
	    make_shards(b->jobs) == -1 || make_dirs(b->tmp, TMPS) == -1 ||
	    fsync(b->root) == -1) {
		log_errno("cannot use the data directory %s", path);
		blob_close(b);
		return ERR_IO;
	}
	sweep(b->tmp);
	*out = b;
	return ERR_OK;
}

void
blob_close(struct blob *b)
{
	if (b->tmp != -1)
		(void)close(b->tmp);
	if (b->jobs != -1)
		(void)close(b->jobs);
	if (b->root != -1)
		(void)close(b->root);
	free(b);
}

static int
write_all(int fd, const void *buf, size_t len)
{
	const char *p = buf;
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A new temporary file, locked, and its name below tmp/.  A sweep that met it
 * between creation and lock has removed it: then make another. */
static int
open_tmp(int tmp, char name[TMP_LEN])
{
	struct stat st;
	uint64_t r;
	int fd, try;

	for (try = 0; try < 100; try++) {
		if (getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r))
			return -1;
		(void)snprintf(name, TMP_LEN, "%02x/%016llx",
		    (unsigned)(r % TMPS), (unsigned long long)r);
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

static int
sync_dir(int at, const char *name)
{
	int fd, rc;

	fd = open_dir(at, name);
	if (fd == -1)
		return -1;
	rc = fsync(fd);
	(void)close(fd);
	return rc;
}

/* Make the change of a name durable: the directory that holds it, and the one
 * that holds that.  Both always, because another process may have made the
 * inner one a moment ago and not have synced it yet; a clean one costs little.
 */
static int
sync_names(struct blob *b, const struct id *id)
{
	char dir[DIR_MAX], shard[SHARD_LEN];

	dir_of(id, dir);
	shard_of(id, shard);
	return sync_dir(b->jobs, dir) == 0 ? sync_dir(b->jobs, shard) : -1;
}

static int
publish(struct blob *b, const char *tmp_name, const struct id *id,
    enum blob_name name)
{
	char dir[DIR_MAX], path[PATH_LEN];

	dir_of(id, dir);
	path_of(id, name, path);
	if (renameat(b->tmp, tmp_name, b->jobs, path) == 0)
		return 0;
	if (errno != ENOENT ||
	    (mkdirat(b->jobs, dir, 0750) == -1 && errno != EEXIST))
		return -1;
	return renameat(b->tmp, tmp_name, b->jobs, path);
}

enum err
blob_put(struct blob *b, const struct id *id, enum blob_name name,
    const void *buf, size_t len)
{
	char tmp_name[TMP_LEN];
	enum err e = ERR_IO;
	int fd;

	gate_leave();
	fd = open_tmp(b->tmp, tmp_name);
	if (fd == -1) {
		e = disk_err();
		log_errno("%s of %s: create", names[name], id->text);
		goto err0;
	}
	if (write_all(fd, buf, len) == -1 || fsync(fd) == -1) {
		e = disk_err();
		log_errno("%s of %s: write", names[name], id->text);
		goto err1;
	}
	if (publish(b, tmp_name, id, name) == -1) {
		e = disk_err();
		log_errno("%s of %s: publish", names[name], id->text);
		goto err1;
	}
	/* The lock ends with the descriptor; the name is no longer temporary.
	 */
	(void)close(fd);
	if (sync_names(b, id) == -1) {
		e = disk_err();
		log_errno("%s of %s: sync directory", names[name], id->text);
		goto err0;
	}
	return ERR_OK;

err1:
	(void)unlinkat(b->tmp, tmp_name, 0);
	(void)close(fd);
err0:
	return e;
}

static ssize_t
read_all(int fd, char *p, size_t len)
{
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = read(fd, p + got, len - got);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* The whole file, of which the first n bytes have been read. */
static enum err
read_rest(int fd, const char *first, size_t n, struct arena *a, size_t max,
    const char **buf, size_t *len)
{
	struct stat st;
	size_t size;
	char *p;

	if (fstat(fd, &st) == -1)
		return ERR_IO;
	size = (size_t)st.st_size;
	if (size > max)
		return ERR_TOOBIG;
	if ((p = arena_alloc(a, size + 1)) == NULL)
		return ERR_NOMEM;
	memcpy(p, first, n);
	if (read_all(fd, p + n, size - n) != (ssize_t)(size - n))
		return ERR_IO;
	p[size] = '\0';
	*buf = p;
	*len = size;
	return ERR_OK;
}

/* Most files are small: one read tells. */
static enum err
read_file(int fd, struct arena *a, size_t max, const char **buf, size_t *len)
{
	char *p = arena_alloc(a, SMALL + 1);
	ssize_t n;

	if (p == NULL)
		return ERR_NOMEM;
	do
		n = read(fd, p, SMALL);
	while (n == -1 && errno == EINTR);
	if (n == -1)
		return ERR_IO;
	if ((size_t)n == SMALL)
		return read_rest(fd, p, SMALL, a, max, buf, len);
	if ((size_t)n > max)
		return ERR_TOOBIG;
	p[n] = '\0';
	*buf = p;
	*len = (size_t)n;
	return ERR_OK;
}

enum err
blob_get(struct blob *b, const struct id *id, enum blob_name name,
    struct arena *a, size_t max, const char **buf, size_t *len)
{
	char path[PATH_LEN];
	enum err e;
	int fd;

	path_of(id, name, path);
	fd = openat(b->jobs, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT)
		return ERR_NOTFOUND;
	if (fd == -1) {
		log_errno("%s of %s: open", names[name], id->text);
		return ERR_IO;
	}
	e = read_file(fd, a, max, buf, len);
	if (e == ERR_IO)
		log_errno("%s of %s: read", names[name], id->text);
	(void)close(fd);
	return e;
}

const char *
blob_path(struct arena *a, const struct id *id, enum blob_name name)
{
	char path[PATH_LEN];

	path_of(id, name, path);
	return arena_dup(a, path, strlen(path));
}

enum err
blob_remove(struct blob *b, const struct id *id, enum blob_name name)
{
	char path[PATH_LEN], dir[DIR_MAX];
	enum err e;

	path_of(id, name, path);
	dir_of(id, dir);
	if (unlinkat(b->jobs, path, 0) == -1) {
		if (errno == ENOENT)
			return ERR_OK;
	} else if (sync_dir(b->jobs, dir) == 0) {
		return ERR_OK;
	}
	e = disk_err();
	log_errno("%s of %s: remove", names[name], id->text);
	return e;
}

int64_t
blob_free_bytes(struct blob *b)
{
	struct statvfs v;

	if (fstatvfs(b->root, &v) == -1)
		return -1;
	return (int64_t)v.f_bavail * (int64_t)v.f_frsize;
}
