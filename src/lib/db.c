/* Opening, statements and checks, for every dialect. */

#include "db.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "db_driver.h"
#include "db_nothing.h"
#include "db_readers.h"
#include "db_writer.h"
#include "log.h"

struct db {
	const struct db_driver *driver;
	char *where; /* of the driver */
	const struct db_schema *schema;
	struct db_conn *writing; /* the writer's */
	struct db_writer *writer;
	struct db_readers *readers;
	struct db_nothing *nothing;
};

enum err
db_write(struct db *d, db_change fn, void *arg)
{
	return db_writer_run(d->writer, fn, arg);
}

bool
db_write_later(struct db *d, db_change fn, void *arg)
{
	return db_writer_later(d->writer, fn, arg);
}

struct db_conn *
db_read(struct db *d)
{
	return db_readers_borrow(d->readers);
}

static const char sql_begin[] = "BEGIN";

struct db_conn *
db_read_once(struct db *d)
{
	struct db_conn *c = db_read(d);
	/* Where that fails each has its own. */
	enum err e = db_exec(c, NULL, sql_begin, "");

	(void)e;
	return c;
}

void
db_read_end(struct db *d, struct db_conn *c)
{
	d->driver->rollback(c);
	db_readers_return(d->readers, c);
}

void
db_ask(struct db *d, struct db_question *q)
{
	struct db_stamp now;

	q->known = d->driver->stamp(d->writing, &now);
	q->hash = q->known ? db_nothing_begin(d->nothing, &now) : 0;
}

void
db_ask_of(const struct db *d, struct db_question *q, const char *text)
{
	if (q->known && text != NULL)
		q->hash =
		    db_nothing_add(d->nothing, q->hash, text, strlen(text));
}

bool
db_had_nothing(const struct db *d, const struct db_question *q)
{
	return q->known && db_nothing_known(d->nothing, q->hash);
}

void
db_note_nothing(struct db *d, const struct db_question *q)
{
	if (q->known)
		db_nothing_note(d->nothing, q->hash);
}

static void
bind(struct db_stmt *s, const char *types, va_list ap)
{
	const struct db_driver *d = s->conn->driver;
	const char *text;
	size_t len;
	int i;

	for (i = 1; *types != '\0'; types++, i++) {
		switch (*types) {
		case 'i':
			d->bind_int(s, i, va_arg(ap, int64_t));
			break;
		case 't':
			text = va_arg(ap, const char *);
			if (text != NULL)
				d->bind_text(s, i, text, strlen(text));
			else
				d->bind_null(s, i);
			break;
		case 's':
			text = va_arg(ap, const char *);
			len = va_arg(ap, size_t);
			if (text != NULL)
				d->bind_text(s, i, text, len);
			else
				d->bind_null(s, i);
			break;
		default:
			assert(*types == 'n');
			d->bind_null(s, i);
			break;
		}
	}
}

static enum err
start(struct db_conn *c, struct db_stmt **out, const char *sql,
    const char *types, va_list ap)
{
	enum err e;

	*out = NULL;
	if ((e = c->driver->prepare(c, out, sql)) != ERR_OK)
		return e;
	bind(*out, types, ap);
	return c->driver->step(*out);
}

enum err
db_query(struct db_conn *c, struct db_stmt **s, const char *sql,
    const char *types, ...)
{
	va_list ap;
	enum err e;

	va_start(ap, types);
	e = start(c, s, sql, types, ap);
	va_end(ap);
	if (e != ERR_OK && *s != NULL) {
		db_end(*s);
		*s = NULL;
	}
	return e;
}

enum err
db_exec(struct db_conn *c, int64_t *changed, const char *sql, const char *types,
    ...)
{
	struct db_stmt *s;
	va_list ap;
	enum err e;

	va_start(ap, types);
	e = start(c, &s, sql, types, ap);
	va_end(ap);
	while (e == ERR_OK)
		e = db_next(s);
	if (changed != NULL && e == ERR_NOTFOUND)
		*changed = c->driver->changed(s);
	if (s != NULL)
		db_end(s);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

enum err
db_next(struct db_stmt *s)
{
	return s->conn->driver->step(s);
}

void
db_end(struct db_stmt *s)
{
	s->conn->driver->end(s);
}

const char *
db_text(struct db_stmt *s, int i, size_t *len)
{
	return s->conn->driver->text(s, i, len);
}

int64_t
db_int(struct db_stmt *s, int i)
{
	return s->conn->driver->integer(s, i);
}

bool
db_is_null(struct db_stmt *s, int i)
{
	return s->conn->driver->is_null(s, i);
}

enum err
db_check(struct db *d)
{
	struct db_conn *c = db_read(d);
	enum err e = ERR_DAMAGED;

	if (!d->driver->damaged(c))
		e = db_exec(c, NULL, d->driver->check, "");
	db_read_end(d, c);
	return e;
}

/* What was not done while the store was damaged. */
static enum err
bring_up(struct db *d)
{
	struct db_conn *c;
	enum err e;

	if ((e = d->driver->open(&c, d->where, true)) != ERR_OK)
		return e;
	e = d->driver->migrate(c, d->schema);
	d->driver->close(c);
	return e;
}

static enum err
change_nothing(struct db_conn *c, void *arg)
{
	(void)c;
	(void)arg;
	return ERR_OK;
}

/* By a connection of its own, for those that read are few; not where the files are not those
 * that we have open, as it would make new ones. */
enum err
db_verify(struct db *d, bool mend)
{
	struct db_conn *c;
	bool damaged;
	enum err e;

	e = db_write(d, change_nothing, NULL);
	damaged = e == ERR_DAMAGED;
	if (damaged ? !mend : e != ERR_OK)
		return e;
	if ((e = d->driver->open(&c, d->where, false)) != ERR_OK)
		return e;
	e = d->driver->verify(c, damaged);
	if (e == ERR_OK && damaged)
		d->driver->mended(c);
	d->driver->close(c);
	return e == ERR_OK && damaged ? bring_up(d) : e;
}

static void
db_free(struct db *d)
{
	db_readers_close(d->readers);
	if (d->writing != NULL)
		d->driver->close(d->writing);
	db_nothing_free(d->nothing);
	free(d->where);
	free(d);
}

static enum err
open_connections(struct db *d, const struct db_options *o)
{
	enum err e;

	if ((e = d->driver->look(d->where, o->expected)) != ERR_OK ||
	    (e = d->driver->open(&d->writing, d->where, true)) != ERR_OK)
		return e;
	e = d->driver->migrate(d->writing, o->schema);
	if (e != ERR_OK && e != ERR_DAMAGED)
		return e;
	return db_readers_open(&d->readers, d->driver, d->where, o->readers);
}

enum err
db_open(struct db **out, const struct db_options *o)
{
	static const char scheme[] = "sqlite:";
	struct db *d;
	enum err e;

	if (strncmp(o->uri, scheme, sizeof(scheme) - 1) != 0) {
		log_error("store: %s: only sqlite:PATH is known", o->uri);
		return ERR_INVALID;
	}
	d = calloc(1, sizeof(*d));
	if (d == NULL)
		return ERR_NOMEM;
	d->driver = &db_sqlite;
	d->schema = o->schema;
	d->where = strdup(o->uri + sizeof(scheme) - 1);
	d->nothing = db_nothing_new();
	e = d->where != NULL && d->nothing != NULL ? open_connections(d, o)
						   : ERR_NOMEM;
	if (e == ERR_OK)
		e = db_writer_start(&d->writer, d->writing, o->wait_ms);
	if (e != ERR_OK) {
		db_free(d);
		return e;
	}
	*out = d;
	return ERR_OK;
}

void
db_close(struct db *d)
{
	db_writer_stop(d->writer);
	db_free(d);
}
