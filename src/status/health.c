/* GET /v1/ and the health of the parts. */

#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "js_escape.h"
#include "outbox.h"
#include "routes.h"
#include "status_file.h"

/* Of our own supervisor, those of the others beside it; NULL: it keeps none. */
static const char *status_file;

bool
status_prepare(struct svc *s)
{
	(void)s;
	status_file = getenv(STATUS_FILE_ENV);
	return true;
}

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

/* Whether all programs run, as their supervisors tell; adds to b those that do not.  Not to
 * know is no reason to be unready. */
static bool
add_responders(struct buf *b)
{
	struct status_file_down down;
	char name[STATUS_FILE_NAME_MAX + 4];
	size_t i;
	int n;

	if (status_file == NULL ||
	    status_file_look(status_file, &down) != ERR_OK) {
		buf_str(b, ",\"responders\":\"unknown\"");
		return true;
	}
	for (i = 0; i < down.n; i++) {
		buf_str(b, i == 0 ? ",\"down\":[" : ",");
		n = snprintf(name, sizeof(name), "tf-%s", down.names[i]);
		js_put_string(b, name, (size_t)n);
	}
	buf_str(b, down.n > 0 ? "],\"responders\":\"down\""
			      : ",\"responders\":\"ok\"");
	return down.n == 0;
}

/*
 * Ready means that jobs are accepted and kept: the store answers, the disk has
 * room, and all programs run.  A broker that is away is told, but does not make
 * us unready, because HTTP goes on without it.
 */
int
ready_get(struct worker *w, struct req *r)
{
	struct svc *s = w->svc;
	int64_t room = blob_free_bytes(s->blob);
	bool disk = room != 0 && room >= conf_int(s->conf, CONF_DISK_FREE_MIN);
	enum err store = db_check(s->db);
	bool ready = disk && store == ERR_OK;
	char retry[32];
	struct buf b;

	buf_init(&b, r->arena, 256);
	buf_printf(&b,
	    "{\"broker\":\"%s\",\"disk\":\"%s\",\"disk_free_bytes\":%lld",
	    broker_word(s), disk ? "ok" : "full", (long long)room);
	ready = add_responders(&b) && ready;
	buf_printf(&b,
	    "%s,\"status\":\"%s\",\"store\":\"%s\",\"unpublished\":%lld}\n",
	    store == ERR_DAMAGED ? ",\"message\":\"" MESSAGE "\"" : "",
	    ready ? "ready" : "not ready", store_word(store),
	    (long long)(store == ERR_OK && s->broker != NULL ? outbox_waiting(s)
							     : 0));
	if (!buf_ok(&b))
		return reply_err(r, ERR_NOMEM);
	(void)snprintf(
	    retry, sizeof(retry), "Retry-After: %d\r\n", ERR_RETRY_AFTER_S);
	return reply(r, ready ? 200 : 503, "application/json",
	    ready ? NULL : retry, b.p, b.len);
}
