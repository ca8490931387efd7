/* Names, and the bounded set of queues. */

#include "queue.h"

#include <stdio.h>
#include <string.h>

#include "js.h"

enum { SQL_FIND, SQL_COUNT, SQL_ADD, SQL_RESTRICTED };

static const char *const sql[] = {
    [SQL_FIND] = "SELECT 1 FROM queue WHERE name = $1",
    [SQL_COUNT] = "SELECT count(*) FROM queue",
    [SQL_ADD] = "INSERT INTO queue (name, created_at) VALUES ($1, $2)",
    [SQL_RESTRICTED] = "SELECT restricted FROM queue WHERE name = $1",
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
	if (!js_utf8_ok(s, len))
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
