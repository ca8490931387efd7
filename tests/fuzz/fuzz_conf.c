/*
 * The configuration.  A text is either refused with words and a place within
 * it, or every key has a value that fits its row; and a value, written as a
 * literal with nothing but escapes, is read as the same.
 */

#include "conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "utf8.h"

#define NEED(what)                                                             \
	do {                                                                   \
		if (!(what))                                                   \
			abort();                                               \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Each of words, which single spaces separate, is a choice. */
static void
check_words(const char *choices, const char *words)
{
	char among[256], one[64];
	size_t n;

	(void)snprintf(among, sizeof(among), " %s ", choices);
	for (; *words != '\0'; words += n) {
		n = strcspn(words, " ");
		NEED(n > 0 && n < sizeof(one) - 2);
		(void)snprintf(one, sizeof(one), " %.*s ", (int)n, words);
		NEED(strstr(among, one) != NULL);
		if (words[n] == ' ' && words[n + 1] != '\0')
			n++;
	}
}

static void
check_key(const struct conf *c, enum conf_id id)
{
	const struct conf_key *k = conf_key(id);
	int64_t len;

	switch (k->type) {
	case CONF_INT:
		NEED(conf_int(c, id) >= k->min && conf_int(c, id) <= k->max);
		break;
	case CONF_BOOL:
		break;
	case CONF_STR:
		len = (int64_t)strlen(conf_str(c, id));
		NEED(len >= k->min && len <= k->max);
		NEED(utf8_ok(conf_str(c, id), (size_t)len));
		break;
	case CONF_CHOICE:
		NEED(conf_has_word(c, id, conf_str(c, id)) &&
		     strchr(conf_str(c, id), ' ') == NULL);
		check_words(k->choices, conf_str(c, id));
		break;
	case CONF_WORDS:
		check_words(k->choices, conf_str(c, id));
		break;
	}
}

/* c as a file: every key, texts in octal escapes but for what is no ASCII. */
static char *
write_out(const struct conf *c, size_t *len)
{
	const struct conf_key *k;
	const char *s;
	char *text;
	FILE *f = open_memstream(&text, len);
	int i;

	NEED(f != NULL);
	for (i = 0; i < CONF__MAX; i++) {
		k = conf_key((enum conf_id)i);
		(void)fprintf(f, "%s = ", k->name);
		if (k->type == CONF_INT) {
			(void)fprintf(f, "%lld\n",
			    (long long)conf_int(c, (enum conf_id)i));
			continue;
		}
		(void)fputc('\'', f);
		for (s = conf_str(c, (enum conf_id)i); *s != '\0'; s++)
			if ((unsigned char)*s < 0x80)
				(void)fprintf(f, "\\%03o", (unsigned)*s);
			else
				(void)fputc(*s, f);
		(void)fputs("'\n", f);
	}
	NEED(fclose(f) == 0);
	return text;
}

static void
check_again(const struct conf *c)
{
	struct conf_fault fault;
	struct conf *again;
	enum conf_id id;
	size_t len;
	char *text = write_out(c, &len);
	int i;

	NEED(conf_parse(&again, "again", text, len, &fault) == ERR_OK);
	for (i = 0; i < CONF__MAX; i++) {
		id = (enum conf_id)i;
		NEED(conf_is_set(again, id));
		NEED(conf_int(c, id) == conf_int(again, id));
		if (conf_key(id)->type != CONF_INT)
			NEED(strcmp(conf_str(c, id), conf_str(again, id)) == 0);
	}
	conf_free(again);
	free(text);
}

/* The line and column of a fault lie within the text, or just behind a line. */
static void
check_place(const char *words, const char *text, size_t size)
{
	const char *p = text, *end = text + size, *next;
	unsigned line, column;

	NEED(sscanf(words, "fuzz: line %u, column %u: ", &line, &column) == 2);
	NEED(line >= 1 && column >= 1);
	for (; line > 1; line--) {
		p = memchr(p, '\n', (size_t)(end - p));
		NEED(p != NULL);
		p++;
	}
	next = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
	NEED(column - 1 <= (size_t)((next != NULL ? next : end) - p));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_fault fault;
	struct conf *c = NULL;
	char *text = malloc(size > 0 ? size : 1);
	int i;

	/* No byte behind the text, so that reading one shows. */
	NEED(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	log_setup("fuzz", LOG_LVL_ERROR);
	if (conf_parse(&c, "fuzz", text, size, &fault) == ERR_OK) {
		for (i = 0; i < CONF__MAX; i++)
			check_key(c, (enum conf_id)i);
		check_again(c);
		conf_free(c);
	} else {
		NEED(c == NULL);
		check_place(fault.text, text, size);
	}
	free(text);
	return 0;
}
