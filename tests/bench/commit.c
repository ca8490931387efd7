/*
 * The limits of a submission and of a hand-out: SQLite alone, one durable commit for
 * each row of the table job, or for each job taken.  Also fills a store that no
 * responder has open, and looks into one, for tests/bench/run.
 */

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define SCHEMA_MAX 65536
/* How many queues an agent asks for. */
#define ASKED 20

static sqlite3 *db;

static void
fail(const char *what)
{
	(void)fprintf(stderr, "commit: %s: %s\n", what,
	    db != NULL ? sqlite3_errmsg(db) : "failed");
	exit(EXIT_FAILURE);
}

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
script(const char *sql)
{
	if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
		fail(sql);
}

static sqlite3_stmt *
prepare(const char *sql)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail(sql);
	return st;
}

/* Make the server's tables in a new file. */
static void
make(const char *schema)
{
	static char sql[SCHEMA_MAX];
	FILE *f = fopen(schema, "re");
	size_t n;

	if (f == NULL)
		fail(schema);
	n = fread(sql, 1, sizeof(sql) - 1, f);
	if (ferror(f) || n == sizeof(sql) - 1)
		fail(schema);
	(void)fclose(f);
	sql[n] = '\0';
	script(sql);
}

static void
new_id(char out[37])
{
	uint64_t r[2];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		fail("getrandom");
	(void)snprintf(out, 37, "%08x-%04x-4%03x-8%03x-%012llx",
	    (unsigned)(r[0] >> 32), (unsigned)(r[0] >> 16) & 0xffff,
	    (unsigned)r[0] & 0xfff, (unsigned)(r[1] >> 48) & 0xfff,
	    (unsigned long long)r[1] & 0xffffffffffff);
}

/* Without BEGIN each statement is a transaction of its own. */
static void
insert(sqlite3_stmt *st, const char *body)
{
	char id[37];

	new_id(id);
	if (sqlite3_bind_text(st, 1, id, -1, SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_bind_text(st, 2, body, -1, SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_bind_int64(st, 3, (sqlite3_int64)time(NULL) * 1000) !=
		SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_DONE || sqlite3_reset(st) != SQLITE_OK)
		fail("insert");
}

static void
run(const char *schema, const char *body, double seconds)
{
	sqlite3_stmt *st = prepare("PRAGMA user_version");
	double start, end;
	long n = 0;
	int made;

	made = sqlite3_step(st) == SQLITE_ROW && sqlite3_column_int(st, 0) != 0;
	(void)sqlite3_finalize(st);
	script("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL");
	if (!made) {
		make(schema);
		script("PRAGMA user_version=1");
	}
	st =
	    prepare("INSERT INTO job (id, queue, priority, state, seed, ready, "
		    "body, created_at, result_file) "
		    "VALUES ($1, 'bench', 0, 'waiting', 1, 1, $2, $3, 0)");
	start = now();
	while ((end = now()) < start + seconds) {
		insert(st, body);
		n++;
	}
	(void)sqlite3_finalize(st);
	(void)printf("%.1f\n", (double)n / (end - start));
}

/* Jobs that wait, in turn on so many queues, as their submission leaves them. */
static void
fill(long jobs, long queues, const char *body)
{
	sqlite3_stmt *st =
	    prepare("INSERT INTO job (id, queue, priority, state, seed, ready, "
		    "body, created_at, result_file) "
		    "VALUES (?1, ?4, 0, 'waiting', 1, 1, ?2, ?3, 0)");
	char queue[32];
	long i;

	script("PRAGMA synchronous=FULL; BEGIN IMMEDIATE");
	for (i = 0; i < jobs; i++) {
		(void)snprintf(queue, sizeof(queue), "q%ld", i % queues);
		if (sqlite3_bind_text(st, 4, queue, -1, SQLITE_TRANSIENT) !=
		    SQLITE_OK)
			fail("bind");
		insert(st, body);
	}
	(void)sqlite3_finalize(st);
	script("INSERT OR IGNORE INTO queue (name, created_at) "
	       "SELECT DISTINCT queue, 0 FROM job; "
	       "COMMIT; PRAGMA wal_checkpoint(TRUNCATE)");
}

/* All jobs but the first so many have ended. */
static void
end(long keep)
{
	sqlite3_stmt *st =
	    prepare("UPDATE job SET state = 'complete', agent = 'done' || seq, "
		    "ended_at = created_at WHERE seq > ?1");

	script("PRAGMA synchronous=FULL");
	if (sqlite3_bind_int64(st, 1, keep) != SQLITE_OK ||
	    sqlite3_step(st) != SQLITE_DONE)
		fail("end");
	(void)sqlite3_finalize(st);
	script("PRAGMA wal_checkpoint(TRUNCATE)");
}

/* The oldest job of the best of some queues, as an agent is given it; 0: none. */
static sqlite3_int64
best_of(sqlite3_stmt *best, long queues)
{
	sqlite3_int64 seq, found = 0;
	int priority, found_priority = 0, i;
	char queue[32];

	for (i = 0; i < ASKED; i++) {
		(void)snprintf(queue, sizeof(queue), "q%ld", random() % queues);
		if (sqlite3_bind_text(best, 1, queue, -1, SQLITE_TRANSIENT) !=
		    SQLITE_OK)
			fail("bind");
		if (sqlite3_step(best) == SQLITE_ROW) {
			seq = sqlite3_column_int64(best, 0);
			priority = sqlite3_column_int(best, 1);
			if (found == 0 || priority > found_priority ||
			    (priority == found_priority && seq < found)) {
				found = seq;
				found_priority = priority;
			}
		}
		(void)sqlite3_reset(best);
	}
	return found;
}

/* What the server has its tables do besides is no part of the limit. */
static void
drop_triggers(void)
{
	sqlite3_stmt *st =
	    prepare("SELECT group_concat('DROP TRIGGER ' || name, ';') "
		    "FROM sqlite_schema WHERE type = 'trigger'");
	char *sql;

	if (sqlite3_step(st) != SQLITE_ROW ||
	    sqlite3_column_text(st, 0) == NULL)
		fail("triggers");
	sql = strdup((const char *)sqlite3_column_text(st, 0));
	(void)sqlite3_finalize(st);
	if (sql == NULL)
		fail("strdup");
	script(sql);
	free(sql);
}

/* Take jobs one after the other. */
static void
take(long queues, double seconds)
{
	sqlite3_stmt *best, *set;
	double start, end;
	sqlite3_int64 seq;
	long n = 0;

	script("PRAGMA synchronous=FULL");
	drop_triggers();
	best = prepare(
	    "SELECT seq, priority FROM job WHERE state = 'waiting' "
	    "AND ready = 1 AND secrets = 0 AND excludes = '' AND queue = ?1 "
	    "ORDER BY priority DESC, seq LIMIT 1");
	set = prepare("UPDATE job SET state = 'running', agent = 'limit', "
		      "started_at = ?2 WHERE seq = ?1 AND state = 'waiting' "
		      "RETURNING id, body");
	start = now();
	while ((end = now()) < start + seconds) {
		script("BEGIN IMMEDIATE");
		seq = best_of(best, queues);
		if (sqlite3_bind_int64(set, 1, seq) != SQLITE_OK ||
		    sqlite3_bind_int64(set, 2,
			(sqlite3_int64)time(NULL) * 1000) != SQLITE_OK ||
		    sqlite3_step(set) != SQLITE_ROW ||
		    sqlite3_reset(set) != SQLITE_OK)
			fail("no job is left");
		script("COMMIT");
		n++;
	}
	(void)sqlite3_finalize(best);
	(void)sqlite3_finalize(set);
	(void)printf("%.1f\n", (double)n / (end - start));
}

/* The jobs that have been taken, each of which must have an agent of its own. */
static void
taken(void)
{
	sqlite3_stmt *st = prepare("SELECT count(*), count(DISTINCT agent) "
				   "FROM job WHERE state <> 'waiting'");

	if (sqlite3_step(st) != SQLITE_ROW)
		fail("count");
	(void)printf("%lld %lld\n", (long long)sqlite3_column_int64(st, 0),
	    (long long)sqlite3_column_int64(st, 1));
	(void)sqlite3_finalize(st);
}

/* The jobs of a store, and those of them that are not published. */
static void
count(void)
{
	sqlite3_stmt *st =
	    prepare("SELECT count(*), count(publish_at) FROM job");

	if (sqlite3_step(st) != SQLITE_ROW)
		fail("count");
	(void)printf("%lld %lld\n", (long long)sqlite3_column_int64(st, 0),
	    (long long)sqlite3_column_int64(st, 1));
	(void)sqlite3_finalize(st);
}

/* The definition of a job as it is stored and published. */
static void
show_body(void)
{
	sqlite3_stmt *st = prepare("SELECT body FROM job LIMIT 1");

	if (sqlite3_step(st) != SQLITE_ROW)
		fail("no job");
	(void)printf("%s\n", (const char *)sqlite3_column_text(st, 0));
	(void)sqlite3_finalize(st);
}

/* Only who holds the server's lock may checkpoint its store. */
static void
open_store(const char *path)
{
	if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) !=
		SQLITE_OK ||
	    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL) !=
		SQLITE_OK)
		fail(path);
	(void)sqlite3_busy_timeout(db, 5000);
}

int
main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "run") == 0) {
		if (sqlite3_open(argv[2], &db) != SQLITE_OK)
			fail(argv[2]);
		run(argv[3], argv[4], atof(argv[5]));
	} else if (argc == 3 && strcmp(argv[1], "count") == 0) {
		open_store(argv[2]);
		count();
	} else if (argc == 3 && strcmp(argv[1], "body") == 0) {
		open_store(argv[2]);
		show_body();
	} else if (argc == 3 && strcmp(argv[1], "taken") == 0) {
		open_store(argv[2]);
		taken();
	} else if (argc == 6 && strcmp(argv[1], "fill") == 0) {
		open_store(argv[2]);
		fill(atol(argv[3]), atol(argv[4]), argv[5]);
	} else if (argc == 4 && strcmp(argv[1], "end") == 0) {
		open_store(argv[2]);
		end(atol(argv[3]));
	} else if (argc == 5 && strcmp(argv[1], "take") == 0) {
		open_store(argv[2]);
		take(atol(argv[3]), atof(argv[4]));
	} else {
		(void)fprintf(stderr,
		    "usage: commit run FILE SCHEMA BODY SECONDS\n"
		    "       commit count|body|taken STORE\n"
		    "       commit fill STORE JOBS QUEUES BODY\n"
		    "       commit end STORE KEEP\n"
		    "       commit take STORE QUEUES SECONDS\n");
		return 2;
	}
	(void)sqlite3_close(db);
	return EXIT_SUCCESS;
}
