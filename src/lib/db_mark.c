/* One line of fixed length, written in place by a single call: who dies leaves the former
 * or the new one. */

#include "db_mark.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define PATH_LEN 4200
#define LINE_LEN 63
/* The header of a log, and that of its first frame. */
#define LOG_EMPTY (32 + 24)

static const char *
beside(const char *where, const char *suffix, char out[PATH_LEN])
{
	(void)snprintf(out, PATH_LEN, "%s%s", where, suffix);
	return out;
}

/* -1: there is no such file. */
static int64_t
size_of(const char *where, const char *suffix)
{
	char path[PATH_LEN];
	struct stat st;

	return stat(beside(where, suffix, path), &st) == 0 ? st.st_size : -1;
}

/* What tells one state of state.db from another; it is never opened for that, as to close it
 * would drop the locks of this process. */
static bool
line_of(const struct stat *st, char out[LINE_LEN + 1])
{
	return snprintf(out, LINE_LEN + 1, "%20lld.%09ld %31lld\n",
		   (long long)st->st_mtim.tv_sec, (long)st->st_mtim.tv_nsec,
		   (long long)st->st_size) == LINE_LEN;
}

/* The mark of a log that was cut. */
static void
line_of_cut(char out[LINE_LEN + 1])
{
	(void)snprintf(out, LINE_LEN + 1, "%-*s\n", LINE_LEN - 1,
	    "the log was cut short, and changes are lost");
}

static bool
has_log(const char *where)
{
	return size_of(where, "-wal") > LOG_EMPTY;
}

static void
write_mark(const char *where, const char line[LINE_LEN], bool sync)
{
	char path[PATH_LEN];
	int fd = open(
	    beside(where, ".mark", path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1 || pwrite(fd, line, LINE_LEN, 0) != LINE_LEN ||
	    (sync && fsync(fd) == -1))
		log_errno("store: cannot write %s", path);
	if (fd != -1)
		(void)close(fd);
}

void
db_mark_set(const char *where, const struct stat *st)
{
	char line[LINE_LEN + 1];

	if (line_of(st, line))
		write_mark(where, line, false);
}

void
db_mark_cut(const char *where)
{
	char line[LINE_LEN + 1];

	line_of_cut(line);
	write_mark(where, line, true);
}

static bool
read_mark(const char *where, char out[LINE_LEN])
{
	char path[PATH_LEN];
	int fd = open(beside(where, ".mark", path), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd != -1 ? read(fd, out, LINE_LEN) : -1;

	if (fd != -1)
		(void)close(fd);
	return n == LINE_LEN;
}

/* In this order: a mark is set after the log has grown, and a log that goes into state.db is
 * removed after that has changed.  So it does not matter what others do meanwhile. */
const char *
db_mark_lost_log(const char *where)
{
	char line[LINE_LEN + 1], marked[LINE_LEN];
	struct stat st;

	if (!read_mark(where, marked))
		return NULL;
	line_of_cut(line);
	if (memcmp(marked, line, LINE_LEN) == 0)
		return "cut short while in use";
	return !has_log(where) && stat(where, &st) == 0 && line_of(&st, line) &&
		       memcmp(marked, line, LINE_LEN) == 0
		   ? "removed while no server ran"
		   : NULL;
}

/* A store that is just being made has its first page before it has log or mark, so those
 * are looked for first. */
bool
db_mark_lost_store(const char *where, bool expected)
{
	bool was = expected || has_log(where) || size_of(where, ".mark") >= 0;

	return was && size_of(where, "") <= 0;
}
