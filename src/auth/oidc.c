/* POST /oidc/auth-init and /oidc/auth-poll/{request_id}: sign-in by device, for the
 * command-line client (RFC 8628). */

#include "oidc.h"

#include <string.h>

#include "client.h"
#include "device.h"
#include "js_escape.h"
#include "log.h"
#include "routes.h"
#include "seclog.h"
#include "user.h"

/* How a failed conversation with the provider is told. */
struct words {
	enum oidc_verdict verdict;
	int status;
	const char *message;
};

#define UNREACHABLE                                                            \
	{                                                                      \
		OIDC_UNREACHABLE, 502,                                         \
		    "Failed to communicate with OIDC provider"                 \
	}
#define UNEXPECTED                                                             \
	{                                                                      \
		OIDC_UNEXPECTED, 502,                                          \
		    "OIDC provider returned an unexpected response"            \
	}

static const struct words init_words[] = {
    {OIDC_NO_ENDPOINT, 500,
	"OIDC provider does not support device authorization"},
    {OIDC_REFUSED, 502, "OIDC provider rejected device authorization request"},
    UNREACHABLE,
    UNEXPECTED,
};

static const struct words poll_words[] = {
    {OIDC_NO_ENDPOINT, 500, "OIDC provider metadata missing token endpoint"},
    {OIDC_NO_USER, 502,
	"Failed to retrieve user information from OIDC provider"},
    {OIDC_NO_EMAIL, 502, "OIDC provider did not return an email address"},
    {OIDC_REFUSED, 502, "OIDC provider returned an unexpected response"},
    UNREACHABLE,
    UNEXPECTED,
};

static int
reply_failure(struct req *r, const struct oidc_call *c, enum oidc_verdict v,
    const struct words *words, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (words[i].verdict == v)
			return reply_message(
			    r, words[i].status, "%s", words[i].message);
	return reply_err(r, c->failure);
}

/* What the provider answered, with our id in place of its code. */
static int
reply_begun(struct req *r, const struct oidc_device *d, const char *id)
{
	const struct js_member *m;
	struct buf b;
	size_t i;

	buf_init(&b, r->arena, d->answer.text.len + 128);
	buf_char(&b, '{');
	for (i = 0; i < d->answer.n_members; i++) {
		m = &d->answer.members[i];
		if (strcmp(m->key, "device_code") == 0 ||
		    strcmp(m->key, "request_id") == 0)
			continue;
		buf_add(&b, m->raw_key.p, m->raw_key.len);
		buf_char(&b, ':');
		buf_add(&b, m->value.p, m->value.len);
		buf_char(&b, ',');
	}
	buf_printf(&b, "\"request_id\":\"%s\"}\n", id);
	return buf_ok(&b) ? reply_json(r, 200, b.p, b.len)
			  : reply_err(r, ERR_NOMEM);
}

int
oidc_init(struct worker *w, struct req *r)
{
	struct oidc_call c = {.oidc = w->svc->oidc, .arena = r->arena};
	char id[DEVICE_ID_LEN + 1];
	struct oidc_device d;
	enum oidc_verdict v;
	enum err e;

	v = oidc_device_start(&c, &d);
	if (v != OIDC_OK)
		return reply_failure(r, &c, v, init_words,
		    sizeof(init_words) / sizeof(init_words[0]));
	if (d.code == NULL)
		return reply_message(
		    r, 502, "OIDC provider response missing device_code");
	e = device_begin(w->svc, d.code, d.life_s, id);
	return e == ERR_OK ? reply_begun(r, &d, id) : reply_err(r, e);
}

/* The provider's word as the client reads it. */
static int
reply_word(struct req *r, const char *word, const char *headers)
{
	struct buf b;

	buf_init(&b, r->arena, 128);
	buf_str(&b, "{\"error\":");
	js_put_string(&b, word, strlen(word));
	buf_str(&b, "}\n");
	return buf_ok(&b)
		   ? reply(r, 400, "application/json", headers, b.p, b.len)
		   : reply_err(r, ERR_NOMEM);
}

static int
reply_refused(struct worker *w, struct req *r, const char *id, const char *word)
{
	if (strcmp(word, "authorization_pending") == 0)
		return reply_word(r, word, NULL);
	if (strcmp(word, "slow_down") == 0)
		return reply_word(r, word, "Retry-After: 5\r\n");
	seclog(r, "authn_login_fail:unknown",
	    "Sign-in by device refused by the OIDC provider: %s", word);
	device_end(w->svc, id);
	return reply_word(r, word, NULL);
}

/* In the form in which the client finds a reason to end. */
static int
reply_taken(struct req *r, const char *email)
{
	struct buf b;

	buf_init(&b, r->arena, 256);
	buf_str(&b, "{\"detail\":{},\"error\":\"email_taken\",\"message\":");
	js_put_string(&b, SIGN_IN_TAKEN, strlen(SIGN_IN_TAKEN));
	buf_str(&b, "}\n");
	seclog(r, arena_printf(r->arena, "authn_login_fail:%s", email),
	    "Sign-in of %s refused: a client with that id exists already",
	    email);
	return buf_ok(&b) ? reply_json(r, 409, b.p, b.len)
			  : reply_err(r, ERR_NOMEM);
}

static void
tell_renamed(
    struct worker *w, struct req *r, const char *former, const char *id)
{
	struct client c = {.role_name = "contributor"};

	if (client_read(w->svc, r->arena, id, &c) != ERR_OK)
		log_warn("the role of %s cannot be told", id);
	seclog(r,
	    arena_printf(
		r->arena, "user_updated:%s,%s,role=%s", id, id, c.role_name),
	    "The client %s in the role %s is called %s from now on, as the "
	    "OIDC "
	    "provider says",
	    former, c.role_name, id);
}

enum user_verdict
sign_in(struct worker *w, struct req *r, const struct oidc_user *who,
    enum err *failure)
{
	const struct user u = {who->sub, who->email, who->name};
	const char *former = NULL;
	enum user_verdict v =
	    user_sign_in(w->svc, r->arena, &u, &former, failure);

	if (v == USER_NEW)
		seclog(r,
		    arena_printf(r->arena,
			"user_created:%s,%s,role=contributor", u.email,
			u.email),
		    "Client %s was made in the role contributor by a first "
		    "sign-in",
		    u.email);
	if (v == USER_RENAMED)
		tell_renamed(w, r, former, u.email);
	return v;
}

static int
reply_signed_in(struct worker *w, struct req *r, const struct oidc_user *who)
{
	struct client client;
	enum err e;

	switch (sign_in(w, r, who, &e)) {
	case USER_FAILED:
		return reply_err(r, e);
	case USER_BAD_EMAIL:
		seclog(r, "authn_login_fail:unknown",
		    "Sign-in by device failed: the OIDC provider's email "
		    "address will not do as an id");
		return reply_message(
		    r, 502, "OIDC provider did not return an email address");
	case USER_TAKEN:
		return reply_taken(r, who->email);
	default:
		break;
	}
	e = client_read(w->svc, r->arena, who->email, &client);
	return e == ERR_OK ? oauth2_reply_login(w, r, &client)
			   : reply_err(r, e);
}

int
oidc_poll(struct worker *w, struct req *r)
{
	struct oidc_call c = {.oidc = w->svc->oidc, .arena = r->arena};
	const char *id = r->params[0], *code;
	struct oidc_user who;
	enum oidc_verdict v;
	enum err e;

	e = device_code(w->svc, r->arena, id, &code);
	if (e == ERR_NOTFOUND)
		return reply_message(r, 400, "Invalid or expired request_id");
	if (e != ERR_OK)
		return reply_err(r, e);
	v = oidc_device_poll(&c, code, &who);
	if (v == OIDC_REFUSED && c.error[0] != '\0')
		return reply_refused(w, r, id, c.error);
	if (v == OIDC_NO_USER || v == OIDC_NO_EMAIL)
		seclog(r, "authn_login_fail:unknown",
		    "Sign-in by device failed: the OIDC provider does not tell "
		    "%s",
		    v == OIDC_NO_USER ? "who it is" : "an email address");
	if (v != OIDC_OK)
		return reply_failure(r, &c, v, poll_words,
		    sizeof(poll_words) / sizeof(poll_words[0]));
	/* The provider takes its code but once. */
	device_end(w->svc, id);
	return reply_signed_in(w, r, &who);
}
