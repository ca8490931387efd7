/* Callers and roles, in the words that clients know. */

#include <criterion/criterion.h>

#include "auth.h"

static struct auth_caller caller;
static struct auth_denial denial;
static char words[128];

static bool
check(const char *authorization, unsigned anonymous, unsigned roles)
{
	return auth_check(authorization, anonymous, roles, &caller, &denial,
	    words, sizeof(words));
}

static void
expect_denial(int status, const char *message)
{
	cr_expect_eq(denial.status, status);
	cr_expect_str_eq(denial.message, message);
}

Test(auth, lets_an_anonymous_caller_do_what_its_roles_may)
{
	cr_assert(check(NULL, ROLE_CONTRIBUTOR | ROLE_AGENT, ROLE_AGENT));
	cr_expect_not(caller.token);
	cr_expect_null(caller.client_id);
	cr_expect(check("", ROLE_CONTRIBUTOR, ROLE_ADMIN | ROLE_CONTRIBUTOR));
}

Test(auth, names_the_roles_that_may)
{
	cr_assert_not(check(NULL, ROLE_CONTRIBUTOR, ROLE_AGENT));
	expect_denial(403, "Specified action requires role: agent");
	cr_assert_not(check(
	    NULL, ROLE_AGENT, ROLE_ADMIN | ROLE_MANAGER | ROLE_CONTRIBUTOR));
	expect_denial(
	    403, "Specified action requires role: admin, manager, contributor");
}

Test(auth, asks_for_a_token_where_nobody_anonymous_may)
{
	cr_assert_not(check(NULL, 0, ROLE_AGENT));
	expect_denial(401, "Authentication is required for specified endpoint");
	cr_assert_not(check("Basic eDp5", 0, ROLE_AGENT));
	expect_denial(401, "Authentication is required for specified endpoint");
}

Test(auth, never_takes_a_token_it_cannot_verify_for_an_anonymous_caller)
{
	unsigned all = ROLE_CONTRIBUTOR | ROLE_AGENT;

	cr_assert_not(check("Bearer a.b.c", all, ROLE_AGENT));
	expect_denial(403, "Invalid Token signature");
	cr_assert_not(check("Bearer ab", all, ROLE_AGENT));
	expect_denial(403, "Unable to decode token");
	cr_assert_not(check("Bearer ", all, ROLE_AGENT));
	expect_denial(401, "Unauthorized");
	cr_assert_not(check("Bearer", all, ROLE_AGENT));
	expect_denial(401, "Unauthorized");
	cr_assert_not(check("Bearers x", all, ROLE_AGENT));
	expect_denial(403, "Specified action requires role: agent");
	cr_assert_not(check("bearer a.b.c", all, ROLE_AGENT));
	expect_denial(403, "Specified action requires role: agent");
	cr_assert_not(check("Basic eDp5", all, ROLE_AGENT));
	expect_denial(403, "Specified action requires role: agent");
}

Test(auth, does_not_look_at_a_token_where_everybody_may)
{
	cr_expect(check("Bearer ", 0, 0));
}
