#ifndef CONF_GIVEN_H
#define CONF_GIVEN_H

#include "arena.h"
#include "conf.h"

/* A configuration from a text that stands in the case, as the file x.conf. */

extern struct conf *conf; /* what was read last; NULL: nothing */
extern struct conf_fault fault;
extern struct arena *arena; /* for what a case makes */

/* Of each suite, with nothing of the configuration in the environment. */
void conf_given_open(void);
void conf_given_close(void);

/* Forget what was read. */
void conf_given_forget(void);

/* Read text, in place of what was read before. */
enum err conf_given_try(const char *text);

/* Likewise; it must be good. */
void conf_given(const char *text);

/* text is refused with these words, after the file's name. */
void expect_fault(const char *text, const char *words);

#endif /* !CONF_GIVEN_H */
