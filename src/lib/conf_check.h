#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "conf.h"
#include "conf_value.h"

/* Whether a value fits the row of its key, and the words for the operator if it does not. */

/* For messages: where a value stands. */
struct conf_place {
	const char *file; /* NULL: an environment variable */
	unsigned line, column; /* 0: a default, which stands nowhere */
	const char *key;
};

/* What is judged, and where faults of it go. */
struct conf_check {
	const struct conf_key *key;
	struct arena *arena; /* for texts */
	const struct conf_place *at;
	struct conf_fault *fault;
};

/* A value that fits: n of a number or a boolean, else text, of words with single spaces between
 * them. */
struct conf_setting {
	const char *text;
	int64_t n;
};

/* Judge a literal of a file, or the plain text of an environment variable.  ERR_INVALID with
 * the fault; ERR_NOMEM. */
enum err conf_check_value(const struct conf_check *c,
    const struct conf_value *v, struct conf_setting *out)
    __attribute__((warn_unused_result));
enum err conf_check_plain(const struct conf_check *c, const char *text,
    struct conf_setting *out) __attribute__((warn_unused_result));

/* Fill *f with where it stands, why it will not do, and the remedy.  ERR_INVALID. */
enum err conf_check_fault(struct conf_fault *f, const struct conf_place *at,
    const char *why, const char *remedy);

/* Does word of len bytes stand among words, which single spaces separate?  NULL: there are
 * none. */
bool conf_check_among(const char *words, const char *word, size_t len);

#endif /* !CONF_CHECK_H */
