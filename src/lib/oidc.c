/* The flows, and what of the provider's word is believed. */

#include "oidc.h"

#include <math.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "b64url.h"
#include "clock.h"
#include "log.h"
#include "oidc_provider.h"

#define SCOPE "openid profile email"
#define DEVICE_LIFE_S 300
#define DEVICE_LIFE_MAX_S 3600

static const char device_grant[] =
    "urn:ietf:params:oauth:grant-type:device_code";

/* The provider's word for what went wrong; "" if it has none. */
static enum oidc_verdict
refused(struct oidc_call *c, const struct oidc_answer *a)
{
	const char *word = js_text(c->arena, &a->json, "error");

	c->error = word != NULL ? word : "";
	return OIDC_REFUSED;
}

static int64_t
life_of(struct arena *a, const struct js_doc *doc)
{
	const struct js_member *m = js_find(doc, "expires_in");
	double s;

	if (m == NULL || !jws_seconds(a, m, &s) || s < 1)
		return DEVICE_LIFE_S;
	return s < DEVICE_LIFE_MAX_S ? (int64_t)s : DEVICE_LIFE_MAX_S;
}

enum oidc_verdict
oidc_device_start(struct oidc_call *c, struct oidc_device *out)
{
	struct oidc_answer a;
	struct oidc_meta m;
	enum oidc_verdict v;
	struct buf form;

	if ((v = oidc_meta(c, &m)) != OIDC_OK)
		return v;
	if (m.device == NULL)
		return OIDC_NO_ENDPOINT;
	buf_init(&form, c->arena, 256);
	oidc_form(&form, "scope", SCOPE);
	v = oidc_post(c, &m, m.device, &form, &a);
	if ((v == OIDC_OK || v == OIDC_UNEXPECTED) && a.status >= 400)
		return OIDC_REFUSED;
	if (v != OIDC_OK)
		return v;
	out->code = js_text(c->arena, &a.json, "device_code");
	out->life_s = life_of(c->arena, &a.json);
	out->answer = a.json;
	return OIDC_OK;
}

/* Is this server among those that the token is for?  (Core, section 3.1.3.7, 3 to 5.) */
static bool
is_for(struct arena *a, const struct js_doc *claims, const char *client)
{
	const struct js_member *aud = js_find(claims, "aud");
	const char *azp = js_text(a, claims, "azp"), *s;
	struct js_member one;
	struct js_span rest;
	bool found = false;
	unsigned n = 0;
	size_t len;

	if (js_find(claims, "azp") != NULL &&
	    (azp == NULL || strcmp(azp, client) != 0))
		return false;
	if (aud == NULL)
		return false;
	if (aud->kind == JS_STRING)
		return (s = js_string(a, aud, &len)) != NULL &&
		       strcmp(s, client) == 0;
	if (aud->kind != JS_ARRAY)
		return false;
	rest = aud->value;
	for (; js_element(&rest, &one); n++)
		found |= one.kind == JS_STRING &&
			 (s = js_string(a, &one, &len)) != NULL &&
			 strcmp(s, client) == 0;
	return found && (n == 1 || azp != NULL);
}

/* What is wrong with the claims of an ID token; NULL: nothing.  nonce: NULL where none was
 * sent. */
static const char *
claims_fault(struct oidc_call *c, const struct oidc_meta *m,
    const struct js_doc *claims, const char *nonce)
{
	const struct conf *conf = oidc_conf(c->oidc);
	double leeway = (double)conf_int(conf, CONF_JWT_LEEWAY), at;
	double now = (double)clock_now_ms() / 1000;
	const struct js_member *exp = js_find(claims, "exp"),
			       *iat = js_find(claims, "iat");
	const char *iss = js_text(c->arena, claims, "iss");
	const char *given = js_text(c->arena, claims, "nonce");

	if (iss == NULL || strcmp(iss, m->issuer) != 0)
		return "is by another issuer";
	if (!is_for(c->arena, claims, conf_str(conf, CONF_OIDC_CLIENT_ID)))
		return "is for another client";
	if (exp == NULL || !jws_seconds(c->arena, exp, &at) ||
	    at <= now - leeway)
		return "has expired";
	if (iat == NULL || !jws_seconds(c->arena, iat, &at) ||
	    at > now + leeway)
		return "is of the future";
	if (nonce != NULL && (given == NULL || strcmp(given, nonce) != 0))
		return "is for another sign-in";
	return NULL;
}

static bool
span_is(const struct js_span *s, const char *text)
{
	return s->len == strlen(text) && memcmp(s->p, text, s->len) == 0;
}

/* An address that the provider says it has not verified may be anybody's. */
static bool
is_unverified(const struct js_doc *claims)
{
	const struct js_member *m = js_find(claims, "email_verified");

	/* Some providers tell it as text. */
	if (m == NULL ||
	    (!span_is(&m->value, "false") && !span_is(&m->value, "\"false\"")))
		return false;
	log_warn("the OIDC provider has not verified the email address of "
		 "somebody who signs in; let it do that");
	return true;
}

/* Take from claims what *u has not. */
static void
take_claims(struct arena *a, const struct js_doc *claims, struct oidc_user *u)
{
	if (u->sub == NULL)
		u->sub = js_text(a, claims, "sub");
	if (u->email == NULL && !is_unverified(claims))
		u->email = js_text(a, claims, "email");
	if (u->name == NULL)
		u->name = js_text(a, claims, "name");
}

static enum oidc_verdict
read_id_token(struct oidc_call *c, const struct oidc_meta *m, const char *token,
    const char *nonce, struct oidc_user *u)
{
	enum oidc_verdict v;
	const char *fault;
	struct jws t;
	enum err e;

	e = jws_read(&t, c->arena, token, strlen(token));
	if (e == ERR_NOMEM)
		return oidc_fail(c, e);
	if (e != ERR_OK) {
		log_warn("the OIDC provider's ID token cannot be read");
		return OIDC_NO_USER;
	}
	if ((v = oidc_signed(c, m, &t)) != OIDC_OK)
		return v;
	if ((fault = claims_fault(c, m, &t.payload, nonce)) != NULL) {
		log_warn("the OIDC provider's ID token %s", fault);
		return OIDC_NO_USER;
	}
	take_claims(c->arena, &t.payload, u);
	return u->sub != NULL ? OIDC_OK : OIDC_NO_USER;
}

/* What else it tells of the person (Core, section 5.3). */
static enum oidc_verdict
ask_userinfo(struct oidc_call *c, const struct oidc_meta *m, const char *access,
    struct oidc_user *u)
{
	struct oidc_answer a;
	const char *sub;

	switch (oidc_get(c, m->userinfo, access, &a)) {
	case OIDC_OK:
		break;
	case OIDC_FAILED:
		return OIDC_FAILED;
	default:
		return OIDC_NO_USER;
	}
	sub = js_text(c->arena, &a.json, "sub");
	if (a.status != 200 || sub == NULL ||
	    (u->sub != NULL && strcmp(sub, u->sub) != 0)) {
		log_warn("the OIDC provider does not tell who signed in "
			 "(status %d)",
		    a.status);
		return OIDC_NO_USER;
	}
	take_claims(c->arena, &a.json, u);
	return OIDC_OK;
}

/*
 * Who the tokens in the answer are for.  The browser's must come with an ID token, as it is
 * this that is bound to the browser by nonce; that of a device may do without.
 */
static enum oidc_verdict
read_user(struct oidc_call *c, const struct oidc_meta *m,
    const struct oidc_answer *a, const char *nonce, struct oidc_user *out)
{
	const char *access = js_text(c->arena, &a->json, "access_token");
	const char *id = js_text(c->arena, &a->json, "id_token");
	struct oidc_user u = {NULL, NULL, NULL};
	enum oidc_verdict v = OIDC_OK;

	if (access == NULL || (id == NULL && nonce != NULL)) {
		log_warn("the OIDC provider gave no %s",
		    access == NULL ? "access token" : "ID token");
		return OIDC_UNEXPECTED;
	}
	if (id != NULL)
		v = read_id_token(c, m, id, nonce, &u);
	if (v == OIDC_OK && u.email == NULL && m->userinfo != NULL)
		v = ask_userinfo(c, m, access, &u);
	if (v != OIDC_OK)
		return v;
	if (u.sub == NULL || u.sub[0] == '\0')
		return OIDC_NO_USER;
	if (u.email == NULL || u.email[0] == '\0')
		return OIDC_NO_EMAIL;
	*out = u;
	return OIDC_OK;
}

/* Trade what form holds for tokens, and those for a user. */
static enum oidc_verdict
trade(struct oidc_call *c, struct buf *form, const char *nonce,
    struct oidc_user *out)
{
	struct oidc_answer a;
	struct oidc_meta m;
	enum oidc_verdict v;

	if ((v = oidc_meta(c, &m)) != OIDC_OK)
		return v;
	if (m.token == NULL)
		return OIDC_NO_ENDPOINT;
	if ((v = oidc_post(c, &m, m.token, form, &a)) != OIDC_OK)
		return v;
	if (a.status >= 400 || js_find(&a.json, "error") != NULL)
		return refused(c, &a);
	return read_user(c, &m, &a, nonce, out);
}

enum oidc_verdict
oidc_device_poll(struct oidc_call *c, const char *code, struct oidc_user *out)
{
	struct buf form;

	buf_init(&form, c->arena, 512);
	oidc_form(&form, "grant_type", device_grant);
	oidc_form(&form, "device_code", code);
	return trade(c, &form, NULL, out);
}

/* The challenge that the verifier answers (RFC 7636, section 4.2). */
static bool
challenge(struct buf *out, const char *verifier)
{
	unsigned char hash[32];
	unsigned n = 0;

	if (EVP_Digest(verifier, strlen(verifier), hash, &n, EVP_sha256(),
		NULL) != 1 ||
	    n != sizeof(hash))
		return false;
	b64url_put(out, hash, sizeof(hash));
	return buf_ok(out);
}

enum oidc_verdict
oidc_login_url(
    struct oidc_call *c, const struct oidc_login *l, const char **url)
{
	const struct conf *conf = oidc_conf(c->oidc);
	struct buf query, hash;
	struct oidc_meta m;
	enum oidc_verdict v;

	if ((v = oidc_meta(c, &m)) != OIDC_OK)
		return v;
	if (m.authorization == NULL)
		return OIDC_NO_ENDPOINT;
	buf_init(&hash, c->arena, 64);
	buf_init(&query, c->arena, 1024);
	if (!challenge(&hash, l->verifier))
		return oidc_fail(c, ERR_NOMEM);
	oidc_form(&query, "response_type", "code");
	oidc_form(&query, "client_id", conf_str(conf, CONF_OIDC_CLIENT_ID));
	oidc_form(&query, "redirect_uri", l->redirect);
	oidc_form(&query, "scope", SCOPE);
	oidc_form(&query, "state", l->state);
	oidc_form(&query, "nonce", l->nonce);
	oidc_form(&query, "code_challenge", hash.p);
	oidc_form(&query, "code_challenge_method", "S256");
	*url =
	    buf_ok(&query)
		? arena_printf(c->arena, "%s%c%s", m.authorization,
		      strchr(m.authorization, '?') != NULL ? '&' : '?', query.p)
		: NULL;
	return *url != NULL ? OIDC_OK : oidc_fail(c, ERR_NOMEM);
}

enum oidc_verdict
oidc_login_user(struct oidc_call *c, const struct oidc_login *l,
    const char *code, struct oidc_user *out)
{
	struct buf form;

	buf_init(&form, c->arena, 512);
	oidc_form(&form, "grant_type", "authorization_code");
	oidc_form(&form, "code", code);
	oidc_form(&form, "redirect_uri", l->redirect);
	oidc_form(&form, "code_verifier", l->verifier);
	return trade(c, &form, l->nonce, out);
}
