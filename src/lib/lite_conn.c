#include "lite_conn.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db_mark.h"
#include "lite_damage.h"
#include "lite_err.h"
#include "lite_lock.h"
#include "lite_log.h"
#include "lite_rescue.h"
#include "log.h"

#define BUSY_TIMEOUT_MS 5000

enum err
lite_conn_look(const char *where, bool expected)
{
	if (!db_mark_lost_store(where, expected))
		return ERR_OK;
	log_error(
	    "store: %s is missing or empty, but files beside it tell "
	    "that it was there.  No empty one is made in its place: " DB_REMEDY
	    ", or move jobs/ and all of state.db* away to begin anew",
	    where);
	return ERR_IO;
}

void
lite_conn_close(struct db_conn *c)
{
	struct lite *l = lite_of(c);
	size_t i;

	if (l->lock_fd != -1 && lite_lock_try(l)) {
		lite_log_end(l);
		lite_lock_release(c);
	} else if (l->lock_fd != -1) {
		lite_rescue_log(l);
	}
	for (i = 0; i < LITE_STMTS_MAX; i++)
		(void)sqlite3_finalize(l->stmts[i].st);
	(void)sqlite3_close(l->db);
	if (l->lock_fd != -1)
		(void)close(l->lock_fd);
	free(l->where);
	free(l);
}

static enum err
set(struct lite *l, const char *sql)
{
	return lite_err(l, sqlite3_exec(l->db, sql, NULL, NULL, NULL), sql);
}

static enum err
set_up(struct lite *l)
{
	static const char settings[] = "PRAGMA wal_autocheckpoint=0;"
				       "PRAGMA journal_size_limit=16777216;"
				       "PRAGMA synchronous=FULL;"
				       "PRAGMA foreign_keys=ON;"
				       "PRAGMA trusted_schema=OFF;"
				       "PRAGMA cell_size_check=ON;"
				       "PRAGMA mmap_size=0;"
				       "PRAGMA cache_size=-64;"
				       "PRAGMA temp_store=MEMORY";

	/* Small memory: a reader looks up single rows.  The writer gets more. */
	(void)sqlite3_db_config(
	    l->db, SQLITE_DBCONFIG_LOOKASIDE, NULL, 128, 256);
	(void)sqlite3_db_config(
	    l->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_db_config(l->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	(void)sqlite3_db_config(l->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	(void)sqlite3_busy_timeout(l->db, BUSY_TIMEOUT_MS);
	return lite_err(
	    l, sqlite3_exec(l->db, settings, NULL, NULL, NULL), "open");
}

/* For nobody but us; the log and its index get the rights of the file.  One that exists, as a
 * backup that was restored, is not opened: to close it would drop the locks of this process. */
static void
make_file(const char *where)
{
	int fd = open(where, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	struct stat st;

	if (fd != -1)
		(void)close(fd);
	else if (stat(where, &st) == 0 && (st.st_mode & 077) != 0 &&
		 chmod(where, 0600) == -1)
		log_errno("store: cannot keep %s from others", where);
}

/* Those who have the former log open read on.  Who opens it now would not find what they find,
 * and is not to take their place. */
static enum err
look_at_log(struct lite *l)
{
	lite_log_meet(l);
	if (!lite_log_short(l))
		return ERR_OK;
	db_mark_cut(l->where);
	lite_damage_tell(l, "its log", "removed or cut short while in use");
	log_error("store: %s cannot be read by who starts now, as its log is "
		  "not that of those who have it open: " DB_REMEDY,
	    l->where);
	return ERR_IO;
}

enum err
lite_conn_open(struct lite **out, const char *where, bool writes)
{
	char path[LITE_PATH_LEN];
	struct lite *l;
	enum err e;
	int rc;

	l = calloc(1, sizeof(*l));
	if (l == NULL)
		return ERR_NOMEM;
	l->lock_fd = -1;
	if ((l->where = strdup(where)) == NULL) {
		e = ERR_NOMEM;
		goto err;
	}
	/* Who writes to a store has made its lock file first. */
	l->foreign = access(lite_beside(l, LITE_LOCK_FILE, path), F_OK) == -1;
	if (writes && (l->lock_fd = lite_lock_open(l)) == -1) {
		e = ERR_IO;
		goto err;
	}
	if (writes)
		make_file(where);
	/* Reading connections may write the log's index, so none is opened
	 * read-only; query_only keeps them from everything else. */
	rc = sqlite3_open_v2(
	    where, &l->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK) {
		e = lite_err(l, rc, where);
		goto err;
	}
	e = set_up(l);
	if (writes && (e == ERR_OK || e == ERR_IO) && look_at_log(l) != ERR_OK)
		e = ERR_IO;
	if (e == ERR_OK && writes)
		lite_log_watch(l);
	if (e == ERR_OK)
		e = set(l,
		    writes ? "PRAGMA cache_size=-512" : "PRAGMA query_only=ON");
	if (e != ERR_OK && e != ERR_DAMAGED)
		goto err;
	*out = l;
	return ERR_OK;
err:
	lite_conn_close(&l->conn);
	return e;
}
