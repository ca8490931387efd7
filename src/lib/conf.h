#ifndef CONF_H
#define CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/*
 * The configuration: a file of NAME = literal lines in the syntax the seed's
 * Python files had (data only, never run), each key also from the environment
 * as TESTFLINGER_<NAME>, which goes before the file.  Constant after start-up.
 */

enum conf_type { CONF_STR, CONF_INT, CONF_BOOL, CONF_CHOICE, CONF_WORDS };

/* One row for each key; conf_keys.h is the table. */
struct conf_key {
	const char *name;
	enum conf_type type;
	const char *fallback; /* the default, as it would stand in the file */
	int64_t min, max; /* of an integer; of a string its length in bytes */
	/* Of a choice or of words, separated by spaces; NULL: any words. */
	const char *choices;
	const char *doc; /* one sentence or more, for the manual */
};

enum conf_id {
#define CONF_ENUM(name, ...) CONF_##name,
#include "conf_keys.h"
#undef CONF_ENUM
	CONF__MAX
};

struct conf;

/* The row of id. */
const struct conf_key *conf_key(enum conf_id id);

/* Where a configuration is wrong: a full sentence for the operator, with file,
 * line, column and remedy. */
struct conf_fault {
	char text[1024];
};

/*
 * Read the file at path; NULL: the file named by TESTFLINGER_CONFIG, else the
 * installed testflinger.conf if there is one, else defaults alone.  Then the
 * environment.  A named file that cannot be read, a syntax error, a value
 * that does not fit its row: ERR_INVALID with *fault.  A key nobody knows
 * is a warning in the log.  Free with conf_free().
 */
enum err conf_load(struct conf **out, const char *path,
    struct conf_fault *fault) __attribute__((warn_unused_result));

/* Read the len bytes at text as such a file called name; no environment. */
enum err conf_parse(struct conf **out, const char *name, const char *text,
    size_t len, struct conf_fault *fault) __attribute__((warn_unused_result));

void conf_free(struct conf *c);

/* The value of a key of that type.  Strings live as long as c.  Words are one
 * string with single spaces between them. */
const char *conf_str(const struct conf *c, enum conf_id id);
int64_t conf_int(const struct conf *c, enum conf_id id);
bool conf_bool(const struct conf *c, enum conf_id id);

/* True if word stands in the words of id. */
bool conf_has_word(const struct conf *c, enum conf_id id, const char *word);

/* False while the default is in force. */
bool conf_is_set(const struct conf *c, enum conf_id id);

/* For whoever judges a value further: fill *fault with where it stands, why it will not
 * do, and the remedy.  Returns ERR_INVALID. */
enum err conf_refuse(const struct conf *c, enum conf_id id,
    struct conf_fault *fault, const char *why, const char *remedy);

/* The file that was read, or NULL. */
const char *conf_file(const struct conf *c);

#endif /* !CONF_H */
