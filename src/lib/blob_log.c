/* Files that grow at their ends, locked while somebody appends. */

#include "blob_log.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blob_fs.h"
#include "gate.h"
#include "log.h"

/* For reading and appending, made if it is missing, and so its directory. */
static int
open_log(struct blob *b, const struct id *id, const char *path)
{
	const int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC;
	int fd;

	fd = openat(b->jobs, path, flags, 0640);
	if (fd != -1 || errno != ENOENT || blob_fs_make_job_dir(b, id) == -1)
		return fd;
	return openat(b->jobs, path, flags, 0640);
}

enum err
blob_log_lock(struct blob *b, const struct id *id, enum blob_name name,
    struct blob_log *out)
{
	char path[BLOB_PATH_LEN];
	struct stat st;
	enum err e;

	gate_leave();
	blob_name_path(id, name, path);
	for (;;) {
		if ((out->fd = open_log(b, id, path)) == -1)
			break;
		if (blob_fs_lock(out->fd) == -1 || fstat(out->fd, &st) == -1)
			break;
		out->size = st.st_size;
		if (st.st_nlink > 0)
			return ERR_OK;
		/* Who had it locked has removed it. */
		(void)close(out->fd);
	}
	e = blob_fs_err();
	log_errno("%s of %s: open", blob_name_text(name), id->text);
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
		e = blob_fs_err();
		log_errno("%s of %s: write", blob_name_text(name), id->text);
		/* Give back the room that was had; the bytes do not count. */
		if (l->size <= at && ftruncate(l->fd, (off_t)l->size) == -1)
			log_errno(
			    "%s of %s: cut", blob_name_text(name), id->text);
		return e;
	}
	if (at == 0 && blob_fs_sync_names(b, id) == -1) {
		e = blob_fs_err();
		log_errno(
		    "%s of %s: sync directory", blob_name_text(name), id->text);
		return e;
	}
	return ERR_OK;
}

enum err
blob_log_remove(struct blob *b, const struct id *id, enum blob_name name)
{
	char path[BLOB_PATH_LEN];

	blob_name_path(id, name, path);
	if (unlinkat(b->jobs, path, 0) == 0 || errno == ENOENT)
		return ERR_OK;
	log_errno("%s of %s: remove", blob_name_text(name), id->text);
	return ERR_IO;
}

enum err
blob_log_open(struct blob *b, const struct id *id, enum blob_name name,
    struct blob_log *out)
{
	char path[BLOB_PATH_LEN];
	struct stat st;

	blob_name_path(id, name, path);
	out->fd = openat(b->jobs, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (out->fd == -1 && errno == ENOENT)
		return ERR_NOTFOUND;
	if (out->fd == -1 || fstat(out->fd, &st) == -1) {
		log_errno("%s of %s: open", blob_name_text(name), id->text);
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
