/* Requests to a running instance; expect.c judges the answers. */

#include "api.h"

#include <curl/curl.h>
#include <json-c/json.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_S 60

/* Everything given out stays reachable from here until the process ends. */
struct kept {
	struct kept *next;
	char bytes[];
};

static struct kept *all;
static pthread_mutex_t all_lock = PTHREAD_MUTEX_INITIALIZER;
static const char *base_variable = "TF_URL";

static void *
keep(size_t n)
{
	struct kept *k = calloc(1, sizeof(*k) + n);

	if (k == NULL)
		abort();
	(void)pthread_mutex_lock(&all_lock);
	k->next = all;
	all = k;
	(void)pthread_mutex_unlock(&all_lock);
	return k->bytes;
}

static const char *
keep_bytes(const void *p, size_t n)
{
	char *copy = keep(n + 1);

	if (n > 0)
		memcpy(copy, p, n);
	return copy;
}

void
use_instance(const char *variable)
{
	base_variable = variable;
}

static const char *
base_url(void)
{
	const char *url = getenv(base_variable);

	if (url == NULL || strncmp(url, "http://", 7) != 0) {
		(void)fprintf(stderr,
		    "%s must hold the address of an instance, as "
		    "http://127.0.0.1:8000; tests/api/run sets it\n",
		    base_variable);
		exit(1);
	}
	return url;
}

const char *
fmt(const char *format, ...)
{
	va_list ap;
	char *text;
	int n;

	va_start(ap, format);
	n = vsnprintf(NULL, 0, format, ap);
	va_end(ap);
	text = keep((size_t)n + 1);
	va_start(ap, format);
	(void)vsnprintf(text, (size_t)n + 1, format, ap);
	va_end(ap);
	return text;
}

const char *
unique(const char *stem)
{
	return fmt("%s-%.13s", stem, new_id());
}

const char *
new_id(void)
{
	uint16_t r[8];

	if (getrandom(r, sizeof(r), 0) != (ssize_t)sizeof(r))
		abort();
	return fmt("%04x%04x-%04x-4%03x-%04x-%04x%04x%04x", r[0], r[1], r[2],
	    r[3] & 0xfffu, (r[4] & 0x3fffu) | 0x8000u, r[5], r[6], r[7]);
}

const char *
repeat(char c, size_t n)
{
	char *text = keep(n + 1);

	memset(text, c, n);
	return text;
}

struct sink {
	char *p;
	size_t len, room;
};

static void
sink_add(struct sink *s, const void *p, size_t n)
{
	size_t room = s->room;
	char *more;

	/* By doubling: a sanitizer's realloc copies each time. */
	while (room < s->len + n + 1)
		room = room == 0 ? 4096 : 2 * room;
	if (room != s->room) {
		more = realloc(s->p, room);
		if (more == NULL)
			abort();
		s->p = more;
		s->room = room;
	}
	memcpy(s->p + s->len, p, n);
	s->len += n;
}

static size_t
on_body(char *p, size_t size, size_t n, void *ctx)
{
	sink_add(ctx, p, size * n);
	return size * n;
}

/* An interim answer (100) goes before the real one: keep the last. */
static size_t
on_header(char *p, size_t size, size_t n, void *ctx)
{
	struct sink *s = ctx;

	if (size * n > 5 && memcmp(p, "HTTP/", 5) == 0)
		s->len = 0;
	else
		sink_add(s, p, size * n);
	return size * n;
}

static struct curl_slist *
header_list(const char *headers)
{
	struct curl_slist *list = NULL;
	const char *end;
	size_t n;

	for (; headers != NULL && *headers != '\0'; headers = end) {
		n = strcspn(headers, "\n");
		list = curl_slist_append(list, keep_bytes(headers, n));
		end = headers + n + (headers[n] == '\n' ? 1 : 0);
	}
	return list;
}

static void
curl_ready(void)
{
	(void)curl_global_init(CURL_GLOBAL_DEFAULT);
}

static void
set_body(CURL *c, const char *method, const void *body, size_t len)
{
	if (strcmp(method, "HEAD") == 0) {
		(void)curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
		return;
	}
	if (body != NULL) {
		(void)curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
		(void)curl_easy_setopt(
		    c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	}
	(void)curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
}

static void
perform(CURL *c, struct answer *a)
{
	struct sink head = {0}, body = {0};
	long status = 0;
	CURLcode e;

	(void)curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	(void)curl_easy_setopt(c, CURLOPT_WRITEDATA, (void *)&body);
	(void)curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	(void)curl_easy_setopt(c, CURLOPT_HEADERDATA, (void *)&head);
	e = curl_easy_perform(c);
	if (e == CURLE_OK) {
		(void)curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	} else {
		free(body.p);
		body = (struct sink){0};
		sink_add(&body, curl_easy_strerror(e),
		    strlen(curl_easy_strerror(e)));
	}
	a->status = (int)status;
	a->headers = keep_bytes(head.p, head.len);
	a->body = keep_bytes(body.p, body.len);
	a->len = body.len;
	free(head.p);
	free(body.p);
}

const struct answer *
call_bytes(const char *method, const char *path, const char *headers,
    const void *body, size_t len)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct curl_slist *list = header_list(headers);
	struct answer *a = keep(sizeof(*a));
	CURL *c;

	(void)pthread_once(&once, curl_ready);
	c = curl_easy_init();
	if (c == NULL)
		abort();
	a->what = fmt("%s %.200s", method, path);
	(void)curl_easy_setopt(c, CURLOPT_URL, fmt("%s%s", base_url(), path));
	(void)curl_easy_setopt(c, CURLOPT_HTTPHEADER, list);
	(void)curl_easy_setopt(c, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
	(void)curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	(void)curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	(void)curl_easy_setopt(c, CURLOPT_PROXY, "");
	set_body(c, method, body, len);
	perform(c, a);
	curl_easy_cleanup(c);
	curl_slist_free_all(list);
	return a;
}

const struct answer *
call(
    const char *method, const char *path, const char *headers, const char *body)
{
	return call_bytes(
	    method, path, headers, body, body != NULL ? strlen(body) : 0);
}

const struct answer *
get(const char *path)
{
	return call("GET", path, NULL, NULL);
}

const struct answer *
post(const char *path, const char *json)
{
	return call("POST", path, "Content-Type: application/json", json);
}

/* A connection to the instance; -1 if it refuses. */
static int
connect_base(void)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const struct timeval limit = {.tv_sec = TIMEOUT_S};
	char host[256], port[16] = "80";
	struct addrinfo *list, *i;
	int fd = -1;

	if (sscanf(base_url(), "http://%255[^:/]:%15[0-9]", host, port) < 1 ||
	    getaddrinfo(host, port, &hints, &list) != 0)
		return -1;
	for (i = list; i != NULL && fd == -1; i = i->ai_next) {
		fd = socket(i->ai_family, i->ai_socktype, i->ai_protocol);
		if (fd == -1 || connect(fd, i->ai_addr, i->ai_addrlen) == 0)
			continue;
		(void)close(fd);
		fd = -1;
	}
	freeaddrinfo(list);
	if (fd != -1)
		(void)setsockopt(
		    fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static void
read_raw(int fd, struct answer *a)
{
	struct sink s = {0};
	char chunk[4096];
	char *head_end;
	ssize_t n;

	while ((n = recv(fd, chunk, sizeof(chunk), 0)) > 0)
		sink_add(&s, chunk, (size_t)n);
	a->body = keep_bytes(s.p, s.len);
	a->len = s.len;
	a->headers = "";
	if (sscanf(a->body, "HTTP/1.1 %d", &a->status) == 1 &&
	    (head_end = strstr(a->body, "\r\n\r\n")) != NULL) {
		a->headers =
		    keep_bytes(a->body, (size_t)(head_end - a->body) + 2);
		a->len -= (size_t)(head_end + 4 - a->body);
		a->body = head_end + 4;
	}
	free(s.p);
}

const struct answer *
send_raw(const void *bytes, size_t len, bool cut)
{
	struct answer *a = keep(sizeof(*a));
	const char *p = bytes;
	int fd = connect_base();
	ssize_t n = 0;

	a->what = fmt("raw %.60s", (const char *)keep_bytes(bytes, len));
	a->body = a->headers = "";
	if (fd == -1)
		return a;
	while (len > 0 && (n = send(fd, p, len, MSG_NOSIGNAL)) > 0) {
		p += n;
		len -= (size_t)n;
	}
	if (cut)
		(void)shutdown(fd, SHUT_WR);
	read_raw(fd, a);
	(void)close(fd);
	return a;
}

const char *
header(const struct answer *a, const char *name)
{
	size_t n = strlen(name), len;
	const char *p = a->headers;

	for (; *p != '\0'; p += len) {
		len = strcspn(p, "\n");
		len += p[len] == '\n' ? 1 : 0;
		if (strncasecmp(p, name, n) != 0 || p[n] != ':')
			continue;
		p += n + 1;
		p += strspn(p, " \t");
		return keep_bytes(p, strcspn(p, "\r\n"));
	}
	return NULL;
}

const char *
member(const struct answer *a, const char *key)
{
	struct json_object *o = json_tokener_parse(a->body), *v = NULL;
	const char *text = NULL;

	if (json_object_is_type(o, json_type_object) &&
	    json_object_object_get_ex(o, key, &v)) {
		if (json_object_is_type(v, json_type_string))
			text = json_object_get_string(v);
		else
			text = json_object_to_json_string_ext(
			    v, JSON_C_TO_STRING_PLAIN |
				   JSON_C_TO_STRING_NOSLASHESCAPE);
		text = keep_bytes(text, strlen(text));
	}
	(void)json_object_put(o);
	return text;
}
