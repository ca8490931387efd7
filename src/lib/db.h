#ifndef DB_H
#define DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db_types.h"
#include "err.h"

/*
 * The state store.  One struct db is one process's access to it: a writer
 * thread with the only writing connection, which commits the waiting changes
 * of all workers as one group, and a few reading connections.  Everything here
 * may be called from any thread; a connection or a statement is used
 * by one thread at a time.  SQL text is portable between the dialects
 * (docs/STORE.md); the dialects stand behind db_driver.h.
 */

struct db;

struct db_options {
	const char *uri; /* sqlite:PATH */
	const struct db_schema *schema;
	unsigned readers; /* reading connections */
	unsigned wait_ms; /* a change not begun by then is refused */
	bool expected; /* something tells that there is one: none is made */
};

/* Open, or make if there was none, and bring the schema up to date.  ERR_IO (logged) if it
 * cannot be opened, is newer than we are, or was lost as a whole.  A damaged store is opened
 * and left as it is; one that lost its log is damaged. */
enum err db_open(struct db **out, const struct db_options *o)
    __attribute__((warn_unused_result));

/* Finish what is waiting, then close.  No checkpoint is made. */
void db_close(struct db *d);

/*
 * Run fn(c, arg) on the writer thread and wait until it is committed and
 * on disk.  ERR_BUSY if it could not begin within wait_ms: then it never will.
 * ERR_FULL, ERR_IO: the disk refused, and nothing of it remains.  ERR_DAMAGED:
 * some process has met damage, and none writes any more.
 */
enum err db_write(struct db *d, db_change fn, void *arg)
    __attribute__((warn_unused_result));

/*
 * Run fn(c, arg) with one of the next groups, without waiting, and then
 * free(arg).  For what may be lost in a crash and is then made good by somebody
 * else.  False if it was not taken; arg is freed all the same.
 */
bool db_write_later(struct db *d, db_change fn, void *arg);

/* Borrow a reading connection, waiting for one if need be; every statement on
 * it is a snapshot of its own.  Give it back with db_read_end(). */
struct db_conn *db_read(struct db *d);

/* The same, and all statements are of one snapshot; for a few in a row, of which each would
 * cost as much again to begin and to end one. */
struct db_conn *db_read_once(struct db *d);
void db_read_end(struct db *d, struct db_conn *c);

/*
 * A question that the store had nothing for need not be asked again as long as nobody, in
 * whatever process, has committed anything.  db_ask() before the store is read, db_ask_of() for
 * each text that the answer depends on, always in the same order (NULL adds nothing), and then
 * db_had_nothing(): true if just this was asked since the last commit and db_note_nothing() told
 * of it.  It costs no read of the store.
 */
struct db_question {
	uint64_t hash;
	bool known; /* the state of the store */
};

void db_ask(struct db *d, struct db_question *q);
void db_ask_of(const struct db *d, struct db_question *q, const char *text);
bool db_had_nothing(const struct db *d, const struct db_question *q);
void db_note_nothing(struct db *d, const struct db_question *q);

/*
 * Run sql on c with the arguments that types tells, one letter each, for $1,
 * $2 and so on:
 *   't' const char *, NULL for null    's' const char *, size_t; NULL for null
 *   'i' int64_t                        'n' null, no argument
 * Texts must live until db_end().  sql is a constant: its address is the key
 * under which it stays prepared.
 * ERR_OK: *s stands on the first row, to be ended by db_end().
 * ERR_NOTFOUND: there is no row; ERR_CONFLICT: a constraint; BUSY, FULL, IO, DAMAGED
 * (logged).  On all of these the statement has ended and *s is NULL.
 */
enum err db_query(struct db_conn *c, struct db_stmt **s, const char *sql,
    const char *types, ...) __attribute__((warn_unused_result));

/* On to the next row; ERR_NOTFOUND after the last.  The statement goes on
 * to belong to the caller, who ends it with db_end(). */
enum err db_next(struct db_stmt *s) __attribute__((warn_unused_result));
void db_end(struct db_stmt *s);

/* As db_query(), for a statement whose rows nobody wants; ERR_OK also without
 * rows.  *changed, if not NULL, is how many rows it changed. */
enum err db_exec(struct db_conn *c, int64_t *changed, const char *sql,
    const char *types, ...) __attribute__((warn_unused_result));

/* Column i, from 0, of the row.  Text lives until the next step; NULL for
 * null; *len may be NULL. */
const char *db_text(struct db_stmt *s, int i, size_t *len);
int64_t db_int(struct db_stmt *s, int i);
bool db_is_null(struct db_stmt *s, int i);

/* Costs a look: ERR_OK if a read works and nobody has met damage, ERR_DAMAGED if
 * somebody has. */
enum err db_check(struct db *d);

/*
 * Read the whole store, which takes seconds for a gigabyte and holds nobody up.  Damage is
 * logged, and from then on no process writes (ERR_DAMAGED).  mend: a store in which damage was
 * met before, and which has none any more, is written again from now on.
 */
enum err db_verify(struct db *d, bool mend);

#endif /* !DB_H */
