/* Word between processes. */

#include <criterion/criterion.h>
#include <dirent.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "wake.h"

static char dir[64];
static struct wake *w;

static void
setup(void)
{
	fixture_mkdir(dir);
	cr_assert_eq(wake_open(&w, dir), ERR_OK);
}

static void
teardown(void)
{
	wake_close(w);
	fixture_rmdir(dir);
}

TestSuite(wake, .init = setup, .fini = teardown);

static struct wake_ear *
given_ear(void)
{
	struct wake_ear *ear;

	cr_assert_eq(wake_listen(&ear, w), ERR_OK);
	return ear;
}

static void
expect_word(struct wake_ear *ear, enum wake_kind kind, const char *name)
{
	char heard[WAKE_NAME_MAX + 1];
	enum wake_kind k;

	cr_assert(wake_hear(ear, &k, heard), "nothing, but not %s", name);
	cr_expect_eq(k, kind);
	cr_expect_str_eq(heard, name);
}

static void
expect_silence(struct wake_ear *ear)
{
	char heard[WAKE_NAME_MAX + 1];
	enum wake_kind k;

	cr_expect(!wake_hear(ear, &k, heard), "%c %s", (int)k, heard);
}

/* Sockets in the directory. */
static int
sockets(void)
{
	char path[128];
	const struct dirent *e;
	int n = 0;
	DIR *d;

	(void)snprintf(path, sizeof(path), "%s/wake", dir);
	d = opendir(path);
	cr_assert_not_null(d);
	while ((e = readdir(d)) != NULL)
		n += e->d_name[0] != '.';
	(void)closedir(d);
	return n;
}

Test(wake, comes_to_everybody_who_listens)
{
	struct wake_ear *a = given_ear(), *b = given_ear();
	struct pollfd p = {.fd = wake_fd(a), .events = POLLIN};

	wake_say(w, WAKE_QUEUE, "q1");
	wake_say(w, WAKE_AGENT, "a1");
	cr_expect_eq(poll(&p, 1, 0), 1);
	expect_word(a, WAKE_QUEUE, "q1");
	expect_word(a, WAKE_AGENT, "a1");
	expect_silence(a);
	expect_word(b, WAKE_QUEUE, "q1");
	expect_word(b, WAKE_AGENT, "a1");
	wake_deafen(a);
	wake_deafen(b);
}

Test(wake, comes_to_who_began_to_listen_a_moment_ago)
{
	struct wake_ear *ears[8];
	size_t i, k;

	wake_say(w, WAKE_QUEUE, "nobody");
	for (i = 0; i < 8; i++) {
		ears[i] = given_ear();
		wake_say(w, WAKE_QUEUE, "q");
		for (k = 0; k <= i; k++)
			expect_word(ears[k], WAKE_QUEUE, "q");
	}
	for (i = 0; i < 8; i++)
		wake_deafen(ears[i]);
	cr_expect_eq(sockets(), 0);
	wake_say(w, WAKE_QUEUE, "nobody");
}

Test(wake, comes_from_other_processes)
{
	struct wake_ear *ear = given_ear();
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct wake *other;

		if (wake_open(&other, dir) != ERR_OK)
			_exit(1);
		wake_say(other, WAKE_QUEUE, "q");
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	expect_word(ear, WAKE_QUEUE, "q");
	wake_deafen(ear);
}

Test(wake, that_overflows_is_one_of_anything)
{
	struct wake_ear *ear = given_ear();
	char heard[WAKE_NAME_MAX + 1];
	enum wake_kind k = WAKE_QUEUE;
	int i, n = 0;

	for (i = 0; i < 2000; i++)
		wake_say(w, WAKE_QUEUE, "q");
	while (wake_hear(ear, &k, heard))
		n++;
	cr_expect_lt(n, 2000);
	cr_expect_eq(k, WAKE_ANY);
	wake_say(w, WAKE_QUEUE, "q");
	expect_word(ear, WAKE_QUEUE, "q");
	expect_silence(ear);
	wake_deafen(ear);
}

Test(wake, sweeps_away_what_a_dead_process_left)
{
	struct wake_ear *ear;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		(void)given_ear();
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	ear = given_ear();
	cr_assert_eq(sockets(), 2);
	wake_say(w, WAKE_QUEUE, "q");
	cr_expect_eq(sockets(), 1);
	expect_word(ear, WAKE_QUEUE, "q");
	wake_deafen(ear);
}

Test(wake, works_below_a_directory_of_any_name)
{
	struct wake_ear *ear;
	char deep[512], part[201];
	struct wake *far;

	memset(part, 'd', 200);
	part[200] = '\0';
	(void)snprintf(deep, sizeof(deep), "%s/%s", dir, part);
	cr_assert_eq(mkdir(deep, 0700), 0);
	cr_assert_eq(wake_open(&far, deep), ERR_OK);
	cr_assert_eq(wake_listen(&ear, far), ERR_OK);
	wake_say(far, WAKE_AGENT, part);
	expect_word(ear, WAKE_AGENT, part);
	wake_deafen(ear);
	wake_close(far);
}
