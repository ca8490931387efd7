/*
 * A boundary begins with CR and holds none after it, so that bytes which turned
 * out to be none are data as a whole: nothing is ever read twice, and all that is
 * remembered between two reads is how much of a boundary has been seen.
 */

#include "multipart.h"

#include <string.h>
#include <strings.h>

#define BOUNDARY_MAX ((size_t)200)
#define HEAD_MAX ((size_t)8192)
#define VALUE_MAX ((size_t)256)

enum state {
	TEXT, /* of a part, or before the first one */
	AFTER, /* right after a boundary */
	PADDING, /* white space after it */
	NEWLINE, /* the CR that ends it */
	CLOSING, /* the first dash of the last one */
	HEAD, /* the headers of a part */
	END
};

enum kind { PREAMBLE, FIELD, WANTED, OTHER_FILE };

struct multipart {
	multipart_take take;
	void *arg;
	enum state state;
	enum kind kind; /* of the text */
	bool found;
	size_t fields; /* bytes of fields so far */
	size_t matched; /* bytes of boundary seen at the end of the last read */
	size_t boundary_len;
	size_t head_len;
	char
	    boundary[4 + BOUNDARY_MAX + 1]; /* CR, LF and two dashes in front */
	char head[HEAD_MAX];
};

struct param {
	const char *name;
	size_t name_len;
	char value[VALUE_MAX + 1]; /* the first bytes, ended by NUL */
	size_t len; /* of all of it */
};

static const char *
skip_space(const char *p)
{
	return p + strspn(p, " \t");
}

static void
add_char(struct param *q, char c)
{
	if (q->len < VALUE_MAX)
		q->value[q->len] = c;
	q->len++;
}

/* A quoted string (RFC 7578, section 4.2); only quotes and backslashes are
 * escaped, for some clients send paths with backslashes as they are. */
static const char *
read_quoted(const char *p, struct param *q)
{
	while (*p != '\0' && *p != '"') {
		if (p[0] == '\\' && (p[1] == '"' || p[1] == '\\'))
			p++;
		add_char(q, *p++);
	}
	return *p == '"' ? p + 1 : NULL;
}

/* The next "; name=value" at *p.  ERR_NOTFOUND at the end. */
static enum err
next_param(const char **p, struct param *q)
{
	const char *s = skip_space(*p);

	q->len = 0;
	while (*s == ';')
		s = skip_space(s + 1);
	if (*s == '\0')
		return ERR_NOTFOUND;
	q->name = s;
	q->name_len = strcspn(s, "=; \t\"");
	s = skip_space(s + q->name_len);
	if (q->name_len == 0 || *s != '=')
		return ERR_INVALID;
	s = skip_space(s + 1);
	if (*s == '"') {
		if ((s = read_quoted(s + 1, q)) == NULL)
			return ERR_INVALID;
	} else {
		while (*s != '\0' && strchr("; \t", *s) == NULL)
			add_char(q, *s++);
	}
	q->value[q->len < VALUE_MAX ? q->len : VALUE_MAX] = '\0';
	*p = skip_space(s);
	return **p == ';' || **p == '\0' ? ERR_OK : ERR_INVALID;
}

static bool
is_named(const struct param *q, const char *name)
{
	return q->name_len == strlen(name) &&
	       strncasecmp(q->name, name, q->name_len) == 0;
}

/* Past the word and before its parameters; NULL if s begins otherwise. */
static const char *
after_word(const char *s, const char *word)
{
	size_t n = strlen(word);

	if (strncasecmp(s, word, n) != 0)
		return NULL;
	s = skip_space(s + n);
	return *s == ';' || *s == '\0' ? s : NULL;
}

static bool
is_plain(const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n; i++)
		if ((unsigned char)s[i] < ' ' || s[i] == '\x7f')
			return false;
	return true;
}

static enum err
find_boundary(const char *type, struct param *q)
{
	enum err e;

	if (type == NULL ||
	    (type = after_word(type, "multipart/form-data")) == NULL)
		return ERR_INVALID;
	while ((e = next_param(&type, q)) == ERR_OK)
		if (is_named(q, "boundary"))
			break;
	if (e != ERR_OK || q->len == 0 || q->len > BOUNDARY_MAX ||
	    !is_plain(q->value, q->len))
		return ERR_INVALID;
	return ERR_OK;
}

enum err
multipart_new(struct multipart **out, struct arena *a, const char *content_type,
    multipart_take take, void *arg)
{
	struct multipart *m;
	struct param q;

	if (find_boundary(content_type, &q) != ERR_OK)
		return ERR_INVALID;
	if ((m = arena_alloc(a, sizeof(*m))) == NULL)
		return ERR_NOMEM;
	memset(m, 0, sizeof(*m));
	m->take = take;
	m->arg = arg;
	memcpy(m->boundary, "\r\n--", 4);
	memcpy(m->boundary + 4, q.value, q.len);
	m->boundary_len = 4 + q.len;
	/* The first one may stand at the very beginning. */
	m->matched = 2;
	*out = m;
	return ERR_OK;
}

static enum err
give(struct multipart *m, const char *p, size_t n)
{
	if (m->kind == WANTED && n > 0)
		return m->take(m->arg, p, n);
	if (m->kind == FIELD) {
		m->fields += n;
		if (m->fields > MULTIPART_FIELDS_MAX)
			return ERR_LIMIT;
	}
	return ERR_OK;
}

static void
matched(struct multipart *m, size_t n)
{
	m->matched = n;
	if (n == m->boundary_len) {
		m->matched = 0;
		m->state = AFTER;
	}
}

/* On with a boundary that the last read ended in. */
static enum err
text_goes_on(struct multipart *m, const char **pp, const char *end)
{
	size_t left = m->boundary_len - m->matched, n = (size_t)(end - *pp);
	size_t seen = m->matched;

	if (n > left)
		n = left;
	if (memcmp(*pp, m->boundary + seen, n) == 0) {
		*pp += n;
		matched(m, seen + n);
		return ERR_OK;
	}
	m->matched = 0;
	return give(m, m->boundary, seen);
}

static enum err
text(struct multipart *m, const char **pp, const char *end)
{
	const char *from, *p;
	size_t n;
	enum err e;

	if (m->matched > 0)
		return text_goes_on(m, pp, end);
	from = *pp;
	for (p = from; (p = memchr(p, '\r', (size_t)(end - p))) != NULL; p++) {
		n = (size_t)(end - p);
		if (n > m->boundary_len)
			n = m->boundary_len;
		if (memcmp(p, m->boundary, n) != 0)
			continue;
		*pp = p + n;
		e = give(m, from, (size_t)(p - from));
		matched(m, n);
		return e;
	}
	*pp = end;
	return give(m, from, (size_t)(end - from));
}

/* The value of the header in the line, if it has that name; else NULL. */
static const char *
header_value(const char *line, const char *name)
{
	size_t n = strlen(name);

	if (strncasecmp(line, name, n) != 0 || line[n] != ':')
		return NULL;
	return skip_space(line + n + 1);
}

static enum err
read_disposition(struct multipart *m, const char *value)
{
	bool named = false, wanted = false, file = false;
	struct param q;
	enum err e;

	value = after_word(value, "form-data");
	if (value == NULL)
		return ERR_INVALID;
	while ((e = next_param(&value, &q)) == ERR_OK) {
		if (is_named(&q, "name") && !named) {
			named = true;
			wanted = strcmp(q.value, "file") == 0 && q.len == 4;
		}
		if (is_named(&q, "filename") || is_named(&q, "filename*"))
			file = true;
	}
	if (e != ERR_NOTFOUND || !named)
		return ERR_INVALID;
	m->kind = FIELD;
	if (file)
		m->kind = wanted && !m->found ? WANTED : OTHER_FILE;
	if (m->kind == WANTED)
		m->found = true;
	return ERR_OK;
}

/* A line that goes on in the next one becomes one line (RFC 5322, section
 * 2.2.3). */
static void
unfold(char *head)
{
	char *p = head;

	while ((p = strstr(p, "\r\n")) != NULL) {
		if (p[2] == ' ' || p[2] == '\t')
			p[0] = p[1] = ' ';
		p += 2;
	}
}

static enum err
read_head(struct multipart *m)
{
	const char *value = NULL;
	char *line, *end;

	m->head[m->head_len] = '\0';
	if (strlen(m->head) != m->head_len)
		return ERR_INVALID;
	unfold(m->head);
	for (line = m->head;
	     (end = strstr(line, "\r\n")) != NULL && end != line;
	     line = end + 2) {
		*end = '\0';
		if (value == NULL)
			value = header_value(line, "Content-Disposition");
	}
	/* A CR or LF by itself would be another line for somebody else. */
	for (line = m->head; line < m->head + m->head_len; line++)
		if (*line == '\x7f' || (line[0] == '\r' && line[1] != '\n'))
			return ERR_INVALID;
	m->state = TEXT;
	return value != NULL ? read_disposition(m, value) : ERR_INVALID;
}

static enum err
head(struct multipart *m, char c)
{
	const char *h = m->head;
	size_t n;

	if (m->head_len == HEAD_MAX - 1)
		return ERR_INVALID;
	m->head[m->head_len++] = c;
	n = m->head_len;
	if (c == '\n' && (n < 2 || h[n - 2] != '\r'))
		return ERR_INVALID;
	if ((n == 2 && c == '\n') ||
	    (n >= 4 && memcmp(h + n - 4, "\r\n\r\n", 4) == 0))
		return read_head(m);
	return ERR_OK;
}

/* One byte outside of the text. */
static enum err
step(struct multipart *m, char c)
{
	switch (m->state) {
	case AFTER:
	case PADDING:
		if (c == '-' && m->state == AFTER)
			m->state = CLOSING;
		else if (c == '\r')
			m->state = NEWLINE;
		else if (c == ' ' || c == '\t')
			m->state = PADDING;
		else
			return ERR_INVALID;
		return ERR_OK;
	case CLOSING:
		m->state = END;
		return c == '-' ? ERR_OK : ERR_INVALID;
	case NEWLINE:
		m->state = HEAD;
		m->head_len = 0;
		return c == '\n' ? ERR_OK : ERR_INVALID;
	default:
		return head(m, c);
	}
}

enum err
multipart_feed(struct multipart *m, const char *p, size_t n)
{
	const char *end = p + n;
	enum err e = ERR_OK;

	while (p < end && e == ERR_OK && m->state != END)
		e = m->state == TEXT ? text(m, &p, end) : step(m, *p++);
	return e;
}

enum err
multipart_end(const struct multipart *m)
{
	return m->state == END && m->found ? ERR_OK : ERR_INVALID;
}
