/* Cases of every end, for tests/lib/test_plain_runner.sh: all but the first are to fail. */

#include <criterion/criterion.h>
#include <stdlib.h>

static bool ready;

static void
setup(void)
{
	ready = true;
}

TestSuite(runner, .init = setup);

static void
fail_in_setup(void)
{
	cr_assert(false, "the setup fails");
}

static void
fail_in_teardown(void)
{
	cr_assert(false, "the teardown fails");
}

Test(runner, passes)
{
	cr_assert(ready);
}

Test(runner, asserts)
{
	cr_assert(false, "wanted otherwise");
}

Test(runner, expects_and_goes_on)
{
	cr_expect(false, "expected otherwise");
	cr_expect(false, "and gone on");
}

Test(runner, crashes)
{
	abort();
}

Test(runner, leaves_with_a_status)
{
	exit(3);
}

Test(runner, has_no_setup, .init = fail_in_setup)
{
}

Test(runner, has_no_teardown, .fini = fail_in_teardown)
{
}
