#ifndef CONF_VALUE_H
#define CONF_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"

/*
 * The literals of a configuration file: those of Python's that are data.
 * Strings in one or three quotes of either kind with r, u and Python's escapes,
 * adjacent ones joined; whole decimal numbers with underscores; True, False,
 * None; lists and tuples of these.
 */

enum conf_value_type {
	VALUE_STR,
	VALUE_INT,
	VALUE_BOOL,
	VALUE_NONE,
	VALUE_LIST
};

struct conf_value {
	enum conf_value_type type;
	const char *text; /* a string's, ended by NUL */
	size_t len;
	int64_t n; /* an integer's or a boolean's */
	struct conf_value *items; /* a list's */
	size_t n_items;
};

/* Where the reading is; line and column count from 1. */
struct conf_text {
	const char *p, *end;
	const char *line_start;
	unsigned line;
	struct arena *arena;
	const char *why; /* of a failure, a constant */
};

unsigned conf_text_column(const struct conf_text *t);

/* Past blanks and comments of this line, which a backslash at its end carries
 * on with the next; with lines, also over line ends. */
void conf_text_skip(struct conf_text *t, bool lines);

/* Read one literal.  False with t->why set, t standing where it is wrong. */
bool conf_value_read(struct conf_text *t, struct conf_value *out);

#endif /* !CONF_VALUE_H */
