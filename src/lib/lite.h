#ifndef LITE_H
#define LITE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

#include "db_driver.h"

/* One connection to an SQLite store: what db_sqlite and the files below it know of it. */

/* Prepared statements that are kept: a power of two, above what a program uses often. */
#define LITE_STMTS_MAX 64

struct lite_stmt {
	struct db_stmt stmt;
	const char *sql; /* the key: an address */
	sqlite3_stmt *st;
	bool busy;
};

struct lite {
	struct db_conn conn;
	sqlite3 *db;
	char *where;
	int lock_fd; /* -1 on a reading connection */
	int wal_pages; /* after the last commit */
	bool wal_grown; /* by a commit since the lock was taken */
	bool failed; /* this transaction has met a failure of the disk */
	bool foreign; /* nobody has used it as a store so far */
	bool files_known; /* the files that SQLite has open, ... */
	struct stat file, log, log_index; /* ... by one that writes */
	struct stat locked; /* the file when the lock was taken */
	struct timespec marked; /* its time when it was marked last, ... */
	int marked_pages; /* ... and what the log had then */
	bool rescued; /* its log was kept, or need not be */
	const volatile void *index; /* of the log, shared; NULL: not known */
	struct lite_stmt stmts[LITE_STMTS_MAX];
};

/* The connection that c is the beginning of. */
struct lite *lite_of(struct db_conn *c);

/* Room for the path of a file beside the store. */
#define LITE_PATH_LEN 4200

/* The path of the file that lies beside the store under its name and suffix, in out. */
const char *lite_beside(
    const struct lite *l, const char *suffix, char out[LITE_PATH_LEN]);

#endif /* !LITE_H */
