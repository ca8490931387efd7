#include "lite_err.h"

#include <errno.h>
#include <stdio.h>

#include "lite_damage.h"
#include "log.h"
#include "log_often.h"

/*
 * What fails for a request is told each time, with its id.  What the server does by itself fails
 * again with each turn of its loops.
 */
static void
tell(const char *what, const char *why)
{
	unsigned missed = 0;

	if (log_request_id()[0] != '\0' || log_often(what, why, &missed)) {
		if (missed == 0)
			log_error("store: %s: %s", what, why);
		else
			log_error("store: %s: %s; %u more times since the last "
				  "of these lines",
			    what, why, missed);
	}
}

static void
tell_code(const struct lite *l, int rc, const char *what)
{
	char why[256];

	(void)snprintf(why, sizeof(why), "%s (SQLite %d)",
	    l->db != NULL ? sqlite3_errmsg(l->db) : "cannot open", rc);
	tell(what, why);
}

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
		tell(what, "locked by another program");
		return ERR_BUSY;
	case SQLITE_FULL:
		tell(what, "the disk is full");
		return ERR_FULL;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_CORRUPT:
		l->failed = true;
		if (!lite_damage_known(&l->conn) && !lite_damage_found(l)) {
			tell(what, "the disk could not be read");
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
		tell_code(l, rc, what);
		/* A write refused for want of room shows as an I/O error too,
		 * where the log's index cannot grow. */
		return sqlite3_system_errno(l->db) == ENOSPC ? ERR_FULL
							     : ERR_IO;
	}
}
