/* Sign-ins by device as rows. */

#include "device.h"

#include "clock.h"
#include "log.h"
#include "rand_text.h"

#define SWEEP_MAX 500

enum { SQL_COUNT, SQL_ADD, SQL_FIND, SQL_END, SQL_SWEEP };

static const char *const sql[] = {
    [SQL_COUNT] = "SELECT count(*) FROM device_code",
    [SQL_ADD] = "INSERT INTO device_code (request_id, code, expires_at) "
		"VALUES ($1, $2, $3)",
    [SQL_FIND] = "SELECT code FROM device_code "
		 "WHERE request_id = $1 AND expires_at > $2",
    [SQL_END] = "DELETE FROM device_code WHERE request_id = $1",
    [SQL_SWEEP] = "DELETE FROM device_code WHERE request_id IN (SELECT "
		  "request_id FROM device_code WHERE expires_at <= $1 "
		  "LIMIT $2)",
};

struct beginning {
	const char *id, *code;
	int64_t until;
};

static enum err
add(struct db_conn *c, void *arg)
{
	const struct beginning *b = arg;
	struct db_stmt *s;
	int64_t open;
	enum err e;

	if ((e = db_query(c, &s, sql[SQL_COUNT], "")) != ERR_OK)
		return e;
	open = db_int(s, 0);
	db_end(s);
	if (open >= DEVICES_MAX) {
		log_warn("%d sign-ins by device are open already", DEVICES_MAX);
		return ERR_BUSY;
	}
	return db_exec(c, NULL, sql[SQL_ADD], "tti", b->id, b->code, b->until);
}

enum err
device_begin(
    struct svc *s, const char *code, int64_t life_s, char id[DEVICE_ID_LEN + 1])
{
	struct beginning b = {id, code, clock_now_ms() + life_s * 1000};
	enum err e = rand_text(id, DEVICE_ID_LEN);

	return e == ERR_OK ? db_write(s->db, add, &b) : e;
}

enum err
device_code(struct svc *s, struct arena *a, const char *id, const char **code)
{
	struct db_conn *c = db_read(s->db);
	struct db_stmt *st;
	enum err e;

	e = db_query(c, &st, sql[SQL_FIND], "ti", id, clock_now_ms());
	if (e == ERR_OK) {
		*code = arena_printf(a, "%s", db_text(st, 0, NULL));
		if (*code == NULL)
			e = ERR_NOMEM;
		db_end(st);
	}
	db_read_end(s->db, c);
	return e;
}

static enum err
end(struct db_conn *c, void *arg)
{
	const char *id = arg;

	return db_exec(c, NULL, sql[SQL_END], "t", id);
}

void
device_end(struct svc *s, const char *id)
{
	enum err e = db_write(s->db, end, (void *)(uintptr_t)id);

	if (e != ERR_OK)
		log_warn("a sign-in by device stays until it expires: %s",
		    err_text(e));
}

struct sweep {
	int64_t now, n;
};

static enum err
sweep(struct db_conn *c, void *arg)
{
	struct sweep *w = arg;

	return db_exec(
	    c, &w->n, sql[SQL_SWEEP], "ii", w->now, (int64_t)SWEEP_MAX);
}

enum err
device_sweep(struct svc *s, int64_t *n)
{
	struct sweep w = {clock_now_ms(), 0};
	enum err e = db_write(s->db, sweep, &w);

	*n = w.n;
	return e;
}
