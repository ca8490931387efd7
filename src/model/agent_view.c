/* Agents as clients see them. */

#include <string.h>

#include "agent.h"
#include "clock.h"
#include "js_escape.h"

enum { SQL_ONE, SQL_AFTER, SQL_ON_QUEUE, SQL_OWNERS };

/* In this order; the first N_TEXTS are texts. */
#define COLUMNS                                                                \
	"SELECT name, comment, identifier, job_id, location, provision_type, " \
	"state, streak_type, queues, streak_count, updated_at FROM agent "

static const char *const sql[] = {
    [SQL_ONE] = COLUMNS "WHERE name = $1",
    [SQL_AFTER] = COLUMNS "WHERE name > $1 ORDER BY name",
    [SQL_ON_QUEUE] = COLUMNS "WHERE name IN (SELECT agent FROM agent_queue "
			     "WHERE queue = $1) ORDER BY name",
    /* Who owns the restricted queues that the agent lists. */
    [SQL_OWNERS] = "SELECT a.queue, c.client FROM agent_queue a "
		   "JOIN queue q ON q.name = a.queue AND q.restricted = 1 "
		   "JOIN client_queue c ON c.queue = a.queue "
		   "WHERE a.agent = $1 ORDER BY a.queue, c.client",
};

static const struct {
	const char *name;
	bool open; /* shown to who asks for the agents of a queue */
} texts[] = {
    {"name", true},
    {"comment", true},
    {"identifier", false},
    {"job_id", true},
    {"location", true},
    {"provision_type", true},
    {"state", true},
    {"provision_streak_type", false},
};

#define N_TEXTS ((int)(sizeof(texts) / sizeof(texts[0])))
#define QUEUES N_TEXTS
#define STREAK (N_TEXTS + 1)
#define UPDATED (N_TEXTS + 2)

/* What is shown of an agent: alone, among all of them, or on a queue. */
enum view { VIEW_ONE, VIEW_LISTED, VIEW_QUEUE };

static void
put_texts(struct buf *b, struct db_stmt *s, enum view view)
{
	const char *p;
	size_t len;
	int i;

	for (i = 0; i < N_TEXTS; i++) {
		if (view == VIEW_QUEUE && !texts[i].open)
			continue;
		p = db_text(s, i, &len);
		/* Clients want a state of each agent they list. */
		if (p == NULL && view != VIEW_ONE &&
		    strcmp(texts[i].name, "state") == 0) {
			p = "";
			len = 0;
		}
		if (p == NULL)
			continue;
		buf_printf(b, "%c\"%s\":", i == 0 ? '{' : ',', texts[i].name);
		js_put_string(b, p, len);
	}
	if ((p = db_text(s, QUEUES, &len)) != NULL) {
		buf_str(b, ",\"queues\":");
		buf_add(b, p, len);
	}
}

/* "restricted_to" of the agent. */
static enum err
put_owners(struct buf *b, struct db_conn *c, const char *agent)
{
	const char *p, *queue = NULL;
	struct db_stmt *s;
	size_t len;
	enum err e;

	buf_str(b, ",\"restricted_to\":{");
	for (e = db_query(c, &s, sql[SQL_OWNERS], "t", agent); e == ERR_OK;
	     e = db_next(s)) {
		p = db_text(s, 0, &len);
		if (queue == NULL || strcmp(queue, p) != 0) {
			buf_str(b, queue != NULL ? "]," : "");
			js_put_string(b, p, len);
			buf_str(b, ":[");
			if ((queue = arena_dup(b->arena, p, len)) == NULL) {
				e = ERR_NOMEM;
				break;
			}
		} else {
			buf_char(b, ',');
		}
		p = db_text(s, 1, &len);
		js_put_string(b, p, len);
	}
	if (s != NULL)
		db_end(s);
	buf_str(b, queue != NULL ? "]}" : "}");
	return e == ERR_NOTFOUND ? ERR_OK : e;
}

static enum err
put_agent(struct svc *svc, struct db_conn *c, struct buf *b, struct db_stmt *s,
    enum view view)
{
	const char *name = db_text(s, 0, NULL);
	int64_t at = db_int(s, UPDATED), seen;
	char time[CLOCK_TEXT_LEN];
	enum err e;

	put_texts(b, s, view);
	if (!db_is_null(s, STREAK))
		buf_printf(b, ",\"provision_streak_count\":%lld",
		    (long long)db_int(s, STREAK));
	e = put_owners(b, c, name);
	seen = seen_last(svc->seen, SEEN_AGENT, name, clock_now_ms());
	clock_text(seen > at ? seen : at, time);
	buf_printf(b, ",\"updated_at\":\"%s\"}", time);
	return e;
}

static enum err
finish(struct buf *b, enum err e, const char **json, size_t *len)
{
	buf_char(b, '\n');
	*json = b->p;
	*len = b->len;
	return e == ERR_OK && !buf_ok(b) ? ERR_NOMEM : e;
}

enum err
agent_read(struct svc *s, struct arena *a, const char *name, const char **json,
    size_t *len)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	struct buf b;
	enum err e;

	buf_init(&b, a, 512);
	e = db_query(c, &st, sql[SQL_ONE], "t", name);
	if (e == ERR_OK) {
		e = put_agent(s, c, &b, st, VIEW_ONE);
		db_end(st);
	}
	db_read_end(s->db, c);
	return finish(&b, e, json, len);
}

enum err
agent_list_page(struct svc *s, struct name_page *p, struct buf *b)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e;

	e = db_query(c, &st, sql[SQL_AFTER], "t", p->after);
	while (e == ERR_OK && b->len < NAME_PAGE_BYTES) {
		name_page_add(p, b, db_text(st, 0, NULL));
		e = put_agent(s, c, b, st, VIEW_LISTED);
		if (e == ERR_OK)
			e = db_next(st);
	}
	if (st != NULL)
		db_end(st);
	db_read_end(s->db, c);
	return name_page_end(p, b, e);
}

enum err
agent_list_queue(struct svc *s, struct arena *a, const char *queue,
    const char **json, size_t *len)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	struct buf b;
	size_t n = 0;
	enum err e;

	buf_init(&b, a, 1024);
	for (e = db_query(c, &st, sql[SQL_ON_QUEUE], "t", queue); e == ERR_OK;
	     e = db_next(st)) {
		buf_char(&b, n++ == 0 ? '[' : ',');
		put_texts(&b, st, VIEW_QUEUE);
		buf_char(&b, '}');
	}
	if (st != NULL)
		db_end(st);
	db_read_end(s->db, c);
	buf_char(&b, ']');
	if (e == ERR_NOTFOUND && n > 0)
		e = ERR_OK;
	return finish(&b, e, json, len);
}
