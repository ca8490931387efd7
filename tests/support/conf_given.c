/* Texts read by conf_parse(), one after the other. */

#include "conf_given.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"

struct conf *conf;
struct conf_fault fault;
struct arena *arena;

void
conf_given_open(void)
{
	char name[128];
	int i;

	log_setup("unit", LOG_LVL_ERROR);
	for (i = 0; i < CONF__MAX; i++) {
		(void)snprintf(name, sizeof(name), "TESTFLINGER_%s",
		    conf_key((enum conf_id)i)->name);
		(void)unsetenv(name);
	}
	(void)unsetenv("TESTFLINGER_CONFIG");
	arena = arena_new();
}

void
conf_given_forget(void)
{
	if (conf != NULL)
		conf_free(conf);
	conf = NULL;
}

enum err
conf_given_try(const char *text)
{
	conf_given_forget();
	return conf_parse(&conf, "x.conf", text, strlen(text), &fault);
}

void
conf_given(const char *text)
{
	cr_assert_eq(conf_given_try(text), ERR_OK, "%s: %s", text, fault.text);
}

void
expect_fault(const char *text, const char *words)
{
	cr_expect_eq(conf_given_try(text), ERR_INVALID, "%s", text);
	cr_expect_eq(strncmp(fault.text, "x.conf: ", 8), 0, "%s", fault.text);
	cr_expect_eq(strncmp(fault.text + 8, words, strlen(words)), 0,
	    "%s: %s, not %s", text, fault.text, words);
}

void
conf_given_close(void)
{
	conf_given_forget();
	arena_free(arena);
}
