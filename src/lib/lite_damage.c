#include "lite_damage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "log.h"

/* Damage was met, but the file could not be made. */
static atomic_bool damaged_untold;

bool
lite_damage_known(struct db_conn *c)
{
	char path[LITE_PATH_LEN];

	return atomic_load(&damaged_untold) ||
	       access(lite_beside(lite_of(c), LITE_DAMAGE_FILE, path), F_OK) ==
		   0;
}

/* Whoever is the first to meet damage tells. */
void
lite_damage_tell(struct lite *l, const char *what, const char *why)
{
	char path[LITE_PATH_LEN];
	int fd;

	fd = open(lite_beside(l, LITE_DAMAGE_FILE, path),
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd == -1 &&
	    (errno == EEXIST || atomic_exchange(&damaged_untold, true)))
		return;
	if (fd == -1)
		log_errno("store: cannot make %s", path);
	else if (dprintf(fd, "%s: %s\n", what, why) < 0 || fsync(fd) == -1)
		log_errno("store: cannot write %s", path);
	if (fd != -1)
		(void)close(fd);
	log_error("store: %s is DAMAGED: %s: %s.  Nothing is written to it any "
		  "more: " DB_REMEDY,
	    l->where, what, why);
}

void
lite_damage_mended(struct db_conn *c)
{
	char path[LITE_PATH_LEN];

	if (unlink(lite_beside(lite_of(c), LITE_DAMAGE_FILE, path)) == -1)
		log_errno("store: cannot remove %s", path);
	else
		log_info("store: it is sound now, and written to again");
}

/* The disk gives all of a file that SQLite has open.  To open and close it once more would drop
 * the locks of this process. */
static bool
can_read(sqlite3 *db, int which)
{
	sqlite3_file *f = NULL;
	sqlite3_int64 size = 0, at;
	char page[4096];
	int rc;

	rc = sqlite3_file_control(db, "main", which, (void *)&f);
	if (rc != SQLITE_OK || f == NULL || f->pMethods == NULL)
		return true;
	rc = f->pMethods->xFileSize(f, &size);
	for (at = 0; rc == SQLITE_OK && at < size; at += (int)sizeof(page))
		rc = f->pMethods->xRead(f, page, sizeof(page), at);
	return rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ;
}

/*
 * SQLite calls a read that the disk has refused damage too.  So look at all of it once more, by
 * a connection that has read nothing yet.  That takes long, even with the lock held, but is
 * done only where something is wrong.
 */
bool
lite_damage_found(const struct lite *l)
{
	sqlite3_stmt *st = NULL;
	const char *found;
	sqlite3 *db = NULL;
	bool damaged = false;
	int rc;

	rc = sqlite3_open_v2(
	    l->where, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK) {
		(void)sqlite3_db_config(
		    db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		rc = sqlite3_prepare_v2(
		    db, "PRAGMA quick_check(1)", -1, &st, NULL);
	}
	if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		found = (const char *)sqlite3_column_text(st, 0);
		damaged = found != NULL && strcmp(found, "ok") != 0;
	}
	damaged |= rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB;
	(void)sqlite3_finalize(st);
	/* As long as the disk refuses nobody knows. */
	damaged = damaged && can_read(db, SQLITE_FCNTL_FILE_POINTER) &&
		  can_read(db, SQLITE_FCNTL_JOURNAL_POINTER);
	(void)sqlite3_close(db);
	return damaged;
}
