/*
 * Criterion's cases without Criterion's processes, for ThreadSanitizer: the
 * library starts each case from an arena of memory that the sanitizer's address
 * space does not allow.  Linked into the test program, what is defined here
 * goes before the library's.  Each case runs in a forked child, with its
 * suite's fixture.
 */

#include <criterion/criterion.h>
#include <criterion/event.h>
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

static bool
run(const struct criterion_test *t)
{
	int status = 0;
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	if (pid == 0) {
		running = t;
		(void)alarm(CASE_SECONDS);
		t->test();
		exit(atomic_load(&failed) ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	if (pid == -1 || waitpid(pid, &status, 0) != pid)
		return false;
	if (status == 0)
		return true;
	(void)fprintf(stderr, "%s: ended with status 0x%x\n",
	    t->data->identifier_, (unsigned)status);
	return false;
}

/* An argument: only cases whose suite/name begins with it. */
int
main(int argc, char **argv)
{
	const char *only = argc > 1 ? argv[1] : "";
	struct criterion_test **t;
	int passed = 0, bad = 0;

	for (t = __start_cr_tst; t < __stop_cr_tst; t++) {
		if (*t == NULL || (*t)->data->disabled ||
		    strncmp((*t)->data->identifier_, only, strlen(only)) != 0)
			continue;
		if (run(*t))
			passed++;
		else
			bad++;
	}
	(void)printf("%d passed, %d failed\n", passed, bad);
	return bad == 0 && passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
