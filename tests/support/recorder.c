/*
 * Loaded into the responders (LD_PRELOAD), this writes down what they do to files and
 * directories, in the order in which it happens in all of them: changes with their bytes,
 * syncs, and when the answer to a request left.  powercut.py makes of it what a power cut
 * could leave on a disk.  Syncs are written down and not made: nothing is lost in truth.
 *
 * TF_RECORD is the file, which is there; a record is a struct head and len bytes.  For the
 * order a lock is held during each change.
 */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { LINK = 1, UNLINK, RENAME, WRITE, CUT, SYNC, ANSWER };

/* As HEAD in powercut.py. */
struct head {
	uint32_t kind;
	uint32_t len;
	uint64_t a, b, c;
};

#define OUT_FD_MIN 900 /* out of the way of descriptors that have a number */
#define REQUEST_ID_LEN 32
#define FCGI_STDOUT 6

static const char id_param[] = "TF_REQUEST_ID";
static int out = -1; /* -1: this program is none of those recorded */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local char request[REQUEST_ID_LEN]; /* that has no answer yet */

#define REAL(type, name, ...)                                                  \
	static type (*real)(__VA_ARGS__);                                      \
	if (real == NULL)                                                      \
	*(void **)&real = dlsym(RTLD_NEXT, name)

/* Responders alone: not the shells, nginx or the supervisor on the way to them. */
__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("TF_RECORD");
	char exe[PATH_MAX];
	const char *name;
	ssize_t n;
	int fd;

	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (path == NULL || n <= 0)
		return;
	exe[n] = '\0';
	name = strrchr(exe, '/') + 1;
	if (strncmp(name, "tf-", 3) != 0 || strcmp(name, "tf-supervise") == 0)
		return;
	REAL(int, "open", const char *, int, ...);
	fd = real(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd == -1)
		abort();
	out = fcntl(fd, F_DUPFD_CLOEXEC, OUT_FD_MIN);
	(void)close(fd);
	if (out == -1)
		abort();
}

static bool
lock(void)
{
	if (out == -1)
		return false;
	(void)pthread_mutex_lock(&mutex);
	while (flock(out, LOCK_EX) == -1)
		if (errno != EINTR)
			abort();
	return true;
}

/* errno is the caller's. */
static void
unlock(bool held)
{
	int saved = errno;

	if (!held)
		return;
	(void)flock(out, LOCK_UN);
	(void)pthread_mutex_unlock(&mutex);
	errno = saved;
}

static void
put(const struct head *h, const void *p, const void *q, size_t q_len)
{
	struct iovec v[3] = {{(void *)(uintptr_t)h, sizeof(*h)},
	    {(void *)(uintptr_t)p, h->len - q_len},
	    {(void *)(uintptr_t)q, q_len}};
	int saved = errno;

	REAL(ssize_t, "writev", int, const struct iovec *, int);
	if (real(out, v, 3) != (ssize_t)(sizeof(*h) + h->len))
		abort();
	errno = saved;
}

static void
note(enum kind kind, uint64_t a, uint64_t b, uint64_t c, const void *p,
    size_t len)
{
	struct head h = {kind, (uint32_t)len, a, b, c};

	put(&h, p, NULL, 0);
}

/* The directory that holds path, as an inode, and the name in it. */
static uint64_t
parent(int at, const char *path, char name[NAME_MAX + 1])
{
	char copy[PATH_MAX];
	struct stat st;

	(void)strncpy(copy, path, sizeof(copy) - 1);
	copy[sizeof(copy) - 1] = '\0';
	(void)strncpy(name, basename(copy), NAME_MAX);
	name[NAME_MAX] = '\0';
	(void)strncpy(copy, path, sizeof(copy) - 1);
	if (fstatat(at, dirname(copy), &st, 0) == -1)
		return 0;
	return st.st_ino;
}

static uint64_t
inode_at(int at, const char *path)
{
	struct stat st;

	if (fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) == -1)
		return 0;
	return st.st_ino;
}

/* The inode of a plain file or directory, or 0. */
static uint64_t
inode_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == -1 ||
	    !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
		return 0;
	return st.st_ino;
}

static void
note_link(int at, const char *path, bool is_dir)
{
	char name[NAME_MAX + 1];
	uint64_t dir = parent(at, path, name);

	note(LINK, dir, inode_at(at, path), is_dir, name, strlen(name));
}

static int
open_noted(int at, const char *path, int flags, mode_t mode)
{
	bool held = false, was_there;
	int fd;

	REAL(int, "openat", int, const char *, int, ...);
	if ((flags & (O_CREAT | O_TRUNC)) != 0)
		held = lock();
	was_there = held && inode_at(at, path) != 0;
	fd = real(at, path, flags, mode);
	if (held && fd != -1) {
		if (!was_there)
			note_link(at, path, false);
		else if ((flags & O_TRUNC) != 0)
			note(CUT, inode_of(fd), 0, 0, "", 0);
	}
	unlock(held);
	return fd;
}

static mode_t
mode_in(int flags, va_list ap)
{
	return (flags & O_CREAT) != 0 ? (mode_t)va_arg(ap, int) : 0;
}

#define OPEN(name)                                                             \
	int name(const char *path, int flags, ...);                            \
	int name(const char *path, int flags, ...)                             \
	{                                                                      \
		mode_t mode;                                                   \
		va_list ap;                                                    \
                                                                               \
		va_start(ap, flags);                                           \
		mode = mode_in(flags, ap);                                     \
		va_end(ap);                                                    \
		return open_noted(AT_FDCWD, path, flags, mode);                \
	}
#define OPENAT(name)                                                           \
	int name(int at, const char *path, int flags, ...);                    \
	int name(int at, const char *path, int flags, ...)                     \
	{                                                                      \
		mode_t mode;                                                   \
		va_list ap;                                                    \
                                                                               \
		va_start(ap, flags);                                           \
		mode = mode_in(flags, ap);                                     \
		va_end(ap);                                                    \
		return open_noted(at, path, flags, mode);                      \
	}

OPEN(open)
OPEN(open64)
OPENAT(openat)
OPENAT(openat64)

int
mkdirat(int at, const char *path, mode_t mode)
{
	bool held = lock();
	int rc;

	REAL(int, "mkdirat", int, const char *, mode_t);
	rc = real(at, path, mode);
	if (held && rc == 0)
		note_link(at, path, true);
	unlock(held);
	return rc;
}

int
mkdir(const char *path, mode_t mode)
{
	return mkdirat(AT_FDCWD, path, mode);
}

int
unlinkat(int at, const char *path, int flags)
{
	char name[NAME_MAX + 1];
	bool held = lock();
	uint64_t dir;
	int rc;

	REAL(int, "unlinkat", int, const char *, int);
	rc = real(at, path, flags);
	if (held && rc == 0) {
		dir = parent(at, path, name);
		note(UNLINK, dir, 0, 0, name, strlen(name));
	}
	unlock(held);
	return rc;
}

int
unlink(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

int
rmdir(const char *path)
{
	return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

int
renameat2(
    int from, const char *old, int to, const char *new, unsigned int flags)
{
	char names[2 * (NAME_MAX + 1)], name[NAME_MAX + 1];
	uint64_t dir, new_dir;
	bool held = lock();
	size_t n;
	int rc;

	REAL(int, "renameat2", int, const char *, int, const char *, unsigned);
	rc = real(from, old, to, new, flags);
	if (held && rc == 0) {
		dir = parent(from, old, names);
		new_dir = parent(to, new, name);
		n = strlen(names) + 1;
		memcpy(names + n, name, strlen(name));
		note(RENAME, dir, new_dir, 0, names, n + strlen(name));
	}
	unlock(held);
	return rc;
}

int
renameat(int from, const char *old, int to, const char *new)
{
	return renameat2(from, old, to, new, 0);
}

int
rename(const char *old, const char *new)
{
	return renameat(AT_FDCWD, old, AT_FDCWD, new);
}

static void
note_write(int fd, const void *buf, ssize_t n, off_t at)
{
	uint64_t inode = inode_of(fd);

	if (n > 0 && inode != 0)
		note(WRITE, inode, (uint64_t)at, 0, buf, (size_t)n);
}

#define PWRITE(name)                                                           \
	ssize_t name(int fd, const void *buf, size_t len, off_t at)            \
	{                                                                      \
		bool held = lock();                                            \
		ssize_t n;                                                     \
                                                                               \
		REAL(ssize_t, "pwrite64", int, const void *, size_t, off_t);   \
		n = real(fd, buf, len, at);                                    \
		if (held)                                                      \
			note_write(fd, buf, n, at);                            \
		unlock(held);                                                  \
		return n;                                                      \
	}

PWRITE(pwrite)
PWRITE(pwrite64)

/* Before the first record of an answer leaves. */
static void
note_answer(int fd, const unsigned char *p, size_t len)
{
	struct stat st;
	bool held;

	if (request[0] == '\0' || len < 8 || p[0] != 1 || p[1] != FCGI_STDOUT ||
	    fstat(fd, &st) == -1 || !S_ISSOCK(st.st_mode))
		return;
	held = lock();
	if (held)
		note(ANSWER, 0, 0, 0, request, sizeof(request));
	unlock(held);
	request[0] = '\0';
}

ssize_t
write(int fd, const void *buf, size_t len)
{
	bool held = false;
	ssize_t n;

	REAL(ssize_t, "write", int, const void *, size_t);
	if (out != -1) {
		note_answer(fd, buf, len);
		if (inode_of(fd) != 0)
			held = lock();
	}
	n = real(fd, buf, len);
	if (held && n > 0)
		note_write(fd, buf, n, lseek(fd, 0, SEEK_CUR) - n);
	unlock(held);
	return n;
}

/* Of what is recorded only answers are written so. */
ssize_t
writev(int fd, const struct iovec *v, int n)
{
	REAL(ssize_t, "writev", int, const struct iovec *, int);
	if (out != -1 && n > 0)
		note_answer(fd, v[0].iov_base, v[0].iov_len);
	return real(fd, v, n);
}

/* Which request this thread has now is in the parameters that nginx sends. */
ssize_t
read(int fd, void *buf, size_t len)
{
	const char *p, *end;
	ssize_t n;

	REAL(ssize_t, "read", int, void *, size_t);
	n = real(fd, buf, len);
	if (out == -1 || n <= 0)
		return n;
	end = (const char *)buf + n;
	p = memmem(buf, (size_t)n, id_param, sizeof(id_param) - 1);
	if (p != NULL &&
	    end - p >= (ptrdiff_t)(sizeof(id_param) - 1 + sizeof(request)))
		memcpy(request, p + sizeof(id_param) - 1, sizeof(request));
	return n;
}

#define FTRUNCATE(name)                                                        \
	int name(int fd, off_t size)                                           \
	{                                                                      \
		bool held = lock();                                            \
		int rc;                                                        \
                                                                               \
		REAL(int, "ftruncate64", int, off_t);                          \
		rc = real(fd, size);                                           \
		if (held && rc == 0)                                           \
			note(CUT, inode_of(fd), (uint64_t)size, 0, "", 0);     \
		unlock(held);                                                  \
		return rc;                                                     \
	}

FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

#define FSYNC(name)                                                            \
	int name(int fd)                                                       \
	{                                                                      \
		bool held = lock();                                            \
                                                                               \
		REAL(int, #name, int);                                         \
		if (!held)                                                     \
			return real(fd);                                       \
		note(SYNC, inode_of(fd), (uint64_t)getpid(), 0, "", 0);        \
		unlock(held);                                                  \
		return 0;                                                      \
	}

FSYNC(fsync)
FSYNC(fdatasync)
