/* Values that fit the row of their key, and the words of those that do not. */

#include <criterion/criterion.h>
#include <string.h>

#include "conf_given.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

TestSuite(conf_check, .init = conf_given_open, .fini = conf_given_close);

Test(conf_check, separates_words_by_single_spaces_however_they_were_written)
{
	static const char *const t[][2] = {
	    {"''", ""},
	    {"[]", ""},
	    {"' , '", ""},
	    {"'agent'", "agent"},
	    {"['agent', 'contributor']", "agent contributor"},
	    {"('agent')", "agent"},
	    {"['agent contributor']", "agent contributor"},
	    {"'agent,contributor'", "agent contributor"},
	    {"' agent\\t,\\n contributor '", "agent contributor"},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		conf_given(
		    arena_printf(arena, "ANONYMOUS_ROLES = %s", t[i][0]));
		cr_expect_str_eq(conf_str(conf, CONF_ANONYMOUS_ROLES), t[i][1]);
	}
}

Test(conf_check, finds_whole_words_only)
{
	conf_given("ANONYMOUS_ROLES = 'contributor'");
	cr_expect(conf_has_word(conf, CONF_ANONYMOUS_ROLES, "contributor"));
	cr_expect_not(conf_has_word(conf, CONF_ANONYMOUS_ROLES, "contrib"));
	cr_expect_not(conf_has_word(conf, CONF_ANONYMOUS_ROLES, "agent"));
	cr_expect_not(conf_has_word(conf, CONF_ANONYMOUS_ROLES, ""));
}

Test(conf_check, refuses_values_that_do_not_fit_their_row)
{
	static const char *const t[][2] = {
	    {"WORKERS = -1", "line 1, column 11: WORKERS: is out of bounds; "
			     "write a whole number from 0 to 1024"},
	    {"WORKERS = 1025", "line 1, column 11: WORKERS: is out of bounds"},
	    {"WORKERS = True", "line 1, column 11: WORKERS: is no whole"},
	    {"WORKERS = None", "line 1, column 11: WORKERS: is no whole"},
	    {"WORKERS = [1]", "line 1, column 11: WORKERS: is no whole"},
	    {"DATA_PATH = 5", "line 1, column 13: DATA_PATH: is no text"},
	    {"DATA_PATH = None", "line 1, column 13: DATA_PATH: is no text"},
	    {"DATA_PATH = ['/a']", "line 1, column 13: DATA_PATH: is no text"},
	    {"DATA_PATH = ''", "line 1, column 13: DATA_PATH: has 0 bytes, not "
			       "1 to 4000"},
	    {"LOG_LEVEL = ''", "line 1, column 13: LOG_LEVEL: is no such"},
	    {"LOG_LEVEL = 'INFO'", "line 1, column 13: LOG_LEVEL: is no such"},
	    {"LOG_LEVEL = 'error warn'", "line 1, column 13: LOG_LEVEL: is no"},
	    {"LOG_LEVEL = 3", "line 1, column 13: LOG_LEVEL: is no text"},
	    {"ANONYMOUS_ROLES = 'admin'",
		"line 1, column 19: ANONYMOUS_ROLES: "
		"holds an unknown word; write any of, "
		"or nothing: contributor agent"},
	    {"ANONYMOUS_ROLES = ['agent', 1]",
		"line 1, column 19: ANONYMOUS_ROLES: holds something but"},
	    {"ANONYMOUS_ROLES = False", "line 1, column 19: ANONYMOUS_ROLES: "
					"is no text"},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		expect_fault(t[i][0], t[i][1]);
}

Test(conf_check, takes_every_bound_and_nothing_beyond)
{
	const struct conf_key *k;
	enum conf_id id;
	int i;

	for (i = 0; i < CONF__MAX; i++) {
		id = (enum conf_id)i;
		k = conf_key(id);
		if (k->type != CONF_INT)
			continue;
		conf_given(arena_printf(
		    arena, "%s = %lld", k->name, (long long)k->min));
		cr_expect_eq(conf_int(conf, id), k->min, "%s", k->name);
		conf_given(arena_printf(
		    arena, "%s = %lld", k->name, (long long)k->max));
		cr_expect_eq(conf_int(conf, id), k->max, "%s", k->name);
		expect_fault(arena_printf(arena, "%s = %lld", k->name,
				 (long long)k->min - 1),
		    "line 1");
		expect_fault(arena_printf(arena, "%s = %lld", k->name,
				 (long long)k->max + 1),
		    "line 1");
	}
}

Test(conf_check, takes_texts_to_their_limit_and_none_longer)
{
	char text[4002];

	memset(text, 'x', sizeof(text));
	text[4000] = '\0';
	conf_given(arena_printf(arena, "DATA_PATH = '%s'", text));
	cr_expect_eq(strlen(conf_str(conf, CONF_DATA_PATH)), 4000);
	text[4000] = 'x';
	text[4001] = '\0';
	expect_fault(arena_printf(arena, "DATA_PATH = '%s'", text),
	    "line 1, column 13: DATA_PATH: has 4001 bytes, not 1 to 4000");
}
