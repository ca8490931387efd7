/* Names, and the bounded set of queues. */

#include "queue.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "utf8.h"

/* So many at a time, with a thousand waits each. */
#define BATCH 16

enum {
	SQL_FIND,
	SQL_COUNT,
	SQL_ADD,
	SQL_RESTRICTED,
	SQL_UNUSED,
	SQL_FORGET,
	SQL_FORGET_WAITS,
	SQL_FORGET_WAIT_NEXT,
	SQL_FORGET_TRIM
};

#define UNUSED                                                                 \
	"description IS NULL AND images IS NULL AND restricted = 0 "           \
	"AND created_at < $2 "                                                 \
	"AND NOT EXISTS (SELECT 1 FROM job WHERE job.queue = queue.name) "     \
	"AND NOT EXISTS (SELECT 1 FROM agent_queue "                           \
	"WHERE agent_queue.queue = queue.name)"

static const char *const sql[] = {
    [SQL_FIND] = "SELECT 1 FROM queue WHERE name = $1",
    [SQL_COUNT] = "SELECT count(*) FROM queue",
    [SQL_ADD] = "INSERT INTO queue (name, created_at) VALUES ($1, $2)",
    [SQL_RESTRICTED] = "SELECT restricted FROM queue WHERE name = $1",
    [SQL_UNUSED] =
	"SELECT name FROM queue WHERE name > $1 AND " UNUSED " ORDER BY name",
    [SQL_FORGET] = "DELETE FROM queue WHERE name = $1 AND " UNUSED,
    [SQL_FORGET_WAITS] = "DELETE FROM queue_wait WHERE queue = $1",
    [SQL_FORGET_WAIT_NEXT] = "DELETE FROM queue_wait_next WHERE queue = $1",
    [SQL_FORGET_TRIM] = "DELETE FROM queue_trim WHERE queue = $1",
};

const char *
name_fault(const char *s, size_t len)
{
	size_t i;

	if (len == 0)
		return "Shorter than minimum length 1.";
	if (len > NAME_LEN_MAX)
		return "Longer than maximum length 200.";
	for (i = 0; i < len; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return "Must not contain control characters.";
	if (!utf8_ok(s, len))
		return "Must be valid UTF-8.";
	return NULL;
}

const char *
queue_name_fault(const char *s, size_t len)
{
	/* RabbitMQ answers 403 to whoever declares such a name. */
	if (len >= 4 && memcmp(s, "amq.", 4) == 0)
		return "Must not begin with amq.";
	return name_fault(s, len);
}

enum err
queue_know(struct db_conn *c, const char *name, int64_t max, int64_t now)
{
	struct db_stmt *s;
	int64_t known;
	enum err e;

	e = db_query(c, &s, sql[SQL_FIND], "t", name);
	if (e == ERR_OK)
		db_end(s);
	if (e != ERR_NOTFOUND)
		return e;
	if ((e = db_query(c, &s, sql[SQL_COUNT], "")) != ERR_OK)
		return e;
	known = db_int(s, 0);
	db_end(s);
	if (known >= max)
		return ERR_LIMIT;
	return db_exec(c, NULL, sql[SQL_ADD], "ti", name, now);
}

enum err
queue_is_restricted(struct db_conn *c, const char *name, bool *out)
{
	struct db_stmt *s;
	enum err e;

	*out = false;
	e = db_query(c, &s, sql[SQL_RESTRICTED], "t", name);
	if (e == ERR_OK) {
		*out = db_int(s, 0) != 0;
		db_end(s);
	}
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

bool
queue_is_unclaimed(const struct conf *c, const char *name)
{
	return conf_has_word(c, CONF_AMQP_UNCLAIMED_QUEUES, "*") ||
	       conf_has_word(c, CONF_AMQP_UNCLAIMED_QUEUES, name);
}

struct unused {
	int64_t before; /* known since then: too young */
	char names[BATCH][NAME_LEN_MAX + 1];
	size_t n;
};

/* The next of those after the name. */
static enum err
find_unused(struct svc *s, const char *after, struct unused *u)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e;

	u->n = 0;
	for (e = db_query(c, &st, sql[SQL_UNUSED], "ti", after, u->before);
	     e == ERR_OK && u->n < BATCH; e = db_next(st))
		(void)snprintf(u->names[u->n++], sizeof(u->names[0]), "%s",
		    db_text(st, 0, NULL));
	if (st != NULL)
		db_end(st);
	db_read_end(s->db, c);
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

/* Those that still are; what was found before may be in use by now. */
static enum err
forget_change(struct db_conn *c, void *arg)
{
	const struct unused *u = arg;
	const char *name;
	enum err e = ERR_OK;
	int64_t gone;
	size_t i;

	for (i = 0; i < u->n && e == ERR_OK; i++) {
		name = u->names[i];
		e = db_exec(c, &gone, sql[SQL_FORGET], "ti", name, u->before);
		if (e != ERR_OK || gone == 0)
			continue;
		e = db_exec(c, NULL, sql[SQL_FORGET_WAITS], "t", name);
		if (e == ERR_OK)
			e = db_exec(
			    c, NULL, sql[SQL_FORGET_WAIT_NEXT], "t", name);
		if (e == ERR_OK)
			e = db_exec(c, NULL, sql[SQL_FORGET_TRIM], "t", name);
	}
	return e;
}

enum err
queue_forget_unused(struct svc *s)
{
	int64_t age = conf_int(s->conf, CONF_QUEUE_MAX_AGE) * 1000;
	struct unused u = {.before = clock_now_ms() - age};
	char after[NAME_LEN_MAX + 1] = "";
	enum err e;

	if (age == 0)
		return ERR_OK;
	do {
		e = find_unused(s, after, &u);
		if (e != ERR_OK || u.n == 0)
			break;
		memcpy(after, u.names[u.n - 1], sizeof(after));
		e = db_write(s->db, forget_change, &u);
	} while (e == ERR_OK && u.n == BATCH);
	return e;
}

void
name_page_add(struct name_page *p, struct buf *b, const char *name)
{
	if (p->any)
		buf_char(b, ',');
	p->any = true;
	(void)snprintf(p->after, sizeof(p->after), "%s", name);
}

enum err
name_page_end(struct name_page *p, const struct buf *b, enum err e)
{
	p->done = e == ERR_NOTFOUND;
	if (e != ERR_OK && !p->done)
		return e;
	return buf_ok(b) ? ERR_OK : ERR_NOMEM;
}
