/*
 * What the provider publishes of itself is kept as text and read anew for each conversation, so
 * that threads share nothing but the text.  Apart from the calls, so that only who makes
 * them loads what they need.
 */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "auth.h"
#include "clock.h"
#include "gate.h"
#include "log.h"
#include "oidc_provider.h"

/* Of the threads: those that wait for the provider, at most. */
#define SHARE 4

/* A document of the provider. */
struct page {
	char *text; /* NULL: there is none yet */
	size_t len;
	int64_t at; /* when it came, by the monotonic clock */
};

struct oidc {
	const struct conf *conf;
	pthread_mutex_t lock; /* of what follows */
	struct page pages[OIDC__PAGES];
	unsigned calls; /* threads that wait for the provider */
};

enum err
oidc_open(struct oidc **out, const struct conf *c)
{
	struct oidc *o;

	*out = NULL;
	if (!auth_has_oidc(c))
		return ERR_OK;
	if ((o = calloc(1, sizeof(*o))) == NULL)
		return ERR_NOMEM;
	o->conf = c;
	(void)pthread_mutex_init(&o->lock, NULL);
	*out = o;
	return ERR_OK;
}

void
oidc_free(struct oidc *o)
{
	size_t i;

	if (o == NULL)
		return;
	for (i = 0; i < OIDC__PAGES; i++)
		free(o->pages[i].text);
	(void)pthread_mutex_destroy(&o->lock);
	free(o);
}

const struct conf *
oidc_conf(const struct oidc *o)
{
	return o->conf;
}

/* Names are compared without a slash at the end, which people leave out. */
static bool
same_issuer(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);

	while (n > 0 && a[n - 1] == '/')
		n--;
	while (m > 0 && b[m - 1] == '/')
		m--;
	return n == m && memcmp(a, b, n) == 0;
}

bool
oidc_is_issuer(const struct oidc *o, const char *iss)
{
	return iss == NULL ||
	       same_issuer(iss, conf_str(o->conf, CONF_OIDC_PROVIDER_ISSUER));
}

bool
oidc_call_begin(struct oidc *o)
{
	unsigned max = gate_share(SHARE);
	bool room;

	(void)pthread_mutex_lock(&o->lock);
	room = o->calls < max;
	if (room)
		o->calls++;
	(void)pthread_mutex_unlock(&o->lock);
	if (!room)
		log_warn("%u calls to the OIDC provider wait already", max);
	return room;
}

void
oidc_call_end(struct oidc *o)
{
	(void)pthread_mutex_lock(&o->lock);
	o->calls--;
	(void)pthread_mutex_unlock(&o->lock);
}

bool
oidc_kept(struct oidc *o, struct arena *a, enum oidc_page page, int64_t max_ms,
    struct js_span *text)
{
	const struct page *p = &o->pages[page];
	char *copy = NULL;

	(void)pthread_mutex_lock(&o->lock);
	if (p->text != NULL && clock_mono_ms() - p->at < max_ms) {
		copy = arena_dup(a, p->text, p->len);
		*text = (struct js_span){copy, p->len};
	}
	(void)pthread_mutex_unlock(&o->lock);
	return copy != NULL;
}

void
oidc_keep(struct oidc *o, enum oidc_page page, const struct js_span *text)
{
	struct page *p = &o->pages[page];
	char *copy = malloc(text->len);

	if (copy == NULL)
		return; /* it is asked for again the next time */
	memcpy(copy, text->p, text->len);
	(void)pthread_mutex_lock(&o->lock);
	free(p->text);
	p->text = copy;
	p->len = text->len;
	p->at = clock_mono_ms();
	(void)pthread_mutex_unlock(&o->lock);
}
