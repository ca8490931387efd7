#include "lite_rescue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lite_lock.h"
#include "lite_log.h"
#include "log.h"

#define PIECE 65536
/* SQLite, "WAL File Format": where the two stand in the header. */
#define SALT 16
#define HEADER 32

/* Its header, and that it has more. */
static bool
read_header(sqlite3_file *log, unsigned char header[HEADER], sqlite3_int64 *n)
{
	return log->pMethods->xFileSize(log, n) == SQLITE_OK && *n > HEADER &&
	       log->pMethods->xRead(log, header, HEADER, 0) == SQLITE_OK;
}

static bool
copy(sqlite3_file *log, sqlite3_int64 n, int fd)
{
	static const int most = PIECE;
	char *piece = malloc((size_t)most);
	sqlite3_int64 at;
	int part;
	bool good = piece != NULL;

	for (at = 0; good && at < n; at += part) {
		part = n - at < most ? (int)(n - at) : most;
		good =
		    log->pMethods->xRead(log, piece, part, at) == SQLITE_OK &&
		    write(fd, piece, (size_t)part) == part;
	}
	free(piece);
	return good && fsync(fd) == 0;
}

/* The name is on disk too. */
static bool
sync_dir(const char *path)
{
	char dir[LITE_PATH_LEN];
	char *slash;
	bool good;
	int fd;

	(void)snprintf(dir, sizeof(dir), "%s", path);
	if ((slash = strrchr(dir, '/')) == NULL)
		return false;
	*slash = '\0';
	if ((fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return false;
	good = fsync(fd) == 0;
	(void)close(fd);
	return good;
}

/* Under a name of this process first, so that none is there in part. */
static void
save(sqlite3_file *log, sqlite3_int64 n, const char *path)
{
	char tmp[LITE_PATH_LEN + 32];
	bool kept;
	int fd;

	(void)snprintf(tmp, sizeof(tmp), "%s.%ld", path, (long)getpid());
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd == -1 && errno == ENOENT)
		return; /* the directory is gone, as it was meant to */
	kept = fd != -1 && copy(log, n, fd) && link(tmp, path) == 0 &&
	       sync_dir(path);
	if (kept)
		log_error("store: the log that was removed is kept as %s: "
			  "stop the server and put it back, see section 6 of "
			  "docs/STORE.md",
		    path);
	else if (errno != EEXIST)
		log_errno("store: cannot keep the log that was removed as %s; "
			  "do not stop the server before it is copied, see "
			  "section 6 of docs/STORE.md",
		    path);
	if (fd != -1) {
		(void)close(fd);
		(void)unlink(tmp);
	}
}

void
lite_rescue_log(struct lite *l)
{
	char path[LITE_PATH_LEN], suffix[sizeof(LITE_RESCUE_FILE) + 16];
	unsigned char header[HEADER];
	struct stat now;
	sqlite3_file *log;
	sqlite3_int64 n;
	size_t at, i;

	if (l->rescued || !l->files_known ||
	    lite_lock_is_another(l->where, &l->file, &now) ||
	    !lite_lock_is_another(lite_beside(l, "-wal", path), &l->log, &now))
		return;
	l->rescued = true;
	log = lite_log_file(l);
	if (log == NULL || lite_log_short(l) || !read_header(log, header, &n))
		return;
	at = (size_t)snprintf(suffix, sizeof(suffix), LITE_RESCUE_FILE);
	for (i = 0; i < 8; i++, at += 2)
		(void)snprintf(
		    suffix + at, sizeof(suffix) - at, "%02x", header[SALT + i]);
	(void)lite_beside(l, suffix, path);
	if (access(path, F_OK) == -1)
		save(log, n, path);
}
