/* Times that processes share. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "log.h"
#include "seen.h"

static char dir[64], path[128];
static struct seen *s;

static void
setup(void)
{
	log_setup("unit", LOG_LVL_ERROR);
	fixture_mkdir(dir);
	(void)snprintf(path, sizeof(path), "%s/seen", dir);
	cr_assert_eq(seen_open(&s, path, 1000), ERR_OK);
}

static void
teardown(void)
{
	seen_close(s);
	fixture_rmdir(dir);
}

TestSuite(seen, .init = setup, .fini = teardown);

Test(seen, remembers_the_latest_time_of_each_name)
{
	seen_note(s, SEEN_AGENT, "a", 1000);
	seen_note(s, SEEN_AGENT, "a", 900);
	seen_note(s, SEEN_QUEUE, "a", 7);
	cr_expect_eq(seen_last(s, SEEN_AGENT, "a"), 1000);
	cr_expect_eq(seen_last(s, SEEN_QUEUE, "a"), 7);
	cr_expect_eq(seen_last(s, SEEN_AGENT, "b"), 0);
}

Test(seen, is_one_for_all_who_map_it)
{
	struct seen *other;

	cr_assert_eq(seen_open(&other, path, 1000), ERR_OK);
	seen_note(s, SEEN_AGENT, "a", 1000);
	cr_expect_eq(seen_last(other, SEEN_AGENT, "a"), 1000);
	seen_note(other, SEEN_AGENT, "a", 2000);
	cr_expect_eq(seen_last(s, SEEN_AGENT, "a"), 2000);
	seen_close(other);
}

Test(seen, outlives_the_process)
{
	seen_note(s, SEEN_AGENT, "a", 1000);
	seen_close(s);
	cr_assert_eq(seen_open(&s, path, 1000), ERR_OK);
	cr_expect_eq(seen_last(s, SEEN_AGENT, "a"), 1000);
}

Test(seen, holds_as_many_names_as_it_was_made_for)
{
	char name[32];
	unsigned i, kept = 0;

	for (i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "agent-%u", i);
		seen_note(s, SEEN_AGENT, name, 1000 + i);
	}
	for (i = 0; i < 1000; i++) {
		(void)snprintf(name, sizeof(name), "agent-%u", i);
		kept += seen_last(s, SEEN_AGENT, name) == 1000 + i;
	}
	cr_expect_eq(kept, 1000);
}

Test(seen, forgets_the_oldest_where_it_is_crowded)
{
	char name[32];
	unsigned i;

	for (i = 0; i < 20000; i++) {
		(void)snprintf(name, sizeof(name), "agent-%u", i);
		seen_note(s, SEEN_AGENT, name, 1000 + i);
		cr_assert_eq(seen_last(s, SEEN_AGENT, name), 1000 + i);
	}
}

Test(seen, begins_anew_with_a_file_of_another_form)
{
	static const char rubbish[] = "this is no map of anything";
	int fd;

	seen_note(s, SEEN_AGENT, "a", 1000);
	seen_close(s);
	cr_assert_eq(seen_open(&s, path, 100000), ERR_OK);
	cr_expect_eq(seen_last(s, SEEN_AGENT, "a"), 0);
	seen_close(s);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	cr_assert_eq(write(fd, rubbish, sizeof(rubbish)), sizeof(rubbish));
	(void)close(fd);
	cr_assert_eq(seen_open(&s, path, 1000), ERR_OK);
	seen_note(s, SEEN_AGENT, "a", 5);
	cr_expect_eq(seen_last(s, SEEN_AGENT, "a"), 5);
}
