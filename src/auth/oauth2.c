/* POST /v1/oauth2/token, /v1/oauth2/refresh and /v1/oauth2/revoke. */

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "body.h"
#include "clock.h"
#include "jwt.h"
#include "login.h"
#include "routes.h"
#include "seclog.h"
#include "token.h"
#include "utf8.h"

/*
 * Without a key there are no tokens.  Clients take this status for "no log-in here" and go
 * on as anonymous callers, whose roles are all there is then; after 400 they would
 * throw their token away, after 401 or 403 give up.
 */
static int
reply_no_key(struct req *r)
{
	return reply_message(
	    r, 501, "There are no tokens: the server has no JWT_SIGNING_KEY");
}

static int
reply_wrong(struct req *r, const char *id, const char *why)
{
	seclog(r, arena_printf(r->arena, "authn_login_fail:%s", id),
	    "Log-in of client %s refused: %s", id, why);
	return reply_text(r, 401, "Invalid client id or client key");
}

static int
reply_limited(struct req *r, const char *id, int wait_s)
{
	static const char json[] =
	    "{\"detail\":{},\"message\":\"Too many failed log-ins\"}\n";
	char retry[64];

	seclog(r, arena_printf(r->arena, "authn_login_fail:%s", id),
	    "Log-in of client %s refused: too many have failed", id);
	(void)snprintf(retry, sizeof(retry), "Retry-After: %d\r\n", wait_s);
	return reply(r, 429, "application/json", retry, json, sizeof(json) - 1);
}

/* An access token for c, and with refresh the refresh token that goes with it. */
static int
reply_tokens(struct worker *w, struct req *r, const struct client *c,
    const char *refresh)
{
	const char *access;
	struct buf b;
	enum err e;

	e = jwt_sign(w->svc->jwt, r->arena, c->json, c->json_len,
	    clock_now_ms(), &access);
	if (e != ERR_OK)
		return reply_err(r, e);
	buf_init(&b, r->arena, strlen(access) + 256);
	buf_printf(&b, "{\"access_token\":\"%s\",\"expires_in\":%d,", access,
	    JWT_LIFE_S);
	if (refresh != NULL)
		buf_printf(&b, "\"refresh_token\":\"%s\",", refresh);
	buf_str(&b, "\"token_type\":\"Bearer\"}\n");
	if (!buf_ok(&b))
		return reply_err(r, ERR_NOMEM);
	seclog(r,
	    arena_printf(
		r->arena, "authn_token_created:%s,%s", c->id, c->role_name),
	    "Access token made for client %s in the role %s", c->id,
	    c->role_name);
	return reply_json(r, 200, b.p, b.len);
}

/* The base64 of "id:secret" (RFC 7617, section 2). */
static bool
read_basic(struct req *r, const char *text, struct login *l)
{
	size_t max = strlen(text), len;
	unsigned char *p = arena_alloc(r->arena, max + 1);
	char *colon;

	if (p == NULL || sodium_base642bin(p, max, text, max, NULL, &len, NULL,
			     sodium_base64_VARIANT_ORIGINAL) != 0)
		return false;
	p[len] = '\0';
	colon = memchr(p, ':', len);
	if (colon == NULL || !utf8_ok((char *)p, len) ||
	    memchr(p, '\0', (size_t)(colon - (char *)p)) != NULL)
		return false;
	*colon = '\0';
	l->id = (char *)p;
	l->secret = colon + 1;
	l->secret_len = len - (size_t)(colon + 1 - (char *)p);
	return l->id[0] != '\0';
}

int
oauth2_reply_login(struct worker *w, struct req *r, const struct client *c)
{
	char refresh[TOKEN_LEN + 1];
	enum err e;

	e = token_issue(w->svc, c->id, refresh);
	if (e == ERR_CONFLICT)
		return reply_wrong(r, c->id, "it was removed meanwhile");
	if (e != ERR_OK)
		return reply_err(r, e);
	seclog(r, arena_printf(r->arena, "authn_login_success:%s", c->id),
	    "Client %s in the role %s logged in", c->id, c->role_name);
	return reply_tokens(w, r, c, refresh);
}

/* No id came. */
static int
reply_nobody(struct req *r, const char *text)
{
	seclog(r, "authn_login_fail:unknown", "Log-in refused: %s", text);
	return reply_text(r, 401, text);
}

int
oauth2_token(struct worker *w, struct req *r)
{
	const char *auth = req_param(r, "HTTP_AUTHORIZATION");
	const char *address = req_param(r, "REMOTE_ADDR");
	struct login l = {.address = address != NULL ? address : ""};
	struct client c;
	enum err failure;
	int wait_s;

	/* Parse. */
	if (w->svc->jwt == NULL)
		return reply_no_key(r);
	if (auth == NULL || auth[0] == '\0')
		return reply_nobody(r, "No authorization header specified");
	if (strncasecmp(auth, "Basic", 5) != 0 ||
	    (auth[5] != ' ' && auth[5] != '\0'))
		return reply_nobody(r,
		    "Client id and key must be specified in authorization "
		    "header");
	auth += 5;
	auth += strspn(auth, " ");
	if (!read_basic(r, auth, &l))
		return reply_wrong(r, "unknown", "no id and secret came");

	/* Act. */
	switch (login_check(w->svc, r->arena, &l, &c, &wait_s, &failure)) {
	case LOGIN_GOOD:
		return oauth2_reply_login(w, r, &c);
	case LOGIN_WRONG:
		return reply_wrong(
		    r, l.id, "no such client, or another secret");
	case LOGIN_LIMITED:
		return reply_limited(r, l.id, wait_s);
	default:
		return reply_err(r, failure);
	}
}

static int
reply_reuse(
    struct req *r, const char *client, const char *what, const char *message)
{
	seclog(r, arena_printf(r->arena, "authn_token_reuse:%s", client),
	    "Refresh token of client %s refused: it is %s", client, what);
	return reply_message(r, 400, "%s", message);
}

static int
reply_unknown(struct req *r)
{
	seclog(r, "authn_login_fail:unknown",
	    "Refresh token refused: it is unknown");
	return reply_message(r, 400, "Invalid refresh token.");
}

int
oauth2_refresh(struct worker *w, struct req *r)
{
	const char *token, *id = NULL;
	struct client c;
	enum err failure;

	/* Parse. */
	if (w->svc->jwt == NULL)
		return reply_no_key(r);
	if ((token = body_string(r, "refresh_token", body_not_empty)) == NULL) {
		seclog(r, "authn_login_fail:unknown",
		    "Refresh refused: no refresh token came");
		return r->status;
	}

	/* Act.  The client is asked anew for what it may, so that a change takes effect with
	 * the next access token. */
	switch (token_use(w->svc, r->arena, token, &id, &failure)) {
	case TOKEN_GOOD:
		failure = client_read(w->svc, r->arena, id, &c);
		if (failure == ERR_OK)
			return reply_tokens(w, r, &c, NULL);
		if (failure != ERR_NOTFOUND)
			return reply_err(r, failure);
		return reply_unknown(r);
	case TOKEN_UNKNOWN:
		return reply_unknown(r);
	case TOKEN_REVOKED:
		return reply_reuse(r, id, "revoked", "Refresh token revoked.");
	case TOKEN_EXPIRED:
		return reply_reuse(r, id, "expired", "Refresh token expired");
	default:
		return reply_err(r, failure);
	}
}

int
oauth2_revoke(struct worker *w, struct req *r)
{
	static const char json[] = "{\"status\":\"OK\"}\n";
	char name[TOKEN_ID_LEN + 1];
	const char *token;
	enum err e;

	if ((token = body_string(r, "refresh_token", body_not_empty)) == NULL)
		return r->status;
	e = token_revoke(w->svc, token);
	if (e == ERR_NOTFOUND)
		return reply_message(r, 400, "Refresh token not found");
	if (e == ERR_CONFLICT)
		return reply_message(
		    r, 400, "Refresh token has already been revoked");
	if (e != ERR_OK)
		return reply_err(r, e);
	token_id(token, name);
	seclog(r,
	    arena_printf(r->arena, "authn_token_revoked:%s,%s",
		r->caller.client_id, name),
	    "Client %s in the role admin revoked the refresh token whose hash "
	    "begins with %s",
	    r->caller.client_id, name);
	return reply_json(r, 200, json, sizeof(json) - 1);
}
