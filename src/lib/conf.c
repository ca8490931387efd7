/* The configuration: defaults, file and environment, and the table of its keys. */

#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena.h"
#include "conf_check.h"
#include "conf_value.h"
#include "log.h"
#include "utf8.h"

#define FILE_MAX ((size_t)1 << 20)

static const struct conf_key keys[] = {
#define CONF_ENUM(name, ...) [CONF_##name] = {#name, __VA_ARGS__},
#include "conf_keys.h"
#undef CONF_ENUM
};

struct conf {
	struct arena *arena;
	const char *file;
	struct {
		struct conf_setting to;
		bool set;
		struct conf_place at;
	} values[CONF__MAX];
};

const struct conf_key *
conf_key(enum conf_id id)
{
	return &keys[id];
}

static enum err
set_value(struct conf *c, enum conf_id id, const struct conf_value *v,
    const struct conf_place *at, struct conf_fault *f)
{
	const struct conf_check k = {&keys[id], c->arena, at, f};

	return conf_check_value(&k, v, &c->values[id].to);
}

static int
find_key(const char *name, size_t len)
{
	int i;

	for (i = 0; i < CONF__MAX; i++)
		if (strlen(keys[i].name) == len &&
		    memcmp(keys[i].name, name, len) == 0)
			return i;
	return -1;
}

static bool
is_name(char c, bool first)
{
	return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (!first && c >= '0' && c <= '9');
}

static void
warn_unknown(const struct conf_place *at, const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (name[i] >= 'a' && name[i] <= 'z')
			break;
	log_warn("%s: line %u: %.*s %s", at->file, at->line, (int)len, name,
	    i < len ? "is ignored: keys are in upper case"
		    : "is no key that this server knows; is it misspelt?");
}

static void
here(struct conf_place *at, const struct conf_text *t)
{
	at->line = t->line;
	at->column = conf_text_column(t);
}

/* One NAME = literal; t stands at the name. */
static enum err
read_line(
    struct conf *c, struct conf_text *t, struct conf_fault *f, const char *file)
{
	static const char remedy[] =
	    "the file is data, not Python: write NAME = 'text' or NAME = 5";
	struct conf_place at = {file, t->line, conf_text_column(t), NULL};
	const char *name = t->p;
	struct conf_value v;
	size_t len;
	int id;
	enum err e;

	while (t->p < t->end && is_name(*t->p, t->p == name))
		t->p++;
	len = (size_t)(t->p - name);
	if (len == 0)
		return conf_check_fault(f, &at, "a name is missing", remedy);
	conf_text_skip(t, false);
	here(&at, t);
	if (t->p == t->end || *t->p != '=' ||
	    (t->end - t->p > 1 && t->p[1] == '='))
		return conf_check_fault(
		    f, &at, "'=' is missing after the name", remedy);
	t->p++;
	conf_text_skip(t, false);
	here(&at, t);
	id = find_key(name, len);
	at.key = id >= 0 ? keys[id].name : NULL;
	if (!conf_value_read(t, &v)) {
		here(&at, t);
		return conf_check_fault(f, &at, t->why, remedy);
	}
	if (id < 0) {
		warn_unknown(&at, name, len);
	} else {
		if ((e = set_value(c, (enum conf_id)id, &v, &at, f)) != ERR_OK)
			return e;
		c->values[id].set = true;
		c->values[id].at = at;
	}
	conf_text_skip(t, false);
	if (t->p < t->end && *t->p != '\n') {
		here(&at, t);
		return conf_check_fault(
		    f, &at, "something follows the value", remedy);
	}
	return ERR_OK;
}

/* The whole text must be UTF-8 without NUL, comments too. */
static enum err
check_text(const char *file, const char *text, size_t len, struct conf_fault *f)
{
	struct conf_place at = {file, 1, 1, NULL};
	const char *p, *end = text + len;
	size_t n;

	if (memchr(text, '\0', len) == NULL && utf8_ok(text, len))
		return ERR_OK;
	for (p = text; p < end && *p != '\0'; p += n) {
		for (n = 1; n < 5 && n <= (size_t)(end - p); n++)
			if (utf8_ok(p, n))
				break;
		if (n == 5 || n > (size_t)(end - p))
			break;
		at.column = *p == '\n' ? 1 : at.column + (unsigned)n;
		at.line += *p == '\n';
	}
	return conf_check_fault(
	    f, &at, "the file is not text in UTF-8", "save it as UTF-8");
}

static enum err
read_text(struct conf *c, const char *file, const char *text, size_t len,
    struct conf_fault *f)
{
	struct conf_text t = {text, text + len, text, 1, c->arena, NULL};
	enum err e;

	if ((e = check_text(file, text, len, f)) != ERR_OK)
		return e;
	for (conf_text_skip(&t, true); t.p < t.end && e == ERR_OK;
	     conf_text_skip(&t, true))
		e = read_line(c, &t, f, file);
	return e;
}

static enum err
set_from_env(
    struct conf *c, enum conf_id id, const char *text, struct conf_fault *f)
{
	struct conf_place at = {NULL, 0, 0, keys[id].name};
	const struct conf_check k = {&keys[id], c->arena, &at, f};

	c->values[id].set = true;
	c->values[id].at = at;
	return conf_check_plain(&k, text, &c->values[id].to);
}

/* Keys that other servers of this API take from the environment by their own
 * names. */
static const enum conf_id plain_names[] = {
    CONF_JWT_SIGNING_KEY,
    CONF_JWT_LEEWAY,
    CONF_OIDC_CLIENT_ID,
    CONF_OIDC_CLIENT_SECRET,
    CONF_OIDC_PROVIDER_ISSUER,
    CONF_WEB_SECRET_KEY,
    CONF_WEBHOOK_URL,
    CONF_WEBHOOK_AUTH,
};

static const char *
from_environment(enum conf_id id)
{
	char name[128];
	const char *text;
	size_t i;

	(void)snprintf(name, sizeof(name), "TESTFLINGER_%s", keys[id].name);
	text = getenv(name);
	for (i = 0; i < sizeof(plain_names) / sizeof(plain_names[0]); i++)
		if (text == NULL && plain_names[i] == id)
			text = getenv(keys[id].name);
	return text;
}

static enum err
read_environment(struct conf *c, struct conf_fault *f)
{
	const char *text;
	enum err e;
	int i;

	for (i = 0; i < CONF__MAX; i++) {
		text = from_environment((enum conf_id)i);
		if (text == NULL)
			continue;
		if ((e = set_from_env(c, (enum conf_id)i, text, f)) != ERR_OK)
			return e;
	}
	return ERR_OK;
}

/* The defaults are literals of the same syntax, judged by the same table. */
static enum err
set_defaults(struct conf *c, struct conf_fault *f)
{
	struct conf_place at = {"the defaults", 0, 0, NULL};
	struct conf_value v;
	enum err e;
	int i;

	for (i = 0; i < CONF__MAX; i++) {
		const char *s = keys[i].fallback;
		struct conf_text t = {s, s + strlen(s), s, 1, c->arena, NULL};

		at.key = keys[i].name;
		if (!conf_value_read(&t, &v))
			return conf_check_fault(
			    f, &at, t.why, "mend conf_keys.h");
		e = set_value(c, (enum conf_id)i, &v, &at, f);
		if (e != ERR_OK)
			return e;
		c->values[i].at = at;
	}
	return ERR_OK;
}

static enum err
conf_new(struct conf **out, struct conf_fault *f)
{
	struct conf *c;
	enum err e;

	f->text[0] = '\0';
	c = calloc(1, sizeof(*c));
	if (c == NULL || (c->arena = arena_new()) == NULL) {
		free(c);
		return ERR_NOMEM;
	}
	e = set_defaults(c, f);
	if (e != ERR_OK) {
		conf_free(c);
		return e;
	}
	*out = c;
	return ERR_OK;
}

enum err
conf_parse(struct conf **out, const char *name, const char *text, size_t len,
    struct conf_fault *f)
{
	struct conf *c;
	enum err e;

	if ((e = conf_new(&c, f)) != ERR_OK)
		return e;
	if ((e = read_text(c, name, text, len, f)) != ERR_OK) {
		conf_free(c);
		return e;
	}
	*out = c;
	return ERR_OK;
}

/* The whole file into the arena; -1 with errno. */
static int
slurp(struct conf *c, const char *path, const char **text, size_t *len)
{
	struct stat st;
	size_t got = 0;
	ssize_t n = 1;
	char *p;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return -1;
	p = arena_alloc(c->arena, FILE_MAX + 1);
	if (p == NULL || fstat(fd, &st) == -1 || S_ISDIR(st.st_mode)) {
		errno = p == NULL ? ENOMEM : EISDIR;
		(void)close(fd);
		return -1;
	}
	while (n > 0 && got <= FILE_MAX) {
		n = read(fd, p + got, FILE_MAX + 1 - got);
		got += n > 0 ? (size_t)n : 0;
	}
	(void)close(fd);
	if (got > FILE_MAX)
		errno = EFBIG;
	*text = p;
	*len = got;
	return n == -1 || got > FILE_MAX ? -1 : 0;
}

static enum err
read_file(struct conf *c, const char *path, bool named, struct conf_fault *f)
{
	const char *text;
	size_t len;

	if (slurp(c, path, &text, &len) == -1) {
		if (errno == ENOENT && !named)
			return ERR_OK;
		(void)snprintf(f->text, sizeof(f->text),
		    "cannot read the configuration %s: %s; name a file that "
		    "this user may read in TESTFLINGER_CONFIG, or unset it",
		    path, strerrordesc_np(errno));
		return ERR_INVALID;
	}
	c->file = arena_dup(c->arena, path, strlen(path));
	return c->file != NULL ? read_text(c, c->file, text, len, f)
			       : ERR_NOMEM;
}

enum err
conf_load(struct conf **out, const char *path, struct conf_fault *f)
{
	const char *named = path != NULL ? path : getenv("TESTFLINGER_CONFIG");
	struct conf *c;
	enum err e;

	if ((e = conf_new(&c, f)) != ERR_OK)
		return e;
	e = read_file(
	    c, named != NULL ? named : TF_SYSCONF_FILE, named != NULL, f);
	if (e == ERR_OK)
		e = read_environment(c, f);
	if (e != ERR_OK) {
		conf_free(c);
		return e;
	}
	*out = c;
	return ERR_OK;
}

void
conf_free(struct conf *c)
{
	arena_free(c->arena);
	free(c);
}

const char *
conf_str(const struct conf *c, enum conf_id id)
{
	return c->values[id].to.text;
}

int64_t
conf_int(const struct conf *c, enum conf_id id)
{
	return c->values[id].to.n;
}

bool
conf_bool(const struct conf *c, enum conf_id id)
{
	return c->values[id].to.n != 0;
}

bool
conf_has_word(const struct conf *c, enum conf_id id, const char *word)
{
	return conf_check_among(c->values[id].to.text, word, strlen(word));
}

bool
conf_is_set(const struct conf *c, enum conf_id id)
{
	return c->values[id].set;
}

const char *
conf_file(const struct conf *c)
{
	return c->file;
}

enum err
conf_refuse(const struct conf *c, enum conf_id id, struct conf_fault *f,
    const char *why, const char *remedy)
{
	return conf_check_fault(f, &c->values[id].at, why, remedy);
}
