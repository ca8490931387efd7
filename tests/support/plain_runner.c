/*
 * Criterion's cases without Criterion's processes.  The library starts each case from an
 * arena of memory, which ThreadSanitizer's address space does not allow, and which takes
 * longer than most cases do.  Linked into a test program, what is defined here goes before
 * the library's.  Each case runs in a forked child, with its suite's fixture, one after the
 * other; the last line is Criterion's.
 */

#include <criterion/criterion.h>
#include <criterion/event.h>
#include <fnmatch.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CASE_SECONDS 120

/* The linker's names for the ends of the sections that the macros fill. */
extern struct criterion_test *__start_cr_tst[], *__stop_cr_tst[];
extern struct criterion_suite *__start_cr_sts[], *__stop_cr_sts[];

static const struct criterion_test *running;
static atomic_bool failed;

static const struct criterion_test_extra_data *
fixture_of(const struct criterion_test *t)
{
	struct criterion_suite **s;

	for (s = __start_cr_sts; s < __stop_cr_sts; s++)
		if (*s != NULL && strcmp((*s)->name, t->category) == 0)
			return (*s)->data;
	return NULL;
}

void
criterion_send_assert(struct criterion_assert_stats *a)
{
	if (a->passed)
		return;
	atomic_store(&failed, true);
	(void)fprintf(stderr, "%s:%u: %s: %s\n", a->file, a->line,
	    running->data->identifier_, a->message);
}

void
cri_asserts_passed_incr(void)
{
}

void
criterion_abort_test(void)
{
	_exit(EXIT_FAILURE);
}

void
criterion_continue_test(void)
{
}

void
criterion_internal_test_setup(void)
{
	const struct criterion_test_extra_data *f = fixture_of(running);

	if (f != NULL && f->init != NULL)
		f->init();
	if (running->data->init != NULL)
		running->data->init();
}

void
criterion_internal_test_main(void (*fn)(void))
{
	fn();
}

void
criterion_internal_test_teardown(void)
{
	const struct criterion_test_extra_data *f = fixture_of(running);

	if (running->data->fini != NULL)
		running->data->fini();
	if (f != NULL && f->fini != NULL)
		f->fini();
}

/* How a case ended. */
enum end { PASSED, FAILED, CRASHED, END__MAX };

static enum end
run(const struct criterion_test *t)
{
	const char *name = t->data->identifier_;
	int status;
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		running = t;
		(void)alarm(CASE_SECONDS);
		t->test();
		exit(atomic_load(&failed) ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid) {
		(void)fprintf(stderr, "%s: has no process\n", name);
		return CRASHED;
	}
	if (WIFSIGNALED(status)) {
		(void)fprintf(stderr, "%s: %s by signal %d (%s)\n", name,
		    WTERMSIG(status) == SIGALRM ? "ended for its length"
						: "crashed",
		    WTERMSIG(status), strsignal(WTERMSIG(status)));
		return CRASHED;
	}
	if (WEXITSTATUS(status) == EXIT_SUCCESS)
		return PASSED;
	(void)fprintf(
	    stderr, "%s: failed, exit status %d\n", name, WEXITSTATUS(status));
	return FAILED;
}

/* Whether the child would do with this case what Criterion does. */
static bool
is_known(const struct criterion_test_extra_data *d)
{
	return d->kind_ == CR_TEST_NORMAL && d->signal == 0 &&
	       d->exit_code == 0;
}

static int
run_all(const char *filter)
{
	int ended[END__MAX] = {0}, tested = 0;
	struct criterion_test **t;

	for (t = __start_cr_tst; t < __stop_cr_tst; t++) {
		if (*t == NULL || (*t)->data->disabled ||
		    fnmatch(filter, (*t)->data->identifier_, 0) != 0)
			continue;
		if (!is_known((*t)->data)) {
			(void)fprintf(stderr, "%s: of a kind not known here\n",
			    (*t)->data->identifier_);
			return EXIT_FAILURE;
		}
		ended[run(*t)]++;
		tested++;
	}
	(void)printf("[====] Synthesis: Tested: %d | Passing: %d | Failing: %d "
		     "| Crashing: %d\n",
	    tested, ended[PASSED], ended[FAILED], ended[CRASHED]);
	return tested > 0 && ended[PASSED] == tested ? EXIT_SUCCESS
						     : EXIT_FAILURE;
}

/* Of Criterion's options, those that this project uses. */
int
main(int argc, char **argv)
{
	const char *filter = "*";
	int i;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc) {
			filter = argv[++i];
		} else if (strcmp(argv[i], "--color=never") != 0) {
			(void)fprintf(stderr,
			    "usage: %s [--color=never] [--filter PATTERN]\n",
			    argv[0]);
			return 2;
		}
	}
	return run_all(filter);
}
