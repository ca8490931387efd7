/* /v1/client-permissions: who may log in, and what for. */

#include <string.h>

#include "client.h"
#include "routes.h"
#include "seclog.h"

#define NO_CLIENT "Error: Specified client_id does not exist."

int
permissions_list(struct worker *w, struct req *r)
{
	const char *json;
	size_t len;
	enum err e;

	e = client_list(w->svc, r->arena, &json, &len);
	return e == ERR_OK ? reply_json(r, 200, json, len) : reply_err(r, e);
}

int
permissions_get(struct worker *w, struct req *r)
{
	struct client c;
	struct buf b;
	enum err e;

	e = client_read(w->svc, r->arena, r->params[0], &c);
	if (e == ERR_NOTFOUND)
		return reply_message(r, 404, NO_CLIENT);
	if (e != ERR_OK)
		return reply_err(r, e);
	buf_init(&b, r->arena, c.json_len + 2);
	buf_add(&b, c.json, c.json_len);
	buf_char(&b, '\n');
	return buf_ok(&b) ? reply_json(r, 200, b.p, b.len)
			  : reply_err(r, ERR_NOMEM);
}

static void
note_refusal(struct req *r, const char *what, const char *why)
{
	seclog(r,
	    arena_printf(
		r->arena, "authz_admin:%s,%s", r->caller.client_id, what),
	    "Client %s may not %s %s: %s", r->caller.client_id, what,
	    r->params[0], why);
}

/* Administration refused: told to the security log, then to the caller. */
static int
refuse(struct req *r, int status, const char *what, const char *message)
{
	if (message == NULL)
		return reply_err(r, ERR_NOMEM);
	note_refusal(r, what, message);
	return reply_message(r, status, "%s", message);
}

/* The change was judged and, as far as it may be, made. */
static int
reply_put(struct req *r, const struct client_change *ch, enum client_verdict v,
    const char *role)
{
	const char *by = r->caller.client_id, *id = r->params[0];
	bool made = v == CLIENT_CREATED;
	const char *text;

	switch (v) {
	case CLIENT_OIDC:
		return refuse(r, 422, "update_client",
		    "Error: Cannot add email or client secret to OIDC client "
		    "id");
	case CLIENT_NO_SECRET:
		return refuse(r, 400, "create_client",
		    "Error: Missing client_secret in request body for new "
		    "client");
	case CLIENT_ABOVE:
		return refuse(r, 403, "update_client",
		    arena_printf(r->arena,
			"%s has insufficient permissions to modify client "
			"'%s'",
			by, id));
	case CLIENT_ROLE_ABOVE:
		return refuse(r, 403, "assign_role",
		    arena_printf(r->arena,
			"%s has insufficient permissions to assign role '%s' "
			"to client '%s'",
			by, auth_role_name(ch->role), id));
	default:
		break;
	}
	seclog(r,
	    arena_printf(r->arena, "user_%s:%s,%s,role=%s",
		made ? "created" : "updated", by, id, role),
	    "Client %s %s client %s in the role %s", by,
	    made ? "made" : "changed", id, role);
	text = arena_printf(r->arena, "%s permissions for client '%s'",
	    made ? "Created" : "Updated", id);
	return text != NULL ? reply_text(r, 200, text)
			    : reply_err(r, ERR_NOMEM);
}

int
permissions_put(struct worker *w, struct req *r)
{
	const char *id = r->params[0], *role, *why;
	struct client_change ch;
	enum client_verdict v;
	struct js_doc doc;
	struct faults f;
	enum err e;

	/* Parse. */
	faults_init(&f, r->arena);
	e = req_json_object(r, &doc, &f);
	if (e == ERR_INVALID)
		return r->status;

	/* Check. */
	if (e == ERR_OK)
		e = client_change_read(&doc, &f, &ch);
	if (e == ERR_INVALID)
		return reply_faults(r, &f);
	if (e != ERR_OK)
		return reply_err(r, e);
	if (strcmp(id, CLIENT_SYSTEM) == 0)
		return refuse(r, 422, "update_client",
		    "Error: System admin client cannot by modified from API.");
	if ((why = client_id_fault(id)) != NULL) {
		faults_add(&f, why, "client_id", NULL);
		return reply_faults(r, &f);
	}

	/* Act. */
	v = client_put(w->svc, id, &ch, r->caller.roles, &role, &e);
	return v == CLIENT_FAILED ? reply_err(r, e)
				  : reply_put(r, &ch, v, role);
}

static int
reply_deleted(struct req *r, const char *how, int status, const char *message)
{
	const char *by = r->caller.client_id, *id = r->params[0];

	seclog(r, arena_printf(r->arena, "user_deleted:%s,%s", by, id),
	    "Client %s in the role admin deletes client %s: %s", by, id, how);
	return status == 200 ? reply_text(r, 200, message)
			     : reply_message(r, status, "%s", message);
}

int
permissions_delete(struct worker *w, struct req *r)
{
	const char *id = r->params[0];
	enum err e;

	if (strcmp(id, CLIENT_SYSTEM) == 0) {
		note_refusal(r, "delete_client", "it is the system admin");
		return reply_deleted(r, "refused", 422,
		    "Error: System admin client cannot by deleted from API.");
	}
	e = client_remove(w->svc, id);
	if (e == ERR_NOTFOUND)
		return reply_deleted(
		    r, "there is no such client", 404, NO_CLIENT);
	if (e != ERR_OK)
		return reply_err(r, e);
	return reply_deleted(r, "done", 200, "OK");
}
