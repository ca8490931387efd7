/* The configuration: its defaults, lines, file and environment. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf_given.h"
#include "fixture.h"
#include "log.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char dir[64], path[128];

static void
setup(void)
{
	conf_given_open();
	fixture_mkdir(dir);
	(void)snprintf(path, sizeof(path), "%s/testflinger.conf", dir);
}

static void
teardown(void)
{
	conf_given_close();
	fixture_rmdir(dir);
}

TestSuite(conf, .init = setup, .fini = teardown);

static void
given_file(const char *text)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	(void)fputs(text, f);
	(void)fclose(f);
}

static void
load(const char *name)
{
	conf_given_forget();
	cr_assert_eq(conf_load(&conf, name, &fault), ERR_OK, "%s", fault.text);
}

Test(conf, has_a_default_for_every_key)
{
	const struct conf_key *k;
	enum conf_id id;
	int i;

	conf_given("");
	for (i = 0; i < CONF__MAX; i++) {
		id = (enum conf_id)i;
		k = conf_key(id);
		cr_expect_not(conf_is_set(conf, id), "%s", k->name);
		if (k->type == CONF_INT)
			cr_expect(conf_int(conf, id) >= k->min &&
				      conf_int(conf, id) <= k->max,
			    "%s", k->name);
		else if (k->type != CONF_BOOL)
			cr_expect_not_null(conf_str(conf, id), "%s", k->name);
		cr_expect_gt(strlen(k->doc), 10, "%s", k->name);
	}
	cr_expect_null(conf_file(conf));
}

Test(conf, starts_where_the_first_server_did)
{
	conf_given("");
	cr_expect_str_eq(conf_str(conf, CONF_AMQP_URI),
	    "amqp://guest:guest@localhost:5672//");
	cr_expect_str_eq(conf_str(conf, CONF_DATA_PATH), TF_DATA_PATH);
	cr_expect_str_eq(conf_str(conf, CONF_JOB_FIELDS), "open");
	cr_expect(conf_has_word(conf, CONF_ANONYMOUS_ROLES, "agent"));
	cr_expect(conf_has_word(conf, CONF_ANONYMOUS_ROLES, "contributor"));
}

Test(conf, reads_a_file_as_python_would)
{
	conf_given("# -*- coding: utf-8 -*-\n"
		   "\n"
		   "   \t\n"
		   "DATA_PATH='/srv/a' # note\n"
		   "AMQP_URI = \\\n"
		   "    'amqp://' \\\n"
		   "    'h//'\r\n"
		   "WORKERS\t=\t3 \r\n"
		   "MAX_QUEUES = 1_000 # \\\n"
		   "ANONYMOUS_ROLES = [ # nobody submits\n"
		   "    'agent',\n"
		   "]\n"
		   "WORKERS = 4");
	cr_expect_str_eq(conf_str(conf, CONF_DATA_PATH), "/srv/a");
	cr_expect_str_eq(conf_str(conf, CONF_AMQP_URI), "amqp://h//");
	cr_expect_eq(conf_int(conf, CONF_MAX_QUEUES), 1000);
	cr_expect_str_eq(conf_str(conf, CONF_ANONYMOUS_ROLES), "agent");
	cr_expect_eq(conf_int(conf, CONF_WORKERS), 4, "the last one counts");
	cr_expect(conf_is_set(conf, CONF_WORKERS));
	cr_expect_not(conf_is_set(conf, CONF_LOG_LEVEL));
}

Test(conf, tells_a_key_that_was_set_to_its_default)
{
	conf_given("WORKERS = 0\nAMQP_URI = ''");
	cr_expect(conf_is_set(conf, CONF_WORKERS));
	cr_expect(conf_is_set(conf, CONF_AMQP_URI));
	cr_expect_str_eq(conf_str(conf, CONF_AMQP_URI), "");
}

Test(conf, tells_file_line_column_key_and_remedy)
{
	cr_expect_eq(conf_given_try("\n\nWORKERS = 'x'\n"), ERR_INVALID);
	cr_expect_str_eq(fault.text,
	    "x.conf: line 3, column 11: WORKERS: is no whole number; write "
	    "NAME = 5, no quotes");
	cr_expect_eq(conf_given_try("LOG_LEVEL = 'loud'"), ERR_INVALID);
	cr_expect_str_eq(fault.text,
	    "x.conf: line 1, column 13: LOG_LEVEL: is no such choice; write "
	    "one of: error warn info debug");
	cr_expect_eq(conf_given_try("import os\n"), ERR_INVALID);
	cr_expect_str_eq(fault.text,
	    "x.conf: line 1, column 8: '=' is missing after the name; the file "
	    "is data, not Python: write NAME = 'text' or NAME = 5");
}

Test(conf, shows_a_syntax_error_where_it_stands)
{
	static const char *const t[][2] = {
	    {"= 5", "line 1, column 1: a name is missing"},
	    {"5 = 5", "line 1, column 1: a name is missing"},
	    {"\n  'x'", "line 2, column 3: a name is missing"},
	    {"\xc3\xa9 = 1", "line 1, column 1: a name is missing"},
	    {"WORKERS", "line 1, column 8: '=' is missing"},
	    {"WORKERS\n= 1", "line 1, column 8: '=' is missing"},
	    {"WORKERS == 1", "line 1, column 9: '=' is missing"},
	    {"WORKERS += 1", "line 1, column 9: '=' is missing"},
	    {"WORKERS: int = 1", "line 1, column 8: '=' is missing"},
	    {"a.b = 1", "line 1, column 2: '=' is missing"},
	    {"if True:\n", "line 1, column 4: '=' is missing"},
	    {"WORKERS =", "line 1, column 10: WORKERS: the value is missing"},
	    {"WORKERS = # 1", "line 1, column 14: WORKERS: the value is"},
	    {"WORKERS =\n1", "line 1, column 10: WORKERS: the value is"},
	    {"WORKERS = 1;", "line 1, column 12: WORKERS: something follows"},
	    {"WORKERS = 5 * 2", "line 1, column 13: WORKERS: something"},
	    {"WORKERS = 1 WORKERS = 2", "line 1, column 13: WORKERS: some"},
	    {"WORKERS = 1 \\\nWORKERS = 2", "line 2, column 1: WORKERS: some"},
	    {"WORKERS = os.cpu_count()", "line 1, column 11: WORKERS: not a "},
	    {"WORKERS = -", "line 1, column 11: WORKERS: not a whole decimal"},
	    {"DATA_PATH = 'a", "line 1, column 15: DATA_PATH: the string is"},
	    {"DATA_PATH = 'a\n", "line 1, column 15: DATA_PATH: the string"},
	    {"DATA_PATH = '''a\nb", "line 2, column 2: DATA_PATH: the string"},
	    {"DATA_PATH = '\\q\\xg'", "line 1, column 18: DATA_PATH: a bad "},
	    {"DATA_PATH = f'{x}'", "line 1, column 13: DATA_PATH: not a "},
	    {"DATA_PATH = '/a' + '/b'", "line 1, column 18: DATA_PATH: some"},
	    {"X = [1,\n\n [2]]", "line 3, column 2: a list within a list"},
	    {"X = [1,\n2", "line 2, column 2: the list is not closed"},
	    {"X = {}", "line 1, column 5: not a literal"},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		expect_fault(t[i][0], t[i][1]);
}

Test(conf, refuses_a_file_that_is_no_utf8_and_shows_where)
{
	static const struct {
		const char *text;
		size_t len;
		const char *where;
	} t[] = {
	    {"\xff", 1, "line 1, column 1: "},
	    {"WORKERS = 1\n# caf\xe9\n", 19, "line 2, column 6: "},
	    {"# \xc3\xa9 \xc3", 6, "line 1, column 6: "},
	    {"# \xe2\x82\xac\n\n'\xf0\x9f\x98\x80\xc0\x80'", 14,
		"line 3, column 6: "},
	    {"WORKERS = 1\n\0", 13, "line 2, column 1: "},
	    {"# \0 \xff", 5, "line 1, column 3: "},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		conf_given_forget();
		cr_expect_eq(
		    conf_parse(&conf, "x.conf", t[i].text, t[i].len, &fault),
		    ERR_INVALID);
		cr_expect_not_null(
		    strstr(fault.text, t[i].where), "%s", fault.text);
		cr_expect_not_null(strstr(fault.text, "UTF-8"));
	}
}

/* Run conf_given_try(text) with its lines of log in out. */
static enum err
parse_logged(const char *text, char *out, size_t size)
{
	FILE *f = tmpfile();
	int saved = dup(STDERR_FILENO);
	enum err e;
	size_t n;

	(void)fflush(stderr);
	cr_assert(f != NULL && dup2(fileno(f), STDERR_FILENO) != -1);
	log_setup("unit", LOG_LVL_WARN);
	e = conf_given_try(text);
	log_setup("unit", LOG_LVL_ERROR);
	(void)dup2(saved, STDERR_FILENO);
	(void)close(saved);
	rewind(f);
	n = fread(out, 1, size - 1, f);
	out[n] = '\0';
	(void)fclose(f);
	return e;
}

Test(conf, warns_of_an_unknown_key_and_goes_on)
{
	char lines[2000];

	cr_assert_eq(
	    parse_logged("DATA_PAHT = '/a'\nlower = []\nworkers = 'x'\n"
			 "WORKERS = 2\n",
		lines, sizeof(lines)),
	    ERR_OK);
	cr_expect_eq(conf_int(conf, CONF_WORKERS), 2);
	cr_expect_not_null(
	    strstr(lines, "x.conf: line 1: DATA_PAHT is no key"), "%s", lines);
	cr_expect_not_null(strstr(lines, "line 2: lower is ignored"));
	cr_expect_not_null(strstr(lines, "line 3: workers is ignored"));
	cr_expect_null(strstr(lines, "line 4"));
}

Test(conf, wants_literals_of_unknown_keys_too)
{
	expect_fault(
	    "OTHER = open('/etc/passwd')", "line 1, column 9: not a literal");
}

Test(conf, reads_the_file_that_is_named)
{
	given_file("WORKERS = 7\n");
	load(path);
	cr_expect_eq(conf_int(conf, CONF_WORKERS), 7);
	cr_expect_str_eq(conf_file(conf), path);
}

Test(conf, reads_the_file_that_the_environment_names_unless_another_is)
{
	char other[128];

	given_file("WORKERS = 7\n");
	cr_assert_eq(setenv("TESTFLINGER_CONFIG", path, 1), 0);
	load(NULL);
	cr_expect_eq(conf_int(conf, CONF_WORKERS), 7);
	(void)snprintf(other, sizeof(other), "%s", path);
	(void)snprintf(path, sizeof(path), "%s/other.conf", dir);
	given_file("WORKERS = 8\n");
	load(path);
	cr_expect_eq(conf_int(conf, CONF_WORKERS), 8);
	cr_expect_str_neq(conf_file(conf), other);
}

Test(conf, is_content_without_any_file)
{
	if (access(TF_SYSCONF_FILE, F_OK) == 0)
		return;
	load(NULL);
	cr_expect_null(conf_file(conf));
	cr_expect_eq(conf_int(conf, CONF_WORKERS), 0);
}

static void
expect_unreadable(const char *name)
{
	cr_expect_eq(conf_load(&conf, name, &fault), ERR_INVALID);
	cr_expect_null(conf);
	cr_expect_not_null(
	    strstr(fault.text, "cannot read the configuration /"), "%s",
	    fault.text);
	cr_expect_not_null(strstr(fault.text, dir), "%s", fault.text);
}

Test(conf, refuses_to_go_on_without_a_file_that_was_named)
{
	expect_unreadable(path);
	expect_unreadable(dir);
	cr_assert_eq(setenv("TESTFLINGER_CONFIG", path, 1), 0);
	expect_unreadable(NULL);
	cr_assert_eq(setenv("TESTFLINGER_CONFIG", "", 1), 0);
	cr_expect_eq(conf_load(&conf, NULL, &fault), ERR_INVALID);
}

Test(conf, refuses_a_file_larger_than_a_mebibyte)
{
	char *text = arena_alloc(arena, 1048578);

	memset(text, '\n', 1048577);
	text[1048577] = '\0';
	given_file(text);
	expect_unreadable(path);
	given_file(text + 1);
	load(path);
}

Test(conf, puts_the_environment_before_the_file)
{
	given_file("WORKERS = 7\nLOG_LEVEL = 'debug'\nMAX_AGENTS = 5\n");
	cr_assert_eq(setenv("TESTFLINGER_WORKERS", "9", 1), 0);
	cr_assert_eq(setenv("TESTFLINGER_AMQP_URI", "", 1), 0);
	cr_assert_eq(setenv("TESTFLINGER_LOG_LEVEL", "warn", 1), 0);
	cr_assert_eq(setenv("TESTFLINGER_ANONYMOUS_ROLES", "agent", 1), 0);
	cr_assert_eq(setenv("TESTFLINGER_DATA_PATH", "'/x' # y", 1), 0);
	load(path);
	cr_expect_eq(conf_int(conf, CONF_WORKERS), 9);
	cr_expect_eq(conf_int(conf, CONF_MAX_AGENTS), 5);
	cr_expect_str_eq(conf_str(conf, CONF_AMQP_URI), "");
	cr_expect(conf_is_set(conf, CONF_AMQP_URI));
	cr_expect_str_eq(conf_str(conf, CONF_LOG_LEVEL), "warn");
	cr_expect_str_eq(conf_str(conf, CONF_ANONYMOUS_ROLES), "agent");
	cr_expect_str_eq(conf_str(conf, CONF_DATA_PATH), "'/x' # y",
	    "a plain text, no literal");
}

Test(conf, judges_the_environment_as_it_does_the_file)
{
	static const struct {
		const char *name, *value, *why;
	} t[] = {
	    {"TESTFLINGER_WORKERS", "", "is no whole number"},
	    {"TESTFLINGER_WORKERS", "x", "is no whole number"},
	    {"TESTFLINGER_WORKERS", "5x", "is no whole number"},
	    {"TESTFLINGER_WORKERS", "99999999999999999999", "is no whole"},
	    {"TESTFLINGER_WORKERS", "1025", "is out of bounds"},
	    {"TESTFLINGER_LOG_LEVEL", "loud", "is no such choice"},
	    {"TESTFLINGER_DATA_PATH", "", "has 0 bytes"},
	    {"TESTFLINGER_DATA_PATH", "\xff", "is not text in UTF-8"},
	    {"TESTFLINGER_ANONYMOUS_ROLES", "admin", "an unknown word"},
	};
	size_t i;

	given_file("");
	for (i = 0; i < COUNT(t); i++) {
		cr_assert_eq(setenv(t[i].name, t[i].value, 1), 0);
		cr_expect_eq(conf_load(&conf, path, &fault), ERR_INVALID);
		cr_expect_null(conf);
		cr_expect_not_null(strstr(fault.text, t[i].name));
		cr_expect_not_null(
		    strstr(fault.text, t[i].why), "%s", fault.text);
		(void)unsetenv(t[i].name);
	}
}

Test(conf, keeps_the_environment_out_of_a_text)
{
	cr_assert_eq(setenv("TESTFLINGER_WORKERS", "9", 1), 0);
	conf_given("WORKERS = 7");
	cr_expect_eq(conf_int(conf, CONF_WORKERS), 7);
}
