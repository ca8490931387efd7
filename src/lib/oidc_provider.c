/* What is asked of the provider, and how. */

#include "oidc_provider.h"

#include <sodium.h>
#include <string.h>

#include "clock.h"
#include "fetch.h"
#include "jwks.h"
#include "log.h"
#include "uri.h"

#define CALL_MS 5000
#define KEPT_MS INT64_C(3600000)
/* For a token that no key signed, keys are asked for anew, but not more often. */
#define KEYS_AGAIN_MS 5000

/* Signs of addresses (RFC 3986, appendix A). */
#define UNRESERVED                                                             \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
static const char uri_signs[] = UNRESERVED ":/?#[]@!$&'()*+,;=%";

static const char provider[] = "the OIDC provider";

enum oidc_verdict
oidc_fail(struct oidc_call *c, enum err e)
{
	c->failure = e;
	return OIDC_FAILED;
}

/* Call, and read the answer, which must be a JSON object. */
static enum oidc_verdict
talk(struct oidc_call *c, const struct fetch *f, struct oidc_answer *out)
{
	struct fetch_answer a = {.status = 0};
	enum fetch_result how;
	struct js_fault where;
	enum err e;

	if (!oidc_call_begin(c->oidc))
		return oidc_fail(c, ERR_BUSY);
	how = fetch(c->arena, f, &a);
	oidc_call_end(c->oidc);
	if (how == FETCH_NO_MEMORY)
		return oidc_fail(c, ERR_NOMEM);
	if (how != FETCH_ANSWERED)
		return OIDC_UNREACHABLE;
	out->status = a.status;
	e = a.cut ? ERR_INVALID
		  : js_scan(&out->json, c->arena, a.body, a.len, &where);
	if (e == ERR_NOMEM)
		return oidc_fail(c, e);
	if (e == ERR_OK && out->json.kind == JS_OBJECT)
		return OIDC_OK;
	log_warn("the OIDC provider's answer to %s is no JSON object (status "
		 "%d)",
	    f->url, a.status);
	return OIDC_UNEXPECTED;
}

/* The page as it is kept, if it is not older than max_ms. */
static bool
kept(struct oidc_call *c, enum oidc_page page, int64_t max_ms,
    struct oidc_answer *out)
{
	struct js_fault where;
	struct js_span text;

	return oidc_kept(c->oidc, c->arena, page, max_ms, &text) &&
	       js_scan(&out->json, c->arena, text.p, text.len, &where) ==
		   ERR_OK;
}

static enum oidc_verdict
get_page(struct oidc_call *c, const char *url, struct oidc_answer *out)
{
	struct fetch f = {.name = provider, .url = url, .timeout_ms = CALL_MS};
	enum oidc_verdict v = talk(c, &f, out);

	if (v != OIDC_OK || out->status == 200)
		return v;
	log_warn("the OIDC provider's answer to %s is %d", url, out->status);
	return OIDC_UNEXPECTED;
}

/* The address of that name, if there is one and it is no less safe than the provider's own. */
static const char *
address(struct oidc_call *c, const struct js_doc *doc, const char *name)
{
	const char *s = js_text(c->arena, doc, name);
	const char *own =
	    conf_str(oidc_conf(c->oidc), CONF_OIDC_PROVIDER_ISSUER);

	if (s == NULL || uri_origin(s) == 0 ||
	    strspn(s, uri_signs) != strlen(s))
		return NULL;
	if (strncmp(own, "https:", 6) != 0 || strncmp(s, "https:", 6) == 0)
		return s;
	log_warn("the OIDC provider's %s is not https: %s", name, s);
	return NULL;
}

/* Does it list ways to tell the client's secret, and not Basic, but in the form? */
static bool
wants_secret_in_form(struct arena *a, const struct js_doc *doc)
{
	const struct js_member *list =
	    js_find(doc, "token_endpoint_auth_methods_supported");
	struct js_member way;
	struct js_span rest;
	bool form = false;
	const char *s;
	size_t len;

	if (list == NULL || list->kind != JS_ARRAY)
		return false;
	rest = list->value;
	while (js_element(&rest, &way)) {
		if (way.kind != JS_STRING ||
		    (s = js_string(a, &way, &len)) == NULL)
			continue;
		if (strcmp(s, "client_secret_basic") == 0)
			return false;
		form |= strcmp(s, "client_secret_post") == 0;
	}
	return form;
}

enum oidc_verdict
oidc_meta(struct oidc_call *c, struct oidc_meta *out)
{
	const char *own =
	    conf_str(oidc_conf(c->oidc), CONF_OIDC_PROVIDER_ISSUER);
	struct oidc_answer a;
	enum oidc_verdict v;
	size_t n = strlen(own);
	const char *url;

	if (!kept(c, OIDC_METADATA, KEPT_MS, &a)) {
		while (n > 0 && own[n - 1] == '/')
			n--;
		url = arena_printf(c->arena,
		    "%.*s/.well-known/openid-configuration", (int)n, own);
		if (url == NULL)
			return oidc_fail(c, ERR_NOMEM);
		if ((v = get_page(c, url, &a)) != OIDC_OK)
			return v;
		out->issuer = js_text(c->arena, &a.json, "issuer");
		if (out->issuer == NULL ||
		    !oidc_is_issuer(c->oidc, out->issuer)) {
			log_warn("the OIDC provider calls itself %s, which is "
				 "not OIDC_PROVIDER_ISSUER %s; set that to "
				 "the former",
			    out->issuer != NULL ? out->issuer : "nothing", own);
			return OIDC_UNEXPECTED;
		}
		oidc_keep(c->oidc, OIDC_METADATA, &a.json.text);
	}
	out->issuer = js_text(c->arena, &a.json, "issuer");
	out->authorization = address(c, &a.json, "authorization_endpoint");
	out->token = address(c, &a.json, "token_endpoint");
	out->device = address(c, &a.json, "device_authorization_endpoint");
	out->userinfo = address(c, &a.json, "userinfo_endpoint");
	out->keys = address(c, &a.json, "jwks_uri");
	out->secret_in_form = wants_secret_in_form(c->arena, &a.json);
	return out->issuer != NULL ? OIDC_OK : oidc_fail(c, ERR_NOMEM);
}

static void
put_encoded(struct buf *b, const char *s)
{
	for (; *s != '\0'; s++)
		if (strchr(UNRESERVED, *s) != NULL)
			buf_char(b, *s);
		else
			buf_printf(b, "%%%02X", (unsigned char)*s);
}

void
oidc_form(struct buf *form, const char *name, const char *value)
{
	if (form->len > 0)
		buf_char(form, '&');
	buf_str(form, name);
	buf_char(form, '=');
	put_encoded(form, value);
}

/* Id and secret for the Authorization header; NULL without memory. */
static const char *
basic(struct arena *a, const char *id, const char *secret)
{
	struct buf plain;
	char *out;
	size_t max;

	buf_init(&plain, a, 256);
	put_encoded(&plain, id);
	buf_char(&plain, ':');
	put_encoded(&plain, secret);
	max = sodium_base64_encoded_len(
	    plain.len, sodium_base64_VARIANT_ORIGINAL);
	out = buf_ok(&plain) ? arena_alloc(a, max) : NULL;
	if (out == NULL)
		return NULL;
	(void)sodium_bin2base64(out, max, (unsigned char *)plain.p, plain.len,
	    sodium_base64_VARIANT_ORIGINAL);
	return arena_printf(a, "Basic %s", out);
}

enum oidc_verdict
oidc_post(struct oidc_call *c, const struct oidc_meta *m, const char *url,
    struct buf *form, struct oidc_answer *out)
{
	const char *id = conf_str(oidc_conf(c->oidc), CONF_OIDC_CLIENT_ID);
	const char *secret =
	    conf_str(oidc_conf(c->oidc), CONF_OIDC_CLIENT_SECRET);
	struct fetch f = {
	    .name = provider,
	    .url = url,
	    .type = "application/x-www-form-urlencoded",
	    .timeout_ms = CALL_MS,
	};

	oidc_form(form, "client_id", id);
	if (secret[0] != '\0' && m->secret_in_form) {
		oidc_form(form, "client_secret", secret);
	} else if (secret[0] != '\0' &&
		   (f.authorization = basic(c->arena, id, secret)) == NULL) {
		return oidc_fail(c, ERR_NOMEM);
	}
	if (!buf_ok(form))
		return oidc_fail(c, ERR_NOMEM);
	f.body = form->p;
	f.len = form->len;
	return talk(c, &f, out);
}

enum oidc_verdict
oidc_get(struct oidc_call *c, const char *url, const char *token,
    struct oidc_answer *out)
{
	struct fetch f = {
	    .name = provider,
	    .url = url,
	    .authorization = arena_printf(c->arena, "Bearer %s", token),
	    .timeout_ms = CALL_MS,
	};

	return f.authorization != NULL ? talk(c, &f, out)
				       : oidc_fail(c, ERR_NOMEM);
}

static enum err
verify(struct oidc_call *c, const struct oidc_answer *page, const struct jws *t)
{
	const struct js_span *text = &page->json.text;
	struct jwks *keys;
	enum err e;

	if ((e = jwks_open(&keys, text->p, text->len)) != ERR_OK)
		return e;
	e = jwks_verify(keys, c->arena, t);
	jwks_free(keys);
	return e;
}

static enum oidc_verdict
judge(struct oidc_call *c, enum err e)
{
	switch (e) {
	case ERR_OK:
		return OIDC_OK;
	case ERR_INVALID:
	case ERR_NOTFOUND:
		log_warn("the OIDC provider's ID token is not signed with one "
			 "of its keys by RS256 or ES256");
		return OIDC_NO_USER;
	default:
		return oidc_fail(c, e);
	}
}

enum oidc_verdict
oidc_signed(struct oidc_call *c, const struct oidc_meta *m, const struct jws *t)
{
	struct oidc_answer a;
	enum oidc_verdict v;
	enum err e;

	if (m->keys == NULL)
		return OIDC_NO_ENDPOINT;
	if (kept(c, OIDC_KEYS, KEPT_MS, &a)) {
		e = verify(c, &a, t);
		/* It may have changed its keys since. */
		if (e != ERR_NOTFOUND || kept(c, OIDC_KEYS, KEYS_AGAIN_MS, &a))
			return judge(c, e);
	}
	if ((v = get_page(c, m->keys, &a)) != OIDC_OK)
		return v;
	oidc_keep(c->oidc, OIDC_KEYS, &a.json.text);
	return judge(c, verify(c, &a, t));
}
