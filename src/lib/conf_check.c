/* Values of the configuration, judged by the row of their key. */

#include "conf_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"

enum err
conf_check_fault(struct conf_fault *f, const struct conf_place *at,
    const char *why, const char *remedy)
{
	if (at->file != NULL && at->line == 0)
		(void)snprintf(f->text, sizeof(f->text), "%s: %s: %s; %s",
		    at->file, at->key, why, remedy);
	else if (at->file != NULL)
		(void)snprintf(f->text, sizeof(f->text),
		    "%s: line %u, column %u: %s%s%s; %s", at->file, at->line,
		    at->column, at->key != NULL ? at->key : "",
		    at->key != NULL ? ": " : "", why, remedy);
	else
		(void)snprintf(f->text, sizeof(f->text),
		    "the environment variable TESTFLINGER_%s: %s; %s", at->key,
		    why, remedy);
	return ERR_INVALID;
}

static enum err
refuse(const struct conf_check *c, const char *why, const char *remedy)
{
	return conf_check_fault(c->fault, c->at, why, remedy);
}

bool
conf_check_among(const char *words, const char *word, size_t len)
{
	size_t n;

	while (words != NULL && *words != '\0') {
		n = strcspn(words, " ");
		if (n == len && memcmp(words, word, n) == 0)
			return true;
		words += n;
		words += strspn(words, " ");
	}
	return false;
}

static enum err
bad_choice(const struct conf_check *c, const char *why)
{
	const struct conf_key *k = c->key;
	char remedy[256];

	(void)snprintf(remedy, sizeof(remedy), "write %s%s",
	    k->type == CONF_CHOICE ? "one of: " : "any of, or nothing: ",
	    k->choices != NULL ? k->choices : "words, in quotes");
	return refuse(c, why, remedy);
}

static enum err
check_words(
    const struct conf_check *c, const char *text, struct conf_setting *out)
{
	static const char blanks[] = " ,\t\n";
	struct buf b;
	size_t n;

	buf_init(&b, c->arena, strlen(text) + 1);
	for (text += strspn(text, blanks); *text != '\0';
	     text += strspn(text, blanks)) {
		n = strcspn(text, blanks);
		if (c->key->choices != NULL &&
		    !conf_check_among(c->key->choices, text, n))
			return bad_choice(c, "holds an unknown word");
		if (b.len > 0)
			buf_char(&b, ' ');
		buf_add(&b, text, n);
		text += n;
	}
	if (!buf_ok(&b))
		return ERR_NOMEM;
	out->text = b.p;
	return ERR_OK;
}

static enum err
check_string(const struct conf_check *c, const char *text, size_t len,
    struct conf_setting *out)
{
	const struct conf_key *k = c->key;
	const char *copy;
	char why[128];

	if (strlen(text) != len || !utf8_ok(text, len))
		return refuse(
		    c, "is not text in UTF-8 without NUL", "write plain text");
	if (k->type == CONF_WORDS)
		return check_words(c, text, out);
	if (k->type == CONF_CHOICE && !conf_check_among(k->choices, text, len))
		return bad_choice(c, "is no such choice");
	if (k->type == CONF_STR &&
	    ((int64_t)len < k->min || (int64_t)len > k->max)) {
		(void)snprintf(why, sizeof(why), "has %zu bytes", len);
		(void)snprintf(why + strlen(why), sizeof(why) - strlen(why),
		    ", not %lld to %lld", (long long)k->min, (long long)k->max);
		return refuse(c, why, "write another text");
	}
	copy = arena_dup(c->arena, text, len);
	if (copy == NULL)
		return ERR_NOMEM;
	out->text = copy;
	return ERR_OK;
}

static enum err
check_int(const struct conf_check *c, int64_t n, struct conf_setting *out)
{
	const struct conf_key *k = c->key;
	char remedy[128];

	if (n < k->min || n > k->max) {
		(void)snprintf(remedy, sizeof(remedy),
		    "write a whole number from %lld to %lld", (long long)k->min,
		    (long long)k->max);
		return refuse(c, "is out of bounds", remedy);
	}
	out->n = n;
	return ERR_OK;
}

/* The words of a list, as one text. */
static enum err
check_list(const struct conf_check *c, const struct conf_value *v,
    struct conf_setting *out)
{
	struct buf b;
	size_t i;

	buf_init(&b, c->arena, 64);
	for (i = 0; i < v->n_items; i++) {
		if (v->items[i].type != VALUE_STR)
			return bad_choice(c, "holds something but words");
		buf_printf(&b, "%s ", v->items[i].text);
	}
	return buf_ok(&b) ? check_string(c, b.p, b.len, out) : ERR_NOMEM;
}

enum err
conf_check_value(const struct conf_check *c, const struct conf_value *v,
    struct conf_setting *out)
{
	switch (c->key->type) {
	case CONF_INT:
		if (v->type == VALUE_INT)
			return check_int(c, v->n, out);
		return refuse(
		    c, "is no whole number", "write NAME = 5, no quotes");
	case CONF_BOOL:
		if (v->type != VALUE_BOOL)
			return refuse(c, "is neither True nor False",
			    "write one of them, no quotes");
		out->n = v->n;
		return ERR_OK;
	case CONF_WORDS:
		if (v->type == VALUE_LIST)
			return check_list(c, v, out);
		break;
	default:
		break;
	}
	if (v->type != VALUE_STR)
		return refuse(c, "is no text", "write NAME = 'text'");
	return check_string(c, v->text, v->len, out);
}

enum err
conf_check_plain(
    const struct conf_check *c, const char *text, struct conf_setting *out)
{
	long long n;
	char *end;

	switch (c->key->type) {
	case CONF_INT:
		errno = 0;
		n = strtoll(text, &end, 10);
		if (errno != 0 || end == text || *end != '\0')
			return refuse(
			    c, "is no whole number", "write digits only");
		return check_int(c, n, out);
	case CONF_BOOL:
		if (strcmp(text, "True") != 0 && strcmp(text, "true") != 0 &&
		    strcmp(text, "False") != 0 && strcmp(text, "false") != 0)
			return refuse(c, "is neither True nor False",
			    "write one of them");
		out->n = text[0] == 'T' || text[0] == 't';
		return ERR_OK;
	default:
		return check_string(c, text, strlen(text), out);
	}
}
