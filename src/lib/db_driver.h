#ifndef DB_DRIVER_H
#define DB_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db_types.h"

/*
 * What a dialect of SQL gives to db and the files below it: connections, statements, and the four
 * things in which the dialects differ: schema steps, how a group of changes
 * begins, how rows are locked, what an error means.  A driver's struct
 * db_conn and struct db_stmt begin with the structs here.
 */

struct db_driver;

struct db_conn {
	const struct db_driver *driver;
};

struct db_stmt {
	struct db_conn *conn;
};

/* Of two that are equal nobody has committed anything between the one and the other. */
struct db_stamp {
	uint32_t words[12];
};

struct db_driver {
	const char *check; /* a statement that reads the store */

	/* Before the first connection: ERR_IO (logged) if the store is missing although
	 * it is expected, or something beside it tells that it was there. */
	enum err (*look)(const char *where, bool expected);

	/* Open one connection to where (the part of the URI after the scheme), which
	 * one that writes makes if it is missing.
	 * A damaged store is opened too, for what can still be read of it. */
	enum err (*open)(struct db_conn **out, const char *where, bool writes);
	void (*close)(struct db_conn *c);

	/* Bring the schema up to date, alone among all processes. */
	enum err (*migrate)(struct db_conn *c, const struct db_schema *schema);

	/* Become the only writer (waits), and stop being it.  ERR_DAMAGED: nobody
	 * is to write. */
	enum err (*lock)(struct db_conn *c);
	void (*unlock)(struct db_conn *c);

	/* Somebody has met damage; that it is mended. */
	bool (*damaged)(struct db_conn *c);
	void (*mended)(struct db_conn *c);

	/* Read all of it; deep: also whether indexes and tables agree. */
	enum err (*verify)(struct db_conn *c, bool deep);

	/* A group of changes; each change within it. */
	enum err (*begin)(struct db_conn *c);
	enum err (*commit)(struct db_conn *c);
	void (*rollback)(
	    struct db_conn *c); /* also ends a snapshot; or nothing */
	enum err (*change_begin)(struct db_conn *c);
	enum err (*change_keep)(struct db_conn *c);
	void (*change_undo)(struct db_conn *c);

	/* False once the dialect has rolled the group back by itself. */
	bool (*stands)(struct db_conn *c);

	/* The state of the store, of a writing connection; false: not known now.  For any
	 * thread. */
	bool (*stamp)(const struct db_conn *c, struct db_stamp *out);

	/* Housekeeping after a commit, still locked. */
	void (*tidy)(struct db_conn *c);

	/* Prepared under the address of sql.  bind_* count from 1. */
	enum err (*prepare)(
	    struct db_conn *c, struct db_stmt **s, const char *sql);
	void (*bind_text)(struct db_stmt *s, int i, const char *p, size_t n);
	void (*bind_int)(struct db_stmt *s, int i, int64_t v);
	void (*bind_null)(struct db_stmt *s, int i);
	enum err (*step)(struct db_stmt *s); /* OK a row, NOTFOUND the end */
	void (*end)(struct db_stmt *s);
	int64_t (*changed)(struct db_stmt *s);
	const char *(*text)(struct db_stmt *s, int i, size_t *len);
	int64_t (*integer)(struct db_stmt *s, int i);
	bool (*is_null)(struct db_stmt *s, int i);
};

extern const struct db_driver db_sqlite;

#endif /* !DB_DRIVER_H */
