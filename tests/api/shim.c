/*
 * Preloaded into an instance by test_environment.sh: what a host may do to a process and a test
 * cannot do to the host.  The file named by TF_SHIM is mapped, and what is written into it holds
 * from then on:
 *
 *   "S      0 0"   S seconds (ten characters) that the wall clock is ahead, and 1 while
 *                  regular files are on a file system that is read-only
 */

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define CONTROL_LEN 13

static const char *control;

__attribute__((constructor)) static void
begin(void)
{
	const char *path = getenv("TF_SHIM");
	int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *p;

	if (fd == -1)
		return;
	p = mmap(NULL, CONTROL_LEN, PROT_READ, MAP_SHARED, fd, 0);
	(void)close(fd);
	if (p != MAP_FAILED)
		control = p;
}

static bool
is_read_only(void)
{
	return control != NULL && control[CONTROL_LEN - 2] == '1';
}

/* The kernel's answer, or its error in errno. */
static long
refuse(void)
{
	errno = EROFS;
	return -1;
}

int
clock_gettime(clockid_t which, struct timespec *t)
{
	long rc = syscall(SYS_clock_gettime, which, t);

	if (rc == 0 && control != NULL && which == CLOCK_REALTIME)
		t->tv_sec += strtol(control, NULL, 10);
	return (int)rc;
}

time_t
time(time_t *out)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_REALTIME, &t);
	if (out != NULL)
		*out = t.tv_sec;
	return t.tv_sec;
}

/* What lies on the disk, but for the log of the process. */
static bool
is_refused(int fd)
{
	struct stat st;

	return is_read_only() && fd > STDERR_FILENO && fstat(fd, &st) == 0 &&
	       S_ISREG(st.st_mode);
}

ssize_t
write(int fd, const void *p, size_t n)
{
	return is_refused(fd) ? refuse() : syscall(SYS_write, fd, p, n);
}

ssize_t
pwrite(int fd, const void *p, size_t n, off_t at)
{
	return is_refused(fd) ? refuse() : syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t
pwrite64(int fd, const void *p, size_t n, off_t at)
{
	return pwrite(fd, p, n, at);
}

int
ftruncate(int fd, off_t size)
{
	return (
	    int)(is_refused(fd) ? refuse() : syscall(SYS_ftruncate, fd, size));
}

int
ftruncate64(int fd, off_t size)
{
	return ftruncate(fd, size);
}

static bool
is_writing(const char *path, int flags)
{
	return is_read_only() && strncmp(path, "/dev/", 5) != 0 &&
	       ((flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT) != 0);
}

#define MODE(flags, mode)                                                      \
	do {                                                                   \
		va_list ap;                                                    \
		va_start(ap, flags);                                           \
		(mode) = ((flags)&O_CREAT) != 0 ? va_arg(ap, mode_t) : 0;      \
		va_end(ap);                                                    \
	} while (0)

int
openat(int dir, const char *path, int flags, ...)
{
	mode_t mode;

	MODE(flags, mode);
	return (int)(is_writing(path, flags)
			 ? refuse()
			 : syscall(SYS_openat, dir, path, flags, mode));
}

int
open(const char *path, int flags, ...)
{
	mode_t mode;

	MODE(flags, mode);
	return openat(AT_FDCWD, path, flags, mode);
}

int
open64(const char *path, int flags, ...)
{
	mode_t mode;

	MODE(flags, mode);
	return openat(AT_FDCWD, path, flags, mode);
}

int
openat64(int dir, const char *path, int flags, ...)
{
	mode_t mode;

	MODE(flags, mode);
	return openat(dir, path, flags, mode);
}

int
mkdirat(int dir, const char *path, mode_t mode)
{
	return (int)(is_read_only() ? refuse()
				    : syscall(SYS_mkdirat, dir, path, mode));
}

int
renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	return (int)(is_read_only() ? refuse()
				    : syscall(SYS_renameat2, from_dir, from,
					  to_dir, to, 0));
}

int
unlinkat(int dir, const char *path, int flags)
{
	return (int)(is_read_only() ? refuse()
				    : syscall(SYS_unlinkat, dir, path, flags));
}
