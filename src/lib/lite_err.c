#include "lite_err.h"

#include <errno.h>

#include "lite_damage.h"
#include "log.h"

enum err
lite_err(struct lite *l, int rc, const char *what)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return ERR_OK;
	case SQLITE_CONSTRAINT:
		return ERR_CONFLICT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		log_error("store: %s: locked by another program", what);
		return ERR_BUSY;
	case SQLITE_FULL:
		log_error("store: %s: the disk is full", what);
		return ERR_FULL;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_CORRUPT:
		l->failed = true;
		if (!lite_damage_known(&l->conn) && !lite_damage_found(l)) {
			log_error(
			    "store: %s: the disk could not be read", what);
			return ERR_IO;
		}
		lite_damage_tell(l, what, sqlite3_errmsg(l->db));
		return ERR_DAMAGED;
	case SQLITE_NOTADB:
		l->failed = true;
		if (l->foreign) {
			log_error("store: %s is no database", l->where);
			return ERR_IO;
		}
		lite_damage_tell(l, what, sqlite3_errmsg(l->db));
		return ERR_DAMAGED;
	default:
		l->failed = true;
		log_error("store: %s: %s (SQLite %d)", what,
		    l->db != NULL ? sqlite3_errmsg(l->db) : "cannot open", rc);
		/* A write refused for want of room shows as an I/O error too,
		 * where the log's index cannot grow. */
		return sqlite3_system_errno(l->db) == ENOSPC ? ERR_FULL
							     : ERR_IO;
	}
}
