#include "lite_log.h"

#include "db_mark.h"

#define PAGE 4096
#define PAGES_MIN 1000
#define PAGES_MAX 4000 /* of which one look finds a page, and 16 MiB hold all */
#define PAGES_TOO_MANY 16000

/* A quarter of the store: where changes lie far apart, a page should be in the log more than
 * once before it is copied. */
static int
pages_enough(const struct lite *l)
{
	off_t quarter = l->locked.st_size / PAGE / 4;

	if (quarter < PAGES_MIN)
		return PAGES_MIN;
	return quarter > PAGES_MAX ? PAGES_MAX : (int)quarter;
}

static int
on_wal(void *arg, sqlite3 *db, const char *name, int pages)
{
	struct lite *l = arg;

	(void)db;
	(void)name;
	l->wal_pages = pages;
	l->wal_grown = true;
	return SQLITE_OK;
}

void
lite_log_watch(struct lite *l)
{
	(void)sqlite3_wal_hook(l->db, on_wal, l);
}

/* The file is no longer what was marked once somebody has made a checkpoint. */
static void
mark_log(struct lite *l)
{
	const struct timespec *at = &l->locked.st_mtim;

	if (!l->wal_grown || (at->tv_sec == l->marked.tv_sec &&
				 at->tv_nsec == l->marked.tv_nsec))
		return;
	db_mark_set(l->where, &l->locked);
	l->marked = *at;
}

void
lite_log_tidy(struct db_conn *c)
{
	struct lite *l = lite_of(c);
	int mode;

	if (l->wal_pages < pages_enough(l)) {
		mark_log(l);
		return;
	}
	/*
	 * Passive never waits.  When readers have long kept the log from
	 * starting over, wait for them instead: the log must not grow for ever.
	 */
	mode = l->wal_pages < PAGES_TOO_MANY ? SQLITE_CHECKPOINT_PASSIVE
					     : SQLITE_CHECKPOINT_RESTART;
	(void)sqlite3_wal_checkpoint_v2(l->db, NULL, mode, NULL, NULL);
	l->wal_pages = 0;
}
