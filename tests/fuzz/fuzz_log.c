/*
 * What an agent posts as a log.  A time that is accepted, written out again in full,
 * reads as the same.  A string decoded in its place is what a copy decodes to, and
 * escaped by pieces it is that string again.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "field.h"
#include "joblog.h"
#include "js_escape.h"
#include "utf8.h"

#define NEED(what)                                                             \
	do {                                                                   \
		if (!(what))                                                   \
			abort();                                               \
	} while (0)

#define PIECE 7

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_time(const char *s, size_t len)
{
	int64_t us = 0, again = 0, part;
	struct tm t;
	time_t seconds;
	char text[64];

	if (field_datetime_text(s, len, &us) != NULL)
		return;
	part = ((us % 1000000) + 1000000) % 1000000;
	seconds = (time_t)((us - part) / 1000000);
	NEED(gmtime_r(&seconds, &t) != NULL);
	/* An offset may lead out of the years that can be written. */
	if (t.tm_year + 1900 < 1 || t.tm_year + 1900 > 9999)
		return;
	(void)snprintf(text, sizeof(text), "%04d-%d-%dT%d:%d:%d.%06dZ",
	    t.tm_year + 1900, t.tm_mon + 1, t.tm_mday, t.tm_hour, t.tm_min,
	    t.tm_sec, (int)part);
	NEED(field_datetime_text(text, strlen(text), &again) == NULL);
	NEED(again == us);
}

static void
check_string(struct arena *a, const struct js_member *m)
{
	struct js_fault fault;
	struct js_doc doc;
	const char *copy, *again;
	char *json;
	size_t len, i, part, n = 0, len2;
	struct js_member whole;

	NEED((copy = js_string(a, m, &len)) != NULL);
	NEED((json = arena_alloc(a, len * JS_ESCAPED_MAX + 2)) != NULL);
	json[n++] = '"';
	for (i = 0; i < len; i += part) {
		part = len - i < PIECE ? len - i : PIECE;
		n += js_escape(json + n, copy + i, part);
	}
	json[n++] = '"';
	NEED(js_scan(&doc, a, json, n, &fault) == ERR_OK);
	NEED(doc.kind == JS_STRING);
	whole = (struct js_member){.value = doc.text, .kind = JS_STRING};
	NEED((again = js_string(a, &whole, &len2)) != NULL);
	NEED(len2 == len && memcmp(again, copy, len) == 0);
	again = js_string_in_place(m, &len2);
	NEED(len2 == len && memcmp(again, copy, len) == 0);
}

static void
check_fragment(struct arena *a, struct js_doc *doc)
{
	struct joblog_fragment g;
	struct faults f;

	faults_init(&f, a);
	if (joblog_fragment_read(doc, &f, &g) != ERR_OK) {
		NEED(faults_any(&f));
		return;
	}
	NEED(!faults_any(&f) && g.phase < PHASE__MAX);
	NEED(utf8_ok(g.text, g.len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct js_fault fault;
	struct js_doc doc;
	char *text, *other;
	size_t i;

	NEED(a != NULL);
	NEED((text = arena_dup(a, data, size)) != NULL);
	NEED((other = arena_dup(a, data, size)) != NULL);
	check_time(text, size);
	if (js_scan(&doc, a, text, size, &fault) == ERR_OK &&
	    doc.kind == JS_OBJECT) {
		for (i = 0; i < doc.n_members; i++)
			if (doc.members[i].kind == JS_STRING)
				check_string(a, &doc.members[i]);
		NEED(js_scan(&doc, a, other, size, &fault) == ERR_OK);
		check_fragment(a, &doc);
	}
	arena_free(a);
	return 0;
}
