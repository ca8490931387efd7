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
	bool disk = room >= conf_int(s->conf, CONF_DISK_FREE_MIN);
	bool store = db_check(s->db) == ERR_OK;
	bool ready = disk && store;
	struct buf b;

	buf_init(&b, r->arena, 256);
	buf_printf(&b,
	    "{\"broker\":\"%s\",\"disk\":\"%s\",\"disk_free_bytes\":%lld,"
	    "\"status\":\"%s\",\"store\":\"%s\",\"unpublished\":%lld}\n",
	    broker_word(s), disk ? "ok" : "full", (long long)room,
	    ready ? "ready" : "not ready", store ? "ok" : "failed",
	    (long long)(store && s->broker != NULL ? outbox_waiting(s) : 0));
	if (!buf_ok(&b))
		return reply_err(r, ERR_NOMEM);
	return reply(r, ready ? 200 : 503, "application/json",
	    ready ? NULL : "Retry-After: 5\r\n", b.p, b.len);
}
