/* Times that processes share. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"
#include "log.h"
#include "seen.h"

#define NOW INT64_C(1795338103000)

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
	cr_expect_eq(seen_last(s, SEEN_AGENT, "a", NOW), 1000);
	cr_expect_eq(seen_last(s, SEEN_QUEUE, "a", NOW), 7);
	cr_expect_eq(seen_last(s, SEEN_AGENT, "b", NOW), 0);
}

Test(seen, touches_only_what_has_a_place)
{
	seen_touch(s, SEEN_JOB, "a", 1000);
	cr_expect_eq(seen_last(s, SEEN_JOB, "a", NOW), 0);
	seen_keep(s, SEEN_JOB, "a", NOW);
	cr_expect_eq(seen_last(s, SEEN_JOB, "a", NOW), 0);
	seen_touch(s, SEEN_JOB, "a", 1000);
	seen_touch(s, SEEN_JOB, "a", 900);
	cr_expect_eq(seen_last(s, SEEN_JOB, "a", NOW), 1000);
	seen_keep(s, SEEN_JOB, "a", NOW);
	cr_expect_eq(seen_last(s, SEEN_JOB, "a", NOW), 1000);
	seen_touch(NULL, SEEN_JOB, "a", NOW);
	seen_keep(NULL, SEEN_JOB, "a", NOW);
}

Test(seen, is_one_for_all_who_map_it)
{
	struct seen *other;

	cr_assert_eq(seen_open(&other, path, 1000), ERR_OK);
	seen_note(s, SEEN_AGENT, "a", 1000);
	cr_expect_eq(seen_last(other, SEEN_AGENT, "a", NOW), 1000);
	seen_note(other, SEEN_AGENT, "a", 2000);
	cr_expect_eq(seen_last(s, SEEN_AGENT, "a", NOW), 2000);
	seen_close(other);
}

Test(seen, outlives_the_process)
{
	seen_note(s, SEEN_AGENT, "a", 1000);
	seen_close(s);
	cr_assert_eq(seen_open(&s, path, 1000), ERR_OK);
	cr_expect_eq(seen_last(s, SEEN_AGENT, "a", NOW), 1000);
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
		kept += seen_last(s, SEEN_AGENT, name, NOW) == 1000 + i;
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
		cr_assert_eq(seen_last(s, SEEN_AGENT, name, NOW), 1000 + i);
	}
}

/* Write over what stands at an offset of the file. */
static void
scribble(off_t at, const void *p, size_t n)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	cr_assert_eq(pwrite(fd, p, n, at), (ssize_t)n);
	(void)close(fd);
}

Test(seen, begins_anew_with_a_file_that_is_too_small)
{
	seen_note(s, SEEN_AGENT, "a", 1000);
	seen_close(s);
	cr_assert_eq(seen_open(&s, path, 100000), ERR_OK);
	cr_expect_eq(seen_last(s, SEEN_AGENT, "a", NOW), 0);
	/* A bigger one is good for fewer names too. */
	seen_note(s, SEEN_AGENT, "a", 1000);
	seen_close(s);
	cr_assert_eq(seen_open(&s, path, 1000), ERR_OK);
	cr_expect_eq(seen_last(s, SEEN_AGENT, "a", NOW), 1000);
}

static const struct timespec moment = {.tv_nsec = 10000000};

/* What the one notes the other comes to know of. */
static bool
comes_to(struct seen *one, struct seen *other, const char *name)
{
	int i;

	for (i = 0; i < 2000; i++) {
		seen_note(one, SEEN_AGENT, name, 1000);
		if (seen_last(other, SEEN_AGENT, name, NOW) == 1000)
			return true;
		(void)nanosleep(&moment, NULL);
	}
	return false;
}

Test(seen, becomes_one_again_for_all_when_one_has_replaced_it)
{
	struct seen *other;
	int i;

	/* The other was started with room for more. */
	cr_assert_eq(seen_open(&other, path, 100000), ERR_OK);
	cr_expect(comes_to(s, other, "a"));
	cr_expect(comes_to(other, s, "b"));
	seen_close(other);
	/* It was removed, and another is started. */
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(seen_open(&other, path, 1000), ERR_OK);
	cr_expect(comes_to(s, other, "c"));
	cr_expect(comes_to(other, s, "d"));
	seen_close(other);
	/* Likewise, and nobody is. */
	cr_assert_eq(unlink(path), 0);
	for (i = 0; i < 2000 && access(path, F_OK) == -1; i++) {
		seen_note(s, SEEN_AGENT, "e", 1000);
		(void)nanosleep(&moment, NULL);
	}
	cr_expect_eq(access(path, F_OK), 0);
}

Test(seen, begins_anew_with_a_damaged_head_and_hurts_nobody_who_uses_it)
{
	static const off_t places[] = {0, 8, 16, 24};
	struct seen *other;
	size_t i;

	for (i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		seen_note(s, SEEN_AGENT, "a", 1000);
		scribble(places[i], "rubbish", 8);
		cr_assert_eq(seen_open(&other, path, 1000), ERR_OK);
		cr_expect_eq(seen_last(other, SEEN_AGENT, "a", NOW), 0);
		(void)seen_last(s, SEEN_AGENT, "a", NOW);
		seen_close(s);
		s = other;
	}
}

Test(seen, begins_anew_with_a_file_that_is_cut)
{
	static const off_t sizes[] = {0, 10, 32, 4095};
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		seen_note(s, SEEN_AGENT, "a", 1000);
		seen_close(s);
		cr_assert_eq(truncate(path, sizes[i]), 0);
		cr_assert_eq(seen_open(&s, path, 1000), ERR_OK);
		cr_expect_eq(seen_last(s, SEEN_AGENT, "a", NOW), 0);
	}
}

/* By a wrong hand, below those who use it: they forget, and go on. */
Test(seen, ends_nobody_who_uses_a_file_that_is_cut)
{
	static const off_t sizes[] = {0, 10, 32, 4095, 16384};
	struct seen *other;
	char name[32];
	unsigned i, n;

	cr_assert_eq(seen_open(&other, path, 1000), ERR_OK);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		cr_assert_eq(truncate(path, sizes[i]), 0);
		for (n = 0; n < 500; n++) {
			(void)snprintf(name, sizeof(name), "agent-%u", n);
			(void)seen_last(s, SEEN_AGENT, name, NOW);
			seen_note(s, SEEN_AGENT, name, 1000);
			seen_keep(other, SEEN_JOB, name, NOW);
			seen_touch(other, SEEN_QUEUE, name, NOW);
		}
		cr_expect(comes_to(s, other, "a"));
		cr_expect(comes_to(other, s, "b"));
	}
	seen_close(other);
}

/* Lines of the log while each of 100 agents is heard of. */
static unsigned
lines_of_uses(int64_t at)
{
	char name[32], text[4096];
	int ends[2], log = dup(STDERR_FILENO);
	unsigned lines = 0;
	ssize_t n, i;

	cr_assert_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	cr_assert_neq(dup2(ends[1], STDERR_FILENO), -1);
	for (i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "agent-%d", (int)i);
		seen_note(s, SEEN_AGENT, name, at);
	}
	cr_assert_neq(dup2(log, STDERR_FILENO), -1);
	while ((n = read(ends[0], text, sizeof(text))) > 0)
		for (i = 0; i < n; i++)
			lines += text[i] == '\n';
	(void)close(ends[0]);
	(void)close(ends[1]);
	(void)close(log);
	return lines;
}

/* The file can be read, and not written: by a limit here, or on a file system that has become
 * read-only. */
Test(seen, tells_once_that_nothing_is_written)
{
	struct rlimit before, none;

	(void)signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	cr_expect_eq(lines_of_uses(NOW), 0);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	cr_expect_eq(lines_of_uses(NOW + 1), 1);
	seen_note(s, SEEN_AGENT, "a", 1000);
	cr_expect_eq(seen_last(s, SEEN_AGENT, "a", NOW), 0);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	seen_note(s, SEEN_AGENT, "a", 1000);
	cr_expect_eq(seen_last(s, SEEN_AGENT, "a", NOW), 1000);
}

Test(seen, has_its_room_on_disk_from_the_beginning)
{
	struct stat st;

	cr_assert_eq(stat(path, &st), 0);
	cr_expect_geq(st.st_blocks * 512, st.st_size,
	    "a full disk must not hinder later");
}

Test(seen, believes_no_time_that_lies_ahead)
{
	static unsigned char noise[2048 * 16];
	char name[32];
	int i;

	memset(noise, 0x7f, sizeof(noise));
	scribble(32, noise, sizeof(noise));
	cr_expect_eq(seen_last(s, SEEN_AGENT, "a", NOW), 0);
	/* No slot is free, and yet each name finds one. */
	for (i = 0; i < 20; i++) {
		(void)snprintf(name, sizeof(name), "agent-%d", i);
		seen_note(s, SEEN_AGENT, name, NOW);
		cr_expect_eq(seen_last(s, SEEN_AGENT, name, NOW), NOW);
	}
	seen_note(s, SEEN_AGENT, "a", NOW + 3600000);
	cr_expect_eq(seen_last(s, SEEN_AGENT, "a", NOW), 0);
	seen_note(s, SEEN_AGENT, "a", NOW);
	cr_expect_eq(seen_last(s, SEEN_AGENT, "a", NOW), NOW);
}

Test(seen, is_nothing_where_it_cannot_be_made)
{
	struct seen *none = NULL;

	(void)snprintf(path, sizeof(path), "%s/no/seen", dir);
	cr_expect_eq(seen_open(&none, path, 10), ERR_IO);
	seen_note(NULL, SEEN_AGENT, "a", NOW);
	cr_expect_eq(seen_last(NULL, SEEN_AGENT, "a", NOW), 0);
}
