/*
 * Files are written under tmp/, synced, and renamed into their place.  A
 * temporary file is locked while its writer lives, so that whoever starts next
 * can tell what a dead process left from what a living one is writing.  The sync
 * of a new file waits for the directory it is in, so that tmp/ is several: writers
 * that share one would wait for each other.
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
#define SHARD_LEN 3 /* "ab" and its NUL */
#define DIR_MAX (SHARD_LEN + ID_LEN + 1) /* "ab/<uuid>" */
#define PATH_LEN (DIR_MAX + 32)
#define TMP_DIRS 16U
#define TMP_LEN 32 /* "f/0123456789abcdef" and its NUL */
#define SMALL ((size_t)2048)
#define INODES_MIN 16 /* fewer are as good as none */
#define WINDOW (8 << 20) /* bytes between two calls to write back */

struct blob {
	int root; /* DATA_PATH */
	int jobs;
	int tmp;
};

#define LOGS_OF(type)                                                          \
	"log." type ".setup", "log." type ".provision",                        \
	    "log." type ".firmware_update", "log." type ".test",               \
	    "log." type ".allocate", "log." type ".reserve",                   \
	    "log." type ".cleanup"

static const char *const names[BLOB__MAX] = {
    [BLOB_RESULT] = "result.json",
    [BLOB_ARTIFACT] = "artifact.tar.gz",
    [BLOB_ATTACHMENTS] = "attachments.tar.gz",
    [BLOB_LOG] = LOGS_OF("output"),
    LOGS_OF("serial"),
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

/* All shards exist from the first start on, so that no put has to sync
 * the directory that holds them.  It is synced at each start, for who made them may
 * not have come to that. */
static int
make_shards(int jobs)
{
	char name[SHARD_LEN];
	unsigned i;

	if (faccessat(jobs, "ff", F_OK, 0) == 0)
		return fsync(jobs);
	for (i = 0; i < SHARDS; i++) {
		(void)snprintf(name, sizeof(name), "%02x", i & 0xff);
		if (mkdirat(jobs, name, 0750) == -1 && errno != EEXIST)
			return -1;
	}
	return fsync(jobs);
}

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

	fd = open_dir(tmp, name);
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

static int
make_tmp_dirs(int tmp)
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

static void
sweep(int tmp)
{
	char name[4];
	unsigned i;

	for (i = 0; i < TMP_DIRS; i++) {
		(void)snprintf(name, sizeof(name), "%x", i & (TMP_DIRS - 1));
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
	    make_tmp_dirs(b->tmp) == -1 || make_shards(b->jobs) == -1 ||
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

/* A new temporary file, locked.  A sweep that met it between creation and lock
 * has removed it: then make another. */
static int
open_tmp(int tmp, char name[TMP_LEN])
{
	struct stat st;
	uint64_t r;
	int fd, try;

	for (try = 0; try < 100; try++) {
		if (getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r))
			return -1;
		(void)snprintf(name, TMP_LEN, "%x/%016llx",
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

static int
lock_waiting(int fd)
{
	int rc;

	do
		rc = flock(fd, LOCK_EX);
	while (rc == -1 && errno == EINTR);
	return rc;
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

static int
make_job_dir(struct blob *b, const struct id *id)
{
	char dir[DIR_MAX];

	dir_of(id, dir);
	return mkdirat(b->jobs, dir, 0750) == -1 && errno != EEXIST ? -1 : 0;
}

static int
sync_shard(struct blob *b, const struct id *id)
{
	char shard[SHARD_LEN];

	shard_of(id, shard);
	return sync_dir(b->jobs, shard);
}

/* Make a new name durable: the directory that holds it and the one above, which
 * another process may have changed a moment ago. */
static int
sync_names(struct blob *b, const struct id *id)
{
	char dir[DIR_MAX];

	dir_of(id, dir);
	return sync_dir(b->jobs, dir) == 0 ? sync_shard(b, id) : -1;
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
	char shard[SHARD_LEN];
	int lock, rc;

	shard_of(id, shard);
	if ((lock = open_dir(b->jobs, shard)) == -1)
		return -1;
	rc = lock_waiting(lock);
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
	char path[PATH_LEN];
	int rc;

	path_of(id, name, path);
	rc = renameat2(b->tmp, tmp_name, b->jobs, path, RENAME_NOREPLACE);
	if (rc == -1 && (errno == EEXIST || errno == EINVAL))
		rc = replace(b, fd, tmp_name, id, path);
	return rc;
}

/* Rename, durably. */
static int
publish(struct blob *b, int fd, const char *tmp_name, const struct id *id,
    enum blob_name name)
{
	char dir[DIR_MAX];

	dir_of(id, dir);
	if (give_name(b, fd, tmp_name, id, name) == -1 &&
	    (errno != ENOENT || make_job_dir(b, id) == -1 ||
		give_name(b, fd, tmp_name, id, name) == -1 ||
		sync_shard(b, id) == -1))
		return -1;
	return sync_dir(b->jobs, dir);
}

/*
 * The directory is made before the file is synced, because that sync makes both
 * durable on most file systems, and the one of the shard then finds nothing left to
 * do.  It is synced even if it was there: another process may have made it a moment
 * ago.
 */
enum err
blob_put(struct blob *b, const struct id *id, enum blob_name name,
    const void *buf, size_t len)
{
	char tmp_name[TMP_LEN];
	const char *step;
	enum err e;
	int fd;

	gate_leave();
	step = "create";
	fd = open_tmp(b->tmp, tmp_name);
	if (fd == -1)
		goto err0;
	step = "write";
	if (make_job_dir(b, id) == -1 || write_all(fd, buf, len) == -1 ||
	    fsync(fd) == -1)
		goto err1;
	step = "publish";
	if (sync_shard(b, id) == -1 || publish(b, fd, tmp_name, id, name) == -1)
		goto err1;
	/* The lock ends with the descriptor; the name is no longer temporary.
	 */
	(void)close(fd);
	return ERR_OK;

err1:
	e = disk_err();
	log_errno("%s of %s: %s", names[name], id->text, step);
	(void)unlinkat(b->tmp, tmp_name, 0);
	(void)close(fd);
	return e;
err0:
	e = disk_err();
	log_errno("%s of %s: %s", names[name], id->text, step);
	return e;
}

struct blob_file {
	struct blob *blob;
	int fd;
	uint64_t len;
	bool published;
	char name[TMP_LEN];
};

enum err
blob_begin(struct blob *b, struct blob_file **out)
{
	struct blob_file *f = calloc(1, sizeof(*f));
	enum err e;

	if (f == NULL)
		return ERR_NOMEM;
	f->blob = b;
	f->fd = open_tmp(b->tmp, f->name);
	if (f->fd == -1) {
		e = disk_err();
		log_errno("an upload: create");
		free(f);
		return e;
	}
	*out = f;
	return ERR_OK;
}

/*
 * Let the disk begin with what was written, and wait for what was begun a window
 * ago.  So the sync at the end of gigabytes has little left to do, and does not
 * hold up the small commits of everybody else meanwhile.
 */
static void
write_back(struct blob_file *f, uint64_t before)
{
	off_t window = (off_t)(f->len / WINDOW) * WINDOW;

	if (f->len / WINDOW == before / WINDOW)
		return;
	(void)sync_file_range(
	    f->fd, window - WINDOW, WINDOW, SYNC_FILE_RANGE_WRITE);
	if (window >= 2 * (off_t)WINDOW)
		(void)sync_file_range(f->fd, window - 2 * (off_t)WINDOW, WINDOW,
		    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
			SYNC_FILE_RANGE_WAIT_AFTER);
}

enum err
blob_write(struct blob_file *f, const void *buf, size_t len)
{
	uint64_t before = f->len;
	enum err e;

	if (write_all(f->fd, buf, len) == -1) {
		e = disk_err();
		log_errno("an upload: write");
		return e;
	}
	f->len += len;
	write_back(f, before);
	return ERR_OK;
}

enum err
blob_sync(struct blob_file *f)
{
	enum err e;

	if (fsync(f->fd) == 0)
		return ERR_OK;
	e = disk_err();
	log_errno("an upload: sync");
	return e;
}

enum err
blob_publish(struct blob_file *f, const struct id *id, enum blob_name name)
{
	enum err e;

	if (publish(f->blob, f->fd, f->name, id, name) == -1) {
		e = disk_err();
		log_errno("%s of %s: publish", names[name], id->text);
		return e;
	}
	f->published = true;
	if (sync_shard(f->blob, id) == 0)
		return ERR_OK;
	e = disk_err();
	log_errno("%s of %s: sync directory", names[name], id->text);
	return e;
}

void
blob_end(struct blob_file *f)
{
	if (!f->published)
		(void)unlinkat(f->blob->tmp, f->name, 0);
	(void)close(f->fd);
	free(f);
}

enum err
blob_link(struct blob *b, const struct id *from, const struct id *to,
    enum blob_name name)
{
	char old[PATH_LEN], new[PATH_LEN];
	enum err e;

	if (!blob_has(b, from, name))
		return ERR_NOTFOUND;
	path_of(from, name, old);
	path_of(to, name, new);
	if (make_job_dir(b, to) == 0 &&
	    linkat(b->jobs, old, b->jobs, new, 0) == 0 &&
	    sync_names(b, to) == 0)
		return ERR_OK;
	e = disk_err();
	log_errno("%s of %s: link", names[name], to->text);
	return e;
}

bool
blob_has(struct blob *b, const struct id *id, enum blob_name name)
{
	char path[PATH_LEN];

	path_of(id, name, path);
	return faccessat(b->jobs, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int64_t
blob_size(struct blob *b, const struct id *id, enum blob_name name)
{
	char path[PATH_LEN];
	struct stat st;

	path_of(id, name, path);
	return fstatat(b->jobs, path, &st, AT_SYMLINK_NOFOLLOW) == 0
		   ? (int64_t)st.st_size
		   : -1;
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

/* For reading and appending, made if it is missing, and so its directory. */
static int
open_log(struct blob *b, const struct id *id, const char *path)
{
	const int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
	int fd;

	fd = openat(b->jobs, path, flags, 0640);
	if (fd != -1 || errno != ENOENT || make_job_dir(b, id) == -1)
		return fd;
	return openat(b->jobs, path, flags, 0640);
}

enum err
blob_log_lock(struct blob *b, const struct id *id, enum blob_name name,
    struct blob_log *out)
{
	char path[PATH_LEN];
	struct stat st;
	enum err e;

	gate_leave();
	path_of(id, name, path);
	for (;;) {
		if ((out->fd = open_log(b, id, path)) == -1)
			break;
		if (lock_waiting(out->fd) == -1 || fstat(out->fd, &st) == -1)
			break;
		out->size = st.st_size;
		if (st.st_nlink > 0)
			return ERR_OK;
		/* Who had it locked has removed it. */
		(void)close(out->fd);
	}
	e = disk_err();
	log_errno("%s of %s: open", names[name], id->text);
	if (out->fd != -1)
		(void)close(out->fd);
	return e;
}

static int
write_at(int fd, const char *p, size_t len, int64_t at)
{
	ssize_t n;

	while (len > 0) {
		n = pwrite(fd, p, len, (off_t)at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		p += n;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}

enum err
blob_log_write(struct blob *b, const struct id *id, enum blob_name name,
    struct blob_log *l, int64_t at, const char *p, size_t len)
{
	int64_t end = at + (int64_t)len;
	enum err e;

	if (write_at(l->fd, p, len, at) == -1 ||
	    (l->size > end && ftruncate(l->fd, (off_t)end) == -1) ||
	    fdatasync(l->fd) == -1) {
		e = disk_err();
		log_errno("%s of %s: write", names[name], id->text);
		/* Give back the room that was had; the bytes do not count. */
		if (l->size <= at && ftruncate(l->fd, (off_t)l->size) == -1)
			log_errno("%s of %s: cut", names[name], id->text);
		return e;
	}
	if (at == 0 && sync_names(b, id) == -1) {
		e = disk_err();
		log_errno("%s of %s: sync directory", names[name], id->text);
		return e;
	}
	return ERR_OK;
}

enum err
blob_log_remove(struct blob *b, const struct id *id, enum blob_name name)
{
	char path[PATH_LEN];

	path_of(id, name, path);
	if (unlinkat(b->jobs, path, 0) == 0 || errno == ENOENT)
		return ERR_OK;
	log_errno("%s of %s: remove", names[name], id->text);
	return ERR_IO;
}

enum err
blob_log_open(struct blob *b, const struct id *id, enum blob_name name,
    struct blob_log *out)
{
	char path[PATH_LEN];
	struct stat st;

	path_of(id, name, path);
	out->fd = openat(b->jobs, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (out->fd == -1 && errno == ENOENT)
		return ERR_NOTFOUND;
	if (out->fd == -1 || fstat(out->fd, &st) == -1) {
		log_errno("%s of %s: open", names[name], id->text);
		if (out->fd != -1)
			(void)close(out->fd);
		return ERR_IO;
	}
	out->size = st.st_size;
	return ERR_OK;
}

enum err
blob_log_read(const struct blob_log *l, int64_t at, char *buf, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = pread(l->fd, buf, len, (off_t)at);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1) {
			log_errno("a log: read");
			return ERR_IO;
		}
		if (n == 0) {
			log_error("a log ends before what is known of it");
			return ERR_IO;
		}
		buf += n;
		at += n;
		len -= (size_t)n;
	}
	return ERR_OK;
}

bool
blob_log_stands(struct blob_log *l)
{
	struct stat st;

	if (fstat(l->fd, &st) == -1)
		return false;
	l->size = st.st_size;
	return st.st_nlink > 0;
}

void
blob_log_close(struct blob_log *l)
{
	(void)close(l->fd);
	l->fd = -1;
}

int64_t
blob_free_bytes(struct blob *b)
{
	struct statvfs v;

	if (fstatvfs(b->root, &v) == -1)
		return -1;
	/* Some file systems do not count them. */
	if (v.f_files > 0 && v.f_favail < INODES_MIN)
		return 0;
	return (int64_t)v.f_bavail * (int64_t)v.f_frsize;
}
