/* Two lines of fixed length, each written in place by a single call: who dies leaves the former
 * or the new one. */

#include "db_mark.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
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
line_of_end(const struct db_mark_end *end, char out[LINE_LEN + 1])
{
	(void)snprintf(out, LINE_LEN + 1, "%08x %08x %44u\n",
	    (unsigned)end->salt[0], (unsigned)end->salt[1],
	    (unsigned)end->frames);
}

static void
write_line(const char *where, int n, const char line[LINE_LEN], bool sync)
{
	char path[PATH_LEN];
	int fd = open(
	    beside(where, ".mark", path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd == -1 ||
	    pwrite(fd, line, LINE_LEN, (off_t)n * LINE_LEN) != LINE_LEN ||
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
		write_line(where, 0, line, false);
}

void
db_mark_cut(const char *where)
{
	char line[LINE_LEN + 1];

	line_of_cut(line);
	write_line(where, 0, line, true);
}

void
db_mark_end(const char *where, const struct db_mark_end *end)
{
	char line[LINE_LEN + 1];

	line_of_end(end, line);
	write_line(where, 1, line, false);
}

/* How many bytes there are. */
static ssize_t
read_mark(const char *where, char out[2 * LINE_LEN])
{
	char path[PATH_LEN];
	int fd = open(beside(where, ".mark", path), O_RDONLY | O_CLOEXEC);
	ssize_t n = fd != -1 ? read(fd, out, 2 * (size_t)LINE_LEN) : -1;

	if (fd != -1)
		(void)close(fd);
	return n;
}

bool
db_mark_read_end(const char *where, struct db_mark_end *out)
{
	char marked[2 * LINE_LEN + 1] = "", line[LINE_LEN + 1];
	const char *second = marked + LINE_LEN;

	if (read_mark(where, marked) != 2 * (ssize_t)LINE_LEN)
		return false;
	out->salt[0] = (uint32_t)strtoul(second, NULL, 16);
	out->salt[1] = (uint32_t)strtoul(second + 9, NULL, 16);
	out->frames = (uint32_t)strtoul(second + 18, NULL, 10);
	line_of_end(out, line);
	return memcmp(second, line, LINE_LEN) == 0;
}

/* In this order: a mark is set after the log has grown, and a log that goes into state.db is
 * removed after that has changed.  So it does not matter what others do meanwhile. */
const char *
db_mark_lost_log(const char *where)
{
	char line[LINE_LEN + 1], marked[2 * LINE_LEN];
	struct stat st;

	if (read_mark(where, marked) < LINE_LEN)
		return NULL;
	line_of_cut(line);
	if (memcmp(marked, line, LINE_LEN) == 0)
		return "cut short";
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
