/* Files are written under tmp/, synced, and renamed into their place. */

#include "blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "blob_fs.h"
#include "blob_tmp.h"
#include "gate.h"
#include "log.h"

#define SMALL ((size_t)2048)
#define INODES_MIN 16 /* fewer are as good as none */
#define WINDOW (8 << 20) /* bytes between two calls to write back */

/* Something is in it that is not hidden. */
static bool
is_filled(int jobs, const char *name)
{
	struct dirent *d = NULL;
	int fd = blob_fs_open_dir(jobs, name);
	DIR *dir = fd != -1 ? fdopendir(fd) : NULL;

	if (dir == NULL && fd != -1)
		(void)close(fd);
	while (dir != NULL && (d = readdir(dir)) != NULL)
		if (d->d_name[0] != '.')
			break;
	if (dir != NULL)
		(void)closedir(dir);
	return d != NULL;
}

bool
blob_any(const char *path)
{
	int root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int jobs = root != -1 ? blob_fs_open_dir(root, "jobs") : -1;
	char name[BLOB_SHARD_LEN];
	bool any = false;
	unsigned i;

	for (i = 0; jobs != -1 && !any && i < BLOB_SHARDS; i++) {
		(void)snprintf(name, sizeof(name), "%02x", i & 0xff);
		any = is_filled(jobs, name);
	}
	if (jobs != -1)
		(void)close(jobs);
	if (root != -1)
		(void)close(root);
	return any;
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
	if (b->root == -1 ||
	    (b->jobs = blob_fs_make_dir(b->root, "jobs")) == -1 ||
	    (b->tmp = blob_fs_make_dir(b->root, "tmp")) == -1 ||
	    blob_tmp_make_dirs(b->tmp) == -1 ||
	    blob_fs_make_shards(b->jobs) == -1 || fsync(b->root) == -1) {
		log_errno("cannot use the data directory %s", path);
		blob_close(b);
		return ERR_IO;
	}
	blob_tmp_sweep(b->tmp);
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

/* Told with the file and the step; errno tells why. */
static enum err
failed(const struct id *id, enum blob_name name, const char *step)
{
	enum err e = blob_fs_err();

	log_errno("%s of %s: %s", blob_name_text(name), id->text, step);
	return e;
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
	char tmp_name[BLOB_TMP_LEN];
	const char *step;
	enum err e;
	int fd;

	gate_leave();
	step = "create";
	fd = blob_tmp_open(b->tmp, tmp_name);
	if (fd == -1)
		goto err0;
	step = "write";
	if (blob_fs_make_job_dir(b, id) == -1 ||
	    write_all(fd, buf, len) == -1 || fsync(fd) == -1)
		goto err1;
	step = "publish";
	if (blob_fs_sync_shard(b, id) == -1 ||
	    blob_tmp_publish(b, fd, tmp_name, id, name) == -1)
		goto err1;
	/* The lock ends with the descriptor; the name is no longer temporary.
	 */
	(void)close(fd);
	return ERR_OK;

err1:
	e = failed(id, name, step);
	(void)unlinkat(b->tmp, tmp_name, 0);
	(void)close(fd);
	return e;
err0:
	return failed(id, name, step);
}

struct blob_file {
	struct blob *blob;
	int fd;
	uint64_t len;
	bool published;
	struct id id; /* what it is to be, for the log */
	enum blob_name as;
	char name[BLOB_TMP_LEN];
};

enum err
blob_begin(struct blob *b, const struct id *id, enum blob_name name,
    struct blob_file **out)
{
	struct blob_file *f = calloc(1, sizeof(*f));
	enum err e;

	if (f == NULL)
		return ERR_NOMEM;
	f->blob = b;
	f->id = *id;
	f->as = name;
	f->fd = blob_tmp_open(b->tmp, f->name);
	if (f->fd == -1) {
		e = failed(id, name, "create");
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

	if (write_all(f->fd, buf, len) == -1)
		return failed(&f->id, f->as, "write");
	f->len += len;
	write_back(f, before);
	return ERR_OK;
}

enum err
blob_sync(struct blob_file *f)
{
	return fsync(f->fd) == 0 ? ERR_OK : failed(&f->id, f->as, "sync");
}

enum err
blob_publish(struct blob_file *f, const struct id *id, enum blob_name name)
{
	if (blob_tmp_publish(f->blob, f->fd, f->name, id, name) == -1)
		return failed(id, name, "publish");
	f->published = true;
	return blob_fs_sync_shard(f->blob, id) == 0
		   ? ERR_OK
		   : failed(id, name, "sync directory");
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
	char old[BLOB_PATH_LEN], new[BLOB_PATH_LEN];

	if (!blob_has(b, from, name))
		return ERR_NOTFOUND;
	blob_name_path(from, name, old);
	blob_name_path(to, name, new);
	if (blob_fs_make_job_dir(b, to) == 0 &&
	    linkat(b->jobs, old, b->jobs, new, 0) == 0 &&
	    blob_fs_sync_names(b, to) == 0)
		return ERR_OK;
	return failed(to, name, "link");
}

bool
blob_has(struct blob *b, const struct id *id, enum blob_name name)
{
	char path[BLOB_PATH_LEN];

	blob_name_path(id, name, path);
	return faccessat(b->jobs, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int64_t
blob_size(struct blob *b, const struct id *id, enum blob_name name)
{
	char path[BLOB_PATH_LEN];
	struct stat st;

	blob_name_path(id, name, path);
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
	char path[BLOB_PATH_LEN];
	enum err e;
	int fd;

	blob_name_path(id, name, path);
	fd = openat(b->jobs, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd == -1 && errno == ENOENT)
		return ERR_NOTFOUND;
	if (fd == -1) {
		log_errno("%s of %s: open", blob_name_text(name), id->text);
		return ERR_IO;
	}
	e = read_file(fd, a, max, buf, len);
	if (e == ERR_IO)
		log_errno("%s of %s: read", blob_name_text(name), id->text);
	(void)close(fd);
	return e;
}

const char *
blob_path(struct arena *a, const struct id *id, enum blob_name name)
{
	char path[BLOB_PATH_LEN];

	blob_name_path(id, name, path);
	return arena_dup(a, path, strlen(path));
}

enum err
blob_remove(struct blob *b, const struct id *id, enum blob_name name)
{
	char path[BLOB_PATH_LEN], dir[BLOB_DIR_LEN];

	blob_name_path(id, name, path);
	blob_name_dir(id, dir);
	if (unlinkat(b->jobs, path, 0) == -1) {
		if (errno == ENOENT)
			return ERR_OK;
	} else if (blob_fs_sync_dir(b->jobs, dir) == 0) {
		return ERR_OK;
	}
	return failed(id, name, "remove");
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
