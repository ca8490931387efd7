#ifndef OIDC_PROVIDER_H
#define OIDC_PROVIDER_H

#include "jws.h"
#include "oidc.h"

/* The calls to the provider, for oidc.c. */

/* The documents of the provider that are kept. */
enum oidc_page { OIDC_METADATA, OIDC_KEYS, OIDC__PAGES };

/* The page as text of the arena, if there is one not older than max_ms. */
bool oidc_kept(struct oidc *o, struct arena *a, enum oidc_page page,
    int64_t max_ms, struct js_span *text);
void oidc_keep(struct oidc *o, enum oidc_page page, const struct js_span *text);

/* A call may begin, and is to be ended; false (logged) while too many are made. */
bool oidc_call_begin(struct oidc *o);
void oidc_call_end(struct oidc *o);

/* What it says of itself: addresses, NULL where it has none. */
struct oidc_meta {
	const char *issuer;
	const char *authorization;
	const char *token;
	const char *device;
	const char *userinfo;
	const char *keys;
	bool secret_in_form; /* it does not take the client's secret as Basic */
};

/* An answer that is a JSON object. */
struct oidc_answer {
	int status;
	struct js_doc json;
};

enum oidc_verdict oidc_meta(struct oidc_call *c, struct oidc_meta *out)
    __attribute__((warn_unused_result));

/* Append name=value to a form (RFC 6749, appendix B), or to a query. */
void oidc_form(struct buf *form, const char *name, const char *value);

/* POST a form as this server's client (RFC 6749, section 2.3.1); the client's id and what
 * proves it are added. */
enum oidc_verdict oidc_post(struct oidc_call *c, const struct oidc_meta *m,
    const char *url, struct buf *form, struct oidc_answer *out)
    __attribute__((warn_unused_result));

/* GET with an access token. */
enum oidc_verdict oidc_get(struct oidc_call *c, const char *url,
    const char *token, struct oidc_answer *out)
    __attribute__((warn_unused_result));

/* Did the provider sign t?  OIDC_NO_USER if not. */
enum oidc_verdict oidc_signed(struct oidc_call *c, const struct oidc_meta *m,
    const struct jws *t) __attribute__((warn_unused_result));

/* The configuration it was opened with. */
const struct conf *oidc_conf(const struct oidc *o);

/* Fill in why this server could not. */
enum oidc_verdict oidc_fail(struct oidc_call *c, enum err e);

#endif /* !OIDC_PROVIDER_H */
