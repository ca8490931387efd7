/* Values at rest: nobody reads them without the key, or in another place. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "seal.h"

/* 32 bytes of 0 and of 1; 96 bytes, as other servers have them. */
#define ZERO "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define ONE "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define LONG                                                                   \
	"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB" \
	"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB"

static struct arena *arena;
static struct conf_fault fault;
static char dir[64];

static void
setup(void)
{
	arena = arena_new();
	fixture_mkdir(dir);
}

static void
teardown(void)
{
	arena_free(arena);
	fixture_rmdir(dir);
}

TestSuite(seal, .init = setup, .fini = teardown);

static enum err
open_with(struct seal **s, const char *text)
{
	struct conf *conf;
	enum err e;

	cr_assert_eq(conf_parse(&conf, "t", text, strlen(text), &fault), ERR_OK,
	    "%s", fault.text);
	fault.text[0] = '\0';
	e = seal_open(s, conf, &fault);
	cr_expect_eq(seal_wanted(conf), e != ERR_OK || *s != NULL);
	conf_free(conf);
	return e;
}

static struct seal *
opened(const char *text)
{
	struct seal *s;

	cr_assert_eq(open_with(&s, text), ERR_OK, "%s", fault.text);
	cr_assert_not_null(s);
	return s;
}

static const char *
value_of(const struct seal *s, const char *client, const char *path,
    const char *text)
{
	const char *value;
	size_t len;

	if (seal_open_value(s, arena, client, path, text, &value, &len) !=
	    ERR_OK)
		return NULL;
	cr_expect_eq(strlen(value), len);
	return value;
}

Test(seal, gives_back_the_value_to_its_owner_and_path_alone)
{
	struct seal *s = opened("SECRETS_MASTER_KEY = '" ZERO "'\n");
	const char *text = seal_close_value(s, arena, "ab", "c", "hunter2", 7);

	cr_expect_null(strstr(text, "hunter2"));
	cr_expect_str_eq(value_of(s, "ab", "c", text), "hunter2");
	cr_expect_null(value_of(s, "a", "bc", text));
	cr_expect_null(value_of(s, "ab", "d", text));
	cr_expect_str_neq(
	    text, seal_close_value(s, arena, "ab", "c", "hunter2", 7));
	seal_free(s);
}

Test(seal, notices_any_change)
{
	struct seal *s = opened("SECRETS_MASTER_KEY = '" ZERO "'\n");
	const char *text = seal_close_value(s, arena, "a", "b", "value", 5);
	size_t i, len = strlen(text);
	char *changed;

	for (i = 0; i < len; i++) {
		changed = arena_dup(arena, text, len);
		changed[i] = changed[i] == 'A' ? 'B' : 'A';
		if (strcmp(changed, text) != 0)
			cr_expect_null(
			    value_of(s, "a", "b", changed), "byte %zu", i);
		changed[i] = '\0';
		cr_expect_null(value_of(s, "a", "b", changed), "cut %zu", i);
	}
	seal_free(s);
}

Test(seal, opens_by_a_former_key_and_tells_it_from_the_present_one)
{
	struct seal *old = opened("SECRETS_MASTER_KEY = '" LONG "'\n");
	struct seal *s = opened("SECRETS_MASTER_KEY = '" ONE "'\n"
				"SECRETS_MASTER_KEY_OLD = '" LONG "'\n");
	struct seal *alone = opened("SECRETS_MASTER_KEY = '" ONE "'\n");
	const char *text = seal_close_value(old, arena, "a", "b", "v", 1);

	cr_expect_str_eq(value_of(s, "a", "b", text), "v");
	cr_expect_not(seal_is_current(s, text));
	cr_expect_null(value_of(alone, "a", "b", text));
	text = seal_close_value(s, arena, "a", "b", "v", 1);
	cr_expect(seal_is_current(s, text));
	cr_expect_str_eq(value_of(alone, "a", "b", text), "v");
	seal_free(old);
	seal_free(s);
	seal_free(alone);
}

Test(seal, refuses_a_key_that_is_none)
{
	static const char *const cases[] = {
	    "SECRETS_MASTER_KEY = 'short'\n",
	    "SECRETS_MASTER_KEY = 'AAAA'\n",
	    "SECRETS_MASTER_KEY = "
	    "'*AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA='\n",
	    "SECRETS_MASTER_KEY_FILE = '/nonexistent'\n",
	    "SECRETS_MASTER_KEY_FILE = '/dev/null'\n",
	    "SECRETS_MASTER_KEY = '" ZERO "'\nSECRETS_MASTER_KEY_OLD = 'x'\n",
	};
	struct seal *s;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_expect_eq(
		    open_with(&s, cases[i]), ERR_INVALID, "%s", cases[i]);
		cr_expect_neq(fault.text[0], '\0');
		cr_expect_null(strstr(fault.text, "AAAA"), "%s", fault.text);
	}
}

Test(seal, reads_a_key_file_that_is_for_few)
{
	char path[128], text[256];
	struct seal *s;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/key", dir);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	cr_assert_eq(write(fd, ZERO "\n", sizeof(ZERO)), sizeof(ZERO));
	(void)close(fd);
	(void)snprintf(
	    text, sizeof(text), "SECRETS_MASTER_KEY_FILE = '%s'\n", path);
	seal_free(opened(text));
	cr_assert_eq(chmod(path, 0644), 0);
	cr_expect_eq(open_with(&s, text), ERR_INVALID);
}

Test(seal, is_not_there_without_a_key)
{
	struct seal *s;

	cr_assert_eq(open_with(&s, "LOG_LEVEL = 'info'\n"), ERR_OK);
	cr_expect_null(s);
}
