/* What supervisors tell of themselves, and whether they live. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "status_file.h"

static char dir[64];

static void
setup(void)
{
	fixture_mkdir(dir);
}

static void
teardown(void)
{
	fixture_rmdir(dir);
}

TestSuite(status_file, .init = setup, .fini = teardown);

static const char *
path_of(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

/* A supervisor. */
static int
begin(const char *name, bool down)
{
	struct status_file f = {.down = down};
	int fd = status_file_open(path_of(name));

	cr_assert(fd != -1);
	status_file_write(fd, &f);
	return fd;
}

static void
expect_down(const char *want)
{
	struct status_file_down d;
	char got[600] = "";
	size_t i, n = 0;

	cr_assert(status_file_look(path_of("status.status"), &d) == ERR_OK);
	for (i = 0; i < d.n; i++)
		n += (size_t)snprintf(
		    got + n, sizeof(got) - n, "%s ", d.names[i]);
	cr_assert(strcmp(got, want) == 0, "\"%s\", not \"%s\"", got, want);
}

Test(status_file, tells_who_is_gone)
{
	int job = begin("job.status", false),
	    file = begin("file.status", false);

	expect_down("");
	(void)close(job);
	expect_down("job ");
	(void)close(file);
	expect_down("file job ");
	job = begin("job.status", false);
	expect_down("file ");
	(void)close(job);
}

Test(status_file, tells_who_lives_but_cannot_start_its_program)
{
	struct status_file f = {.rolls = 4000000000, .roll_failed = true};
	int fd = begin("job.status", true);

	expect_down("job ");
	status_file_write(fd, &f);
	expect_down("");
	f.down = true;
	status_file_write(fd, &f);
	expect_down("job ");
	(void)close(fd);
}

Test(status_file, is_not_locked_by_what_a_supervisor_started)
{
	int fd = begin("job.status", false), started[2];
	pid_t child;
	char byte;

	cr_assert(pipe2(started, O_CLOEXEC) == 0);
	child = fork();
	if (child == 0) {
		(void)execl("/bin/sleep", "sleep", "60", (char *)NULL);
		_exit(1);
	}
	cr_assert(child > 0);
	(void)close(started[1]);
	/* Its end: the other program runs. */
	cr_assert(read(started[0], &byte, 1) == 0);
	(void)close(started[0]);
	expect_down("");
	(void)close(fd);
	expect_down("job ");
	cr_assert(kill(child, SIGKILL) == 0);
	cr_assert(waitpid(child, NULL, 0) == child);
}

Test(status_file, is_locked_until_the_last_of_two_is_gone)
{
	int one = begin("job.status", false), two = begin("job.status", false);

	(void)close(one);
	expect_down("");
	(void)close(two);
	expect_down("job ");
}

Test(status_file, is_of_one_that_has_just_begun_while_it_is_empty)
{
	int fd = status_file_open(path_of("job.status"));

	cr_assert(fd != -1);
	expect_down("");
	(void)close(fd);
}

Test(status_file, is_nothing_by_another_name)
{
	static const char *const names[] = {".status", ".x.status", "status",
	    "job.status.old", "job.pid",
	    "a-name-that-is-too-long-to-be-one-of-ours.status"};
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		(void)close(begin(names[i], false));
	expect_down("");
}

Test(status_file, is_not_guessed_at)
{
	struct status_file_down d;

	cr_assert(status_file_open(path_of("none/job.status")) == -1);
	cr_assert(status_file_look(path_of("none/job.status"), &d) == ERR_IO);
}
