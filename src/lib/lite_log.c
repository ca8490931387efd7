#include "lite_log.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "db_mark.h"

#define PAGE 4096
#define PAGES_MIN 1000
#define PAGES_MAX 4000 /* of which one look finds a page, and 16 MiB hold all */
#define PAGES_TOO_MANY 16000
#define PAGES_UNMARKED 100 /* that a log may gain before it is marked anew */
#define LOG_HEADER 32
#define FRAME_HEADER 24
#define INDEX_REGION 32768
#define INDEX_VERSION 3007000

/* The beginning of the index (SQLite, "WAL-Index Header"), there twice. */
struct index {
	uint32_t version;
	uint32_t unused;
	uint32_t change;
	uint8_t is_init;
	uint8_t big_endian;
	uint16_t page_size; /* 1: 65536 */
	uint32_t frames;
	uint32_t pages;
	uint32_t frame_sum[2];
	uint32_t salt[2];
	uint32_t sum[2];
};

_Static_assert(sizeof(struct index) == 48, "as SQLite has it");

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
lite_log_meet(struct lite *l)
{
	(void)sqlite3_exec(
	    l->db, "SELECT 1 FROM sqlite_schema LIMIT 1", NULL, NULL, NULL);
}

void
lite_log_watch(struct lite *l)
{
	(void)sqlite3_wal_hook(l->db, on_wal, l);
}

static sqlite3_file *
file_of(struct lite *l, int which)
{
	sqlite3_file *f = NULL;

	if (sqlite3_file_control(l->db, "main", which, (void *)&f) != SQLITE_OK)
		return NULL;
	return f != NULL && f->pMethods != NULL ? f : NULL;
}

sqlite3_file *
lite_log_file(struct lite *l)
{
	return file_of(l, SQLITE_FCNTL_JOURNAL_POINTER);
}

/* Memory that is shared with those who write; NULL: it is not known, or no log is open.  Without
 * one it would be made, and nobody would take it away. */
static const volatile void *
map_index(struct lite *l)
{
	sqlite3_file *db = file_of(l, SQLITE_FCNTL_FILE_POINTER);
	volatile void *p = NULL;

	if (db == NULL || lite_log_file(l) == NULL ||
	    db->pMethods->iVersion < 2 || db->pMethods->xShmMap == NULL ||
	    db->pMethods->xShmMap(db, 0, INDEX_REGION, 0, &p) != SQLITE_OK)
		return NULL;
	return p;
}

/* Who writes it changes the second first.  Meanwhile they differ, so no lock is needed. */
__attribute__((no_sanitize("thread"))) static bool
read_index(const volatile void *index, struct index *out)
{
	const volatile uint64_t *from = index;
	uint64_t twice[2][sizeof(*out) / sizeof(uint64_t)];
	size_t i, n = sizeof(*out) / sizeof(uint64_t);

	if (index == NULL)
		return false;
	for (i = 0; i < n; i++)
		twice[0][i] = from[i];
	atomic_thread_fence(memory_order_acquire);
	for (i = 0; i < n; i++)
		twice[1][i] = from[n + i];
	memcpy(out, twice[0], sizeof(*out));
	return memcmp(twice[0], twice[1], sizeof(*out)) == 0 &&
	       out->version == INDEX_VERSION && out->is_init != 0;
}

static bool
look_at_index(struct lite *l, struct index *out)
{
	return read_index(map_index(l), out);
}

/* What a commit of ours has synced, unless others that take no lock have written since. */
static void
mark_end(struct lite *l)
{
	struct index x;

	if (look_at_index(l, &x) && x.frames == (uint32_t)l->wal_pages)
		db_mark_end(l->where,
		    &(struct db_mark_end){{x.salt[0], x.salt[1]}, x.frames});
}

/* The file is no longer what was marked once somebody has made a checkpoint. */
static void
mark_log(struct lite *l)
{
	const struct timespec *at = &l->locked.st_mtim;
	bool marked =
	    at->tv_sec == l->marked.tv_sec && at->tv_nsec == l->marked.tv_nsec;

	if (!l->wal_grown)
		return;
	if (!marked) {
		db_mark_set(l->where, &l->locked);
		l->marked = *at;
	}
	if (!marked || l->wal_pages >= l->marked_pages + PAGES_UNMARKED) {
		mark_end(l);
		l->marked_pages = l->wal_pages;
	}
}

/* Readers may keep a part of the log from the store. */
static void
checkpoint(struct lite *l, int mode)
{
	int pages = 0, copied = 0;

	(void)sqlite3_wal_checkpoint_v2(l->db, NULL, mode, &pages, &copied);
	if (copied < pages && stat(l->where, &l->locked) == 0)
		mark_log(l);
	l->wal_pages = 0;
}

void
lite_log_tidy(struct db_conn *c)
{
	struct lite *l = lite_of(c);

	/*
	 * Passive never waits.  When readers have long kept the log from
	 * starting over, wait for them instead: the log must not grow for ever.
	 */
	if (l->wal_pages < pages_enough(l))
		mark_log(l);
	else
		checkpoint(l, l->wal_pages < PAGES_TOO_MANY
				  ? SQLITE_CHECKPOINT_PASSIVE
				  : SQLITE_CHECKPOINT_RESTART);
}

/* What others have written before they died may be read and is not synced yet. */
void
lite_log_end(struct lite *l)
{
	sqlite3_file *log = lite_log_file(l);
	struct index x;

	if (log != NULL && look_at_index(l, &x) && x.frames != 0 &&
	    log->pMethods->xSync(log, SQLITE_SYNC_NORMAL) == SQLITE_OK)
		db_mark_end(l->where,
		    &(struct db_mark_end){{x.salt[0], x.salt[1]}, x.frames});
}

/* What is noted is so before: the log grows while we look. */
bool
lite_log_lacks(struct lite *l)
{
	struct db_mark_end was, still;
	struct index x;

	lite_log_meet(l);
	return db_mark_read_end(l->where, &was) && look_at_index(l, &x) &&
	       x.salt[0] == was.salt[0] && x.salt[1] == was.salt[1] &&
	       x.frames < was.frames && db_mark_read_end(l->where, &still) &&
	       memcmp(&was, &still, sizeof(was)) == 0;
}

static sqlite3_int64
size_told(const struct index *x)
{
	sqlite3_int64 page = x->page_size == 1 ? 65536 : x->page_size;

	return x->frames == 0 ? 0
			      : LOG_HEADER + x->frames * (FRAME_HEADER + page);
}

/* Frames are written before the index tells of them, and it tells of none before the log is cut by
 * right, after a checkpoint.  So what is short is so between two equal looks at the index. */
bool
lite_log_short(struct lite *l)
{
	const volatile void *index = map_index(l);
	sqlite3_file *log = lite_log_file(l);
	struct index before, after;
	sqlite3_int64 size;

	return log != NULL && read_index(index, &before) &&
	       log->pMethods->xFileSize(log, &size) == SQLITE_OK &&
	       size < size_told(&before) && read_index(index, &after) &&
	       memcmp(&before, &after, sizeof(before)) == 0;
}

void
lite_log_map(struct lite *l)
{
	l->index = map_index(l);
}

bool
lite_log_stamp(const struct lite *l, struct db_stamp *out)
{
	struct index x;

	_Static_assert(sizeof(x) == sizeof(*out), "all of it");
	if (!read_index(l->index, &x))
		return false;
	memcpy(out, &x, sizeof(x));
	return true;
}
