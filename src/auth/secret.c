/* PUT and DELETE /v1/secrets/{client_id}/{path...}. */

#include "secret.h"

#include <string.h>

#include "clock.h"
#include "field.h"
#include "routes.h"

/* The last second that clients can read as a date. */
#define YEAR_9999_S INT64_C(253402300799)

#define PATH_RULE                                                              \
	"Paths must only contain alphanumeric characters, hyphens (-), "       \
	"underscores (_), and forward slashes (/). Additionally, paths must "  \
	"not start or end with a forward slash (/)."

static void
read_expiry(struct js_doc *doc, const struct js_member *m, struct faults *f,
    int64_t *seconds)
{
	const char *why;

	if (m->kind == JS_NULL) {
		*seconds = 0;
		return;
	}
	why = field_int(doc, m, seconds);
	if (why == NULL && *seconds < 1)
		why = "Must be greater than or equal to 1.";
	if (why == NULL && *seconds > YEAR_9999_S - clock_now_ms() / 1000)
		why = FIELD_INT_TOO_LARGE;
	if (why != NULL)
		faults_add(f, why, m->key, NULL);
}

static void
read_value(struct js_doc *doc, const struct js_member *m, struct faults *f,
    struct secret_new *n)
{
	const char *why = field_string(doc, m, &n->value, &n->len);

	if (why == NULL && n->len == 0)
		why = "Shorter than minimum length 1.";
	if (why == NULL && n->len > SECRET_LEN_MAX)
		why = "Longer than maximum length 262144.";
	if (why != NULL)
		faults_add(f, why, m->key, NULL);
}

static bool
is_field(const char *key)
{
	return strcmp(key, "value") == 0 || strcmp(key, "expire_after") == 0 ||
	       strcmp(key, "ephemeral") == 0;
}

static enum err
read_secret(struct js_doc *doc, struct faults *f, struct secret_new *n)
{
	const struct js_member *value = js_find(doc, "value");
	const struct js_member *expiry = js_find(doc, "expire_after");
	const struct js_member *m = js_find(doc, "ephemeral");
	int64_t seconds = SECRET_LIFE_S;
	const char *why;
	size_t i;

	for (i = 0; i < doc->n_members; i++)
		if (!is_field(doc->members[i].key))
			faults_add(f, FIELD_UNKNOWN, doc->members[i].key, NULL);
	if (value == NULL)
		faults_add(f, FIELD_MISSING, "value", NULL);
	else
		read_value(doc, value, f, n);
	if (expiry != NULL)
		read_expiry(doc, expiry, f, &seconds);
	if (m != NULL && (why = field_bool(doc, m, &n->ephemeral)) != NULL)
		faults_add(f, why, m->key, NULL);
	if (!faults_any(f) && n->ephemeral && expiry != NULL &&
	    expiry->kind != JS_NULL)
		faults_add(f,
		    "Provide either 'ephemeral' or 'expire_after', not both.",
		    "_schema", NULL);
	if (faults_any(f))
		return ERR_INVALID;
	if (!n->ephemeral && seconds > 0)
		n->expires_at = clock_now_ms() + seconds * 1000;
	return ERR_OK;
}

/* Whose secret, and which: as the URL has it, for the caller.  False after the
 * reply. */
static bool
may_touch(struct worker *w, struct req *r, const char *login_first)
{
	const char *client = r->params[0], *path = r->params[1];

	if (w->svc->seal == NULL)
		(void)reply_message(r, 400, "No secrets store");
	else if (r->caller.client_id == NULL)
		(void)route_refuse(r, 401, "%s", login_first);
	else if (strcmp(r->caller.client_id, client) != 0)
		(void)route_refuse(r, 403,
		    "'%s' doesn't match authenticated client id", client);
	else if (!secret_path_ok(path))
		(void)reply_message(r, 422,
		    "Invalid value '%s', not a valid path. \n" PATH_RULE, path);
	else
		return true;
	return false;
}

/* The form that Python's fromisoformat reads: microseconds and an offset. */
static int
reply_expiry(struct req *r, int64_t expires_at)
{
	static const char never[] = "{\"expires_at\":null}\n";
	char time[CLOCK_TEXT_LEN];
	char *json;

	if (expires_at == 0)
		return reply_json(r, 200, never, sizeof(never) - 1);
	clock_text(expires_at, time);
	json =
	    arena_printf(r->arena, "{\"expires_at\":\"%.19s.%03d000+00:00\"}\n",
		time, (int)(expires_at % 1000));
	return json != NULL ? reply_json(r, 200, json, strlen(json))
			    : reply_err(r, ERR_NOMEM);
}

int
secret_put_one(struct worker *w, struct req *r)
{
	struct secret_new n = {.client = r->params[0], .path = r->params[1]};
	struct js_doc doc;
	struct faults f;
	enum err e;

	/* Parse. */
	faults_init(&f, r->arena);
	e = req_json_object(r, &doc, &f);
	if (e == ERR_INVALID)
		return r->status;
	if (e != ERR_OK)
		return reply_err(r, e);

	/* Check. */
	if (read_secret(&doc, &f, &n) != ERR_OK)
		return reply_faults(r, &f);
	if (!may_touch(w, r,
		"A login (known client_id) is required to securely "
		"storeinformation."))
		return r->status;
	if (strlen(n.path) > SECRET_PATH_MAX) {
		faults_add(
		    &f, "Longer than maximum length 1024.", "path", NULL);
		return reply_faults(r, &f);
	}

	/* Act. */
	e = secret_put(w->svc, r->arena, &n);
	if (e == ERR_LIMIT) {
		faults_add(&f,
		    "Too many secrets: a client may have 1000 of them.",
		    "_schema", NULL);
		return reply_faults(r, &f);
	}
	return e == ERR_OK ? reply_expiry(r, n.expires_at) : reply_err(r, e);
}

int
secret_delete_one(struct worker *w, struct req *r)
{
	enum err e;

	if (!may_touch(w, r,
		"A login (known client_id) is required to securely store "
		"information."))
		return r->status;
	e = secret_delete(w->svc, r->params[0], r->params[1]);
	return e == ERR_OK ? reply_text(r, 200, "OK") : reply_err(r, e);
}
