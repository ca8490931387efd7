#include "lite_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db_mark.h"
#include "lite_damage.h"
#include "lite_log.h"
#include "lite_rescue.h"
#include "log.h"

int
lite_lock_open(const struct lite *l)
{
	char path[LITE_PATH_LEN];
	int fd;

	fd = open(lite_beside(l, LITE_LOCK_FILE, path),
	    O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd == -1)
		log_errno("store: cannot open %s", path);
	return fd;
}

void
lite_lock_release(struct db_conn *c)
{
	(void)flock(lite_of(c)->lock_fd, LOCK_UN);
}

void
lite_lock_know_files(struct lite *l)
{
	char path[LITE_PATH_LEN];

	lite_log_meet(l);
	l->files_known = stat(l->where, &l->file) == 0 &&
			 stat(lite_beside(l, "-wal", path), &l->log) == 0 &&
			 stat(lite_beside(l, "-shm", path), &l->log_index) == 0;
	l->locked = l->file;
}

bool
lite_lock_is_another(
    const char *path, const struct stat *open, struct stat *now)
{
	*now = *open;
	if (stat(path, now) == -1)
		return errno == ENOENT;
	return now->st_dev != open->st_dev || now->st_ino != open->st_ino;
}

/* Not so before a store is made. */
static bool
has_a_log(struct lite *l)
{
	sqlite3_stmt *st;
	bool is = false;

	if (sqlite3_prepare_v2(l->db, "PRAGMA journal_mode", -1, &st, NULL) ==
		SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		is = strcmp((const char *)sqlite3_column_text(st, 0), "wal") ==
		     0;
	(void)sqlite3_finalize(st);
	return is;
}

static bool
are_others(struct lite *l)
{
	char path[LITE_PATH_LEN];
	struct stat st;

	return lite_lock_is_another(l->where, &l->file, &l->locked) ||
	       lite_lock_is_another(
		   lite_beside(l, "-wal", path), &l->log, &st) ||
	       lite_lock_is_another(
		   lite_beside(l, "-shm", path), &l->log_index, &st);
}

/* A process that starts next would open other files than we have, and both would write: with an
 * index of its own each over what the other has committed.  Behind the end of a log that was cut a
 * write would leave a hole, which reads as pages of zeros. */
static bool
files_spoilt(struct lite *l)
{
	const char *how = "removed or replaced while in use";

	if (!l->files_known)
		lite_lock_know_files(l);
	if (!l->files_known && !has_a_log(l))
		return false;
	if (l->files_known && !are_others(l)) {
		if (!lite_log_short(l))
			return false;
		db_mark_cut(l->where);
		how = "cut short while in use";
	}
	lite_damage_tell(l, "its file, its log or the index of that", how);
	return true;
}

bool
lite_lock_try(struct lite *l)
{
	if (!l->files_known || flock(l->lock_fd, LOCK_EX | LOCK_NB) == -1)
		return false;
	if (!lite_damage_known(&l->conn) && !files_spoilt(l))
		return true;
	lite_lock_release(&l->conn);
	return false;
}

enum err
lite_lock_take(struct db_conn *c)
{
	static atomic_bool told;

	while (flock(lite_of(c)->lock_fd, LOCK_EX) == -1) {
		if (errno == EINTR)
			continue;
		log_errno("store: lock");
		return ERR_IO;
	}
	lite_of(c)->wal_grown = false;
	if (!lite_damage_known(c) && !files_spoilt(lite_of(c))) {
		atomic_store(&told, false);
		return ERR_OK;
	}
	lite_rescue_log(lite_of(c));
	lite_lock_release(c);
	if (!atomic_exchange(&told, true))
		log_error("store: %s" LITE_DAMAGE_FILE " tells of damage: "
			  "changes are refused.  To mend it " DB_REMEDY,
		    lite_of(c)->where);
	return ERR_DAMAGED;
}
