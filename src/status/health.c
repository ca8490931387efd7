/* GET /v1/ and the health of the parts. */

#include "config.h"

#include "outbox.h"
#include "routes.h"

int
home_get(struct worker *w, struct req *r)
{
	(void)w;
	return reply_text(r, 200, "Testflinger Server v" PACKAGE_VERSION);
}

/* The process answers: that is all it says, and it touches nothing else. */
int
live_get(struct worker *w, struct req *r)
{
	static const char json[] = "{\"status\":\"live\"}\n";

	(void)w;
	return reply_json(r, 200, json, sizeof(json) - 1);
}

static const char *
broker_word(struct svc *s)
{
	if (s->broker == NULL)
		return "none";
	switch (broker_probe(s->broker)) {
	case BROKER_UP:
		return "up";
	case BROKER_BLOCKED:
		return "blocked";
	default:
		return "down";
	}
}

#define MESSAGE                                                                \
	"The store is damaged, so nothing is written to it: " DB_REMEDY "."

static const char *
store_word(enum err e)
{
	if (e == ERR_OK)
		return "ok";
	return e == ERR_DAMAGED ? "damaged" : "failed";
}

/*
 * Ready means that jobs are accepted and kept: the store answers and the disk
 * has room.  A broker that is away is told, but does not make us unready,
 * because HTTP goes on without it.
 */
int
ready_get(struct worker *w, struct req *r)
{
	struct svc *s = w->svc;
	int64_t room = blob_free_bytes(s->blob);
	bool disk = room != 0 && room >= conf_int(s->conf, CONF_DISK_FREE_MIN);
	enum err store = db_check(s->db);
	bool ready = disk && store == ERR_OK;
	struct buf b;

	buf_init(&b, r->arena, 256);
	buf_printf(&b,
	    "{\"broker\":\"%s\",\"disk\":\"%s\",\"disk_free_bytes\":%lld,"
	    "%s\"status\":\"%s\",\"store\":\"%s\",\"unpublished\":%lld}\n",
	    broker_word(s), disk ? "ok" : "full", (long long)room,
	    store == ERR_DAMAGED ? "\"message\":\"" MESSAGE "\"," : "",
	    ready ? "ready" : "not ready", store_word(store),
	    (long long)(store == ERR_OK && s->broker != NULL ? outbox_waiting(s)
							     : 0));
	if (!buf_ok(&b))
		return reply_err(r, ERR_NOMEM);
	return reply(r, ready ? 200 : 503, "application/json",
	    ready ? NULL : "Retry-After: 5\r\n", b.p, b.len);
}
