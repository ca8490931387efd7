/* libcurl, one handle for each thread, which keeps its connection for the next call. */

#include "config.h"

#include "fetch.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "gate.h"
#include "log.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t handle_key;

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
	size_t len = size * n, room = FETCH_BODY_MAX - b->buf.len;

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

static bool
add_header(struct curl_slist **list, const char *line)
{
	struct curl_slist *more;

	more = line != NULL ? curl_slist_append(*list, line) : NULL;
	if (more != NULL)
		*list = more;
	return more != NULL;
}

/* NULL without memory. */
static struct curl_slist *
headers(struct arena *a, const struct fetch *f)
{
	const char *type = f->body != NULL ? f->type : "";
	struct curl_slist *list = NULL;
	bool good;

	/* An empty body waits for nothing either. */
	good = add_header(&list, "Expect:");
	if (good && type[0] != '\0')
		good = add_header(
		    &list, arena_printf(a, "Content-Type: %s", type));
	if (good && f->authorization != NULL)
		good = add_header(&list,
		    arena_printf(a, "Authorization: %s", f->authorization));
	if (good)
		return list;
	curl_slist_free_all(list);
	return NULL;
}

static void
set_options(
    CURL *c, const struct fetch *f, struct curl_slist *list, struct body *body)
{
	const char *proxy = http_proxy(f->url);

	(void)curl_easy_setopt(c, CURLOPT_URL, f->url);
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
	if (f->body != NULL) {
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, f->body);
		(void)curl_easy_setopt(
		    c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)f->len);
	}
	if (f->method != NULL)
		(void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, f->method);
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
perform(CURL *c, int timeout_ms, struct body *body)
{
	int64_t end = clock_mono_ms() + timeout_ms, left = timeout_ms;
	CURLcode e;

	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)left);
	e = curl_easy_perform(c);
	left = end - clock_mono_ms();
	if (!again(e) || body->buf.len > 0 || left <= 0)
		return e;
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)left);
	return curl_easy_perform(c);
}

static enum fetch_result
judge(const struct fetch *f, CURL *c, CURLcode e, const struct body *body,
    struct fetch_answer *out)
{
	long status = 0;

	if (!buf_ok(&body->buf) || e == CURLE_OUT_OF_MEMORY)
		return FETCH_NO_MEMORY;
	(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	if (e == CURLE_OK || (e == CURLE_WRITE_ERROR && body->cut)) {
		if (status < 200 || status > 599) {
			log_warn("%s answered %ld", f->name, status);
			return FETCH_UNREACHABLE;
		}
		*out = (struct fetch_answer){
		    (int)status, body->buf.p, body->buf.len, body->cut};
		return FETCH_ANSWERED;
	}
	log_warn("%s: %s", f->name, curl_easy_strerror(e));
	return e == CURLE_OPERATION_TIMEDOUT ? FETCH_TIMEOUT
					     : FETCH_UNREACHABLE;
}

enum fetch_result
fetch(struct arena *a, const struct fetch *f, struct fetch_answer *out)
{
	struct body body = {.cut = false};
	struct curl_slist *list;
	CURL *c = handle();
	CURLcode e;

	buf_init(&body.buf, a, 1024);
	buf_str(&body.buf, "");
	list = headers(a, f);
	if (c == NULL || list == NULL || !buf_ok(&body.buf)) {
		curl_slist_free_all(list);
		return FETCH_NO_MEMORY;
	}
	gate_leave();
	set_options(c, f, list, &body);
	e = perform(c, f->timeout_ms, &body);
	curl_slist_free_all(list);
	return judge(f, c, e, &body, out);
}
