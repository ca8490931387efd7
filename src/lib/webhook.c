/* libcurl, one handle for each thread, which keeps its connection for the next call. */

#include "config.h"

#include "webhook.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "gate.h"
#include "log.h"

#define TOTAL_MS 3000

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t handle_key;

size_t
webhook_origin(const char *url)
{
	static const char *const schemes[] = {"http://", "https://"};
	size_t i, n, host;

	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		n = strlen(schemes[i]);
		if (strncasecmp(url, schemes[i], n) != 0)
			continue;
		host = strcspn(url + n, "/?#");
		return host > 0 ? n + host : 0;
	}
	return 0;
}

bool
webhook_same_origin(const char *a, const char *b)
{
	size_t n = webhook_origin(a), scheme = strcspn(a, ":");

	return n > 0 && n == webhook_origin(b) &&
	       strncasecmp(a, b, scheme) == 0 &&
	       memcmp(a + scheme, b + scheme, n - scheme) == 0;
}

static void
end_handle(void *p)
{
	curl_easy_cleanup(p);
}

static void
begin(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
	if (pthread_key_create(&handle_key, end_handle) != 0)
		abort();
}

/* The handle of this thread, without options but with its connections. */
static CURL *
handle(void)
{
	CURL *c;

	(void)pthread_once(&once, begin);
	c = pthread_getspecific(handle_key);
	if (c != NULL) {
		curl_easy_reset(c);
		return c;
	}
	c = curl_easy_init();
	if (c != NULL && pthread_setspecific(handle_key, c) != 0) {
		curl_easy_cleanup(c);
		c = NULL;
	}
	return c;
}

struct body {
	struct buf buf;
	bool cut;
};

static size_t
on_body(char *p, size_t size, size_t n, void *ctx)
{
	struct body *b = ctx;
	size_t len = size * n, room = WEBHOOK_BODY_MAX - b->buf.len;

	b->cut = len > room;
	buf_add(&b->buf, p, b->cut ? room : len);
	/* Anything but len ends the transfer. */
	return b->cut || !buf_ok(&b->buf) ? 0 : len;
}

/* libcurl leaves HTTP_PROXY in capitals alone, for the sake of CGI programs, where a
 * client sets it; ours come with the request and never stand in the environment. */
static const char *
http_proxy(const char *url)
{
	const char *proxy = getenv("http_proxy");

	if (strncasecmp(url, "http:", 5) != 0)
		return NULL;
	return proxy != NULL ? proxy : getenv("HTTP_PROXY");
}

static struct curl_slist *
headers(struct arena *a, const char *bearer)
{
	struct curl_slist *list, *more = NULL;
	const char *token = "";

	list = curl_slist_append(NULL, "Content-Type: application/json");
	if (list != NULL)
		more = curl_slist_append(list, "Expect:");
	if (more != NULL && bearer[0] != '\0') {
		token = arena_printf(a, "Authorization: Bearer %s", bearer);
		more = token != NULL ? curl_slist_append(list, token) : NULL;
	}
	if (more == NULL) {
		curl_slist_free_all(list);
		return NULL;
	}
	return list;
}

static void
set_options(CURL *c, const char *url, const char *json, size_t len,
    struct curl_slist *list, struct body *body)
{
	const char *proxy = http_proxy(url);

	(void)curl_easy_setopt(c, CURLOPT_URL, url);
#if LIBCURL_VERSION_NUM >= 0x075500
	(void)curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
#else
	(void)curl_easy_setopt(
	    c, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
#if LIBCURL_VERSION_NUM >= 0x075700
	/* A name server that hangs is not waited for. */
	(void)curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
#endif
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	(void)curl_easy_setopt(c, CURLOPT_MAXCONNECTS, 1L);
	if (proxy != NULL)
		(void)curl_easy_setopt(c, CURLOPT_PROXY, proxy);
	(void)curl_easy_setopt(
	    c, CURLOPT_USERAGENT, PACKAGE_TARNAME "/" PACKAGE_VERSION);
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	(void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, "PUT");
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, json);
	(void)curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, (void *)body);
}

/* A failure that one more try may mend: nothing of an answer has come. */
static bool
again(CURLcode e)
{
	return e == CURLE_COULDNT_CONNECT || e == CURLE_SEND_ERROR ||
	       e == CURLE_RECV_ERROR || e == CURLE_GOT_NOTHING;
}

/* Call, and call once more if that may help, in the time there is. */
static CURLcode
perform(CURL *c, struct body *body)
{
	int64_t end = clock_mono_ms() + TOTAL_MS, left = TOTAL_MS;
	CURLcode e;

	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)left);
	e = curl_easy_perform(c);
	left = end - clock_mono_ms();
	if (!again(e) || body->buf.len > 0 || left <= 0)
		return e;
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)left);
	return curl_easy_perform(c);
}

static enum webhook_result
judge(CURL *c, CURLcode e, const struct body *body, struct webhook_answer *out)
{
	long status = 0;

	if (!buf_ok(&body->buf) || e == CURLE_OUT_OF_MEMORY)
		return WEBHOOK_NO_MEMORY;
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (e == CURLE_OK || (e == CURLE_WRITE_ERROR && body->cut)) {
		if (status < 200 || status > 599) {
			log_warn("the webhook answered %ld", status);
			return WEBHOOK_UNREACHABLE;
		}
		out->status = (int)status;
		out->body = body->buf.p;
		out->len = body->buf.len;
		return WEBHOOK_ANSWERED;
	}
	log_warn("the webhook: %s", curl_easy_strerror(e));
	return e == CURLE_OPERATION_TIMEDOUT ? WEBHOOK_TIMEOUT
					     : WEBHOOK_UNREACHABLE;
}

enum webhook_result
webhook_put(struct arena *a, const char *url, const char *bearer,
    const char *json, size_t len, struct webhook_answer *out)
{
	struct body body = {.cut = false};
	struct curl_slist *list;
	CURL *c = handle();
	CURLcode e;

	buf_init(&body.buf, a, 1024);
	list = headers(a, bearer);
	if (c == NULL || list == NULL || !buf_ok(&body.buf)) {
		curl_slist_free_all(list);
		return WEBHOOK_NO_MEMORY;
	}
	gate_leave();
	set_options(c, url, json, len, list, &body);
	e = perform(c, &body);
	curl_slist_free_all(list);
	return judge(c, e, &body, out);
}
