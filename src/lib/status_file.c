/* The status files of supervisors.  The lock is one of the open file, which a reader can ask
 * for without taking one itself. */

#include "status_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

#define SUFFIX ".status"
#define DOWN "down"

int
status_file_open(const char *path)
{
	/* Shared: where two have one file, it is locked until both are gone. */
	struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd == -1) {
		log_errno("cannot write %s", path);
	} else if (fcntl(fd, F_OFD_SETLK, &lock) == -1) {
		log_errno("cannot lock %s", path);
		(void)close(fd);
		fd = -1;
	}
	return fd;
}

void
status_file_write(int fd, const struct status_file *f)
{
	char text[32];
	int n;

	n = snprintf(text, sizeof(text), "%10u %-6s %-4s\n", f->rolls,
	    f->roll_failed ? "failed" : "ok", f->down ? DOWN : "up");
	if (pwrite(fd, text, (size_t)n, 0) != n)
		log_errno("cannot write the status");
}

/* What is not written yet is of one that has just begun. */
static bool
says_down(int fd)
{
	char text[32] = "", word[8] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) == -1)
		return false;
	return sscanf(text, "%*u %*7s %7s", word) == 1 &&
	       strcmp(word, DOWN) == 0;
}

/* One that is not there any more is nobody's. */
static enum err
look_at(int dir_fd, const char *name, bool *down)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	int rc;

	*down = false;
	if (fd == -1 && errno == ENOENT)
		return ERR_OK;
	rc = fd != -1 ? fcntl(fd, F_OFD_GETLK, &lock) : -1;
	if (rc == -1)
		log_errno("cannot tell who has locked %s", name);
	else
		*down = lock.l_type == F_UNLCK || says_down(fd);
	if (fd != -1)
		(void)close(fd);
	return rc == -1 ? ERR_IO : ERR_OK;
}

/* The length of NAME in NAME.status; 0: it is no such file. */
static size_t
stem_len(const char *name)
{
	size_t len = strlen(name), suffix = sizeof(SUFFIX) - 1;

	if (name[0] == '.' || len <= suffix ||
	    len - suffix > STATUS_FILE_NAME_MAX ||
	    strcmp(name + len - suffix, SUFFIX) != 0)
		return 0;
	return len - suffix;
}

static int
is_status_file(const struct dirent *entry)
{
	return stem_len(entry->d_name) > 0;
}

static enum err
look_at_all(int dir_fd, struct status_file_down *out)
{
	struct status_file_down found = {0};
	struct dirent **list;
	enum err e = ERR_OK;
	bool down;
	int i, n;

	n = scandirat(dir_fd, ".", &list, is_status_file, alphasort);
	if (n == -1) {
		log_errno("cannot look for " SUFFIX " files");
		return ERR_IO;
	}
	for (i = 0; i < n; i++) {
		const char *name = list[i]->d_name;

		if (e == ERR_OK && found.n < STATUS_FILE_DOWN_MAX &&
		    (e = look_at(dir_fd, name, &down)) == ERR_OK && down)
			(void)snprintf(found.names[found.n++],
			    sizeof(found.names[0]), "%.*s", (int)stem_len(name),
			    name);
		free(list[i]);
	}
	free(list);
	if (e == ERR_OK)
		*out = found;
	return e;
}

enum err
status_file_look(const char *own, struct status_file_down *out)
{
	const char *slash = strrchr(own, '/');
	char dir[4096];
	enum err e;
	int fd;

	(void)snprintf(dir, sizeof(dir), "%.*s/",
	    slash != NULL ? (int)(slash - own) : 1, slash != NULL ? own : ".");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1) {
		log_errno("cannot open %s", dir);
		return ERR_IO;
	}
	e = look_at_all(fd, out);
	(void)close(fd);
	return e;
}
