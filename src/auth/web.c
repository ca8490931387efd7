/* GET /auth/login, /auth/callback and /auth/logout: sign-in by browser (OpenID Connect Core
 * 1.0, section 3.1).  What is to be remembered between them lies in a sealed cookie. */

#include <sodium.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "oidc.h"
#include "rand_text.h"
#include "routes.h"
#include "seclog.h"
#include "session.h"
#include "user.h"

#define SIGN_IN_S 600 /* from the begin of a sign-in until its end */
#define SESSION_S 43200 /* of a session */
#define TEXT_LEN 43 /* of a random text */
#define NAME_MAX_BYTES 200
#define COOKIE "session"

/* Where browsers find us, without a slash at the end; NULL if the request does not tell. */
static const char *
own_address(struct worker *w, struct req *r)
{
	static const char signs[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-._:[]";
	const char *url = conf_str(w->svc->conf, CONF_PUBLIC_URL);
	const char *host = req_param(r, "HTTP_HOST");
	const char *scheme = req_param(r, "REQUEST_SCHEME");

	if (url[0] != '\0')
		return arena_dup(r->arena, url, uri_origin(url));
	if (host == NULL || host[0] == '\0' ||
	    strspn(host, signs) != strlen(host))
		return NULL;
	if (scheme == NULL || strcmp(scheme, "https") != 0)
		scheme = "http";
	return arena_printf(r->arena, "%s://%s", scheme, host);
}

/* 302 to a place, with the session in a cookie, or without, s == NULL. */
static int
go(struct worker *w, struct req *r, const char *where, const struct session *s)
{
	const char *key = conf_str(w->svc->conf, CONF_WEB_SECRET_KEY);
	const char *own = own_address(w, r), *value = "";
	int64_t life = 0;
	char *headers;

	if (s != NULL) {
		value = session_seal(key, r->arena, s);
		life = s->until - clock_now_ms() / 1000;
	}
	headers =
	    value != NULL
		? arena_printf(r->arena,
		      "Location: %s\r\nCache-Control: no-store\r\n"
		      "Set-Cookie: " COOKIE
		      "=%s; Path=/; HttpOnly; SameSite=Lax; "
		      "Max-Age=%lld%s\r\n",
		      where, value, (long long)life,
		      own != NULL && strncmp(own, "https:", 6) == 0 ? "; Secure"
								    : "")
		: NULL;
	if (headers == NULL)
		return reply_err(r, ERR_NOMEM);
	return reply(r, 302, "text/html; charset=utf-8", headers, "", 0);
}

static const char *
back_address(struct worker *w, struct req *r)
{
	const char *own = own_address(w, r);

	return own != NULL ? arena_printf(r->arena, "%s/auth/callback", own)
			   : NULL;
}

int
web_login(struct worker *w, struct req *r)
{
	struct oidc_call c = {.oidc = w->svc->oidc, .arena = r->arena};
	char state[TEXT_LEN + 1], nonce[TEXT_LEN + 1], verifier[TEXT_LEN + 1];
	const struct oidc_login l = {
	    state, nonce, verifier, back_address(w, r)};
	const struct session s = {
	    .state = state,
	    .nonce = nonce,
	    .verifier = verifier,
	    .until = clock_now_ms() / 1000 + SIGN_IN_S,
	};
	const char *url;
	enum err e;

	if (l.redirect == NULL)
		return reply_message(r, 400, "Invalid Host header");
	if ((e = rand_text(state, TEXT_LEN)) != ERR_OK ||
	    (e = rand_text(nonce, TEXT_LEN)) != ERR_OK ||
	    (e = rand_text(verifier, TEXT_LEN)) != ERR_OK)
		return reply_err(r, e);
	switch (oidc_login_url(&c, &l, &url)) {
	case OIDC_OK:
		return go(w, r, url, &s);
	case OIDC_FAILED:
		return reply_err(r, c.failure);
	case OIDC_UNREACHABLE:
		return reply_message(
		    r, 502, "Failed to communicate with OIDC provider");
	default:
		return reply_message(
		    r, 502, "OIDC provider returned an unexpected response");
	}
}

/* The sign-in that this browser began and the provider ended; false with the reason. */
static bool
read_return(struct worker *w, struct req *r, struct session *s,
    const char **code, const char **why)
{
	const char *key = conf_str(w->svc->conf, CONF_WEB_SECRET_KEY);
	const char *cookies = req_param(r, "HTTP_COOKIE");
	const char *value =
	    cookies != NULL ? uri_cookie(r->arena, cookies, COOKIE) : NULL;
	const char *state = uri_query(&r->uri, "state");

	*why = "this browser has not begun one";
	if (value == NULL ||
	    !session_open(key, r->arena, value, clock_now_ms() / 1000, s) ||
	    s->state == NULL || s->nonce == NULL || s->verifier == NULL)
		return false;
	*why = "it is not the one that this browser has begun";
	if (state == NULL || strlen(state) != strlen(s->state) ||
	    sodium_memcmp(state, s->state, strlen(state)) != 0)
		return false;
	*why = "the answer is by another provider";
	if (!oidc_is_issuer(w->svc->oidc, uri_query(&r->uri, "iss")))
		return false;
	*why = "the provider refused";
	*code = uri_query(&r->uri, "code");
	return uri_query(&r->uri, "error") == NULL && *code != NULL;
}

/* Back to the first page, as if nothing had been; the log knows more. */
static int
give_up(struct worker *w, struct req *r, const char *why)
{
	seclog(r, "authn_login_fail:unknown", "Sign-in by browser failed: %s",
	    why);
	return go(w, r, "/", NULL);
}

/* What fits into a cookie of a person's name. */
static const char *
short_name(struct arena *a, const char *name)
{
	size_t n = strlen(name);

	if (n <= NAME_MAX_BYTES)
		return name;
	n = NAME_MAX_BYTES;
	while (n > 0 && ((unsigned char)name[n] & 0xc0) == 0x80)
		n--;
	return arena_dup(a, name, n);
}

static int
welcome(struct worker *w, struct req *r, const struct oidc_user *who)
{
	const struct session s = {
	    .client = who->email,
	    .name = short_name(
		r->arena, who->name != NULL ? who->name : who->email),
	    .until = clock_now_ms() / 1000 + SESSION_S,
	};
	enum err e;

	switch (sign_in(w, r, who, &e)) {
	case USER_FAILED:
		return reply_err(r, e);
	case USER_BAD_EMAIL:
		return give_up(w, r, "the email address will not do as an id");
	case USER_TAKEN:
		seclog(r,
		    arena_printf(r->arena, "authn_login_fail:%s", who->email),
		    "Sign-in of %s refused: a client with that id exists "
		    "already",
		    who->email);
		return reply_message(r, 409, "%s", SIGN_IN_TAKEN);
	default:
		break;
	}
	seclog(r, arena_printf(r->arena, "authn_login_success:%s", who->email),
	    "Client %s signed in by browser", who->email);
	return go(w, r, "/", &s);
}

int
web_callback(struct worker *w, struct req *r)
{
	struct oidc_call c = {.oidc = w->svc->oidc, .arena = r->arena};
	struct oidc_login l;
	struct oidc_user who;
	struct session s;
	const char *code, *why;

	if (!read_return(w, r, &s, &code, &why))
		return give_up(w, r, why);
	l = (struct oidc_login){
	    s.state, s.nonce, s.verifier, back_address(w, r)};
	if (l.redirect == NULL)
		return reply_message(r, 400, "Invalid Host header");
	switch (oidc_login_user(&c, &l, code, &who)) {
	case OIDC_OK:
		return welcome(w, r, &who);
	case OIDC_FAILED:
		return reply_err(r, c.failure);
	case OIDC_NO_EMAIL:
		return give_up(w, r, "the provider told no email address");
	case OIDC_REFUSED:
		return give_up(w, r, "the provider did not take its own code");
	default:
		return give_up(w, r, "the provider did not tell who it is");
	}
}

int
web_logout(struct worker *w, struct req *r)
{
	return go(w, r, "/", NULL);
}
