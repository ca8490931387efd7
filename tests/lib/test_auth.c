/* Callers and roles, in the words that clients know. */

#include <criterion/criterion.h>
#include <string.h>

#include "auth.h"

#define KEYS                                                                   \
	"JWT_SIGNING_KEY = '0123456789abcdef0123456789abcdef'\n"               \
	"JWT_SIGNING_KEY_OLD = 'fedcba9876543210fedcba9876543210'\n"

static const int64_t now = 1795338000000;
static struct arena *arena;
static struct conf *conf;
static struct jwt_keys *keys;
static struct auth_caller caller;
static struct auth_denial denial;

static struct jwt_keys *
keys_of(const char *text)
{
	struct conf_fault fault;
	struct jwt_keys *k;

	cr_assert_eq(conf_parse(&conf, "t", text, strlen(text), &fault), ERR_OK,
	    "%s", fault.text);
	cr_assert_eq(jwt_keys_open(&k, conf), ERR_OK);
	return k;
}

static void
setup(void)
{
	arena = arena_new();
	keys = keys_of(KEYS);
}

static void
teardown(void)
{
	jwt_keys_free(keys);
	conf_free(conf);
	arena_free(arena);
}

TestSuite(auth, .init = setup, .fini = teardown);

static bool
check(const char *authorization, unsigned anonymous, unsigned roles)
{
	struct auth_ask ask = {
	    .authorization = authorization,
	    .anonymous = anonymous,
	    .roles = roles,
	    .keys = keys,
	    .now_ms = now,
	};

	return auth_check(&ask, arena, &caller, &denial);
}

static const char *
bearer(const struct jwt_keys *k, const char *permissions, int64_t at)
{
	const char *token;

	cr_assert_eq(
	    jwt_sign(k, arena, permissions, strlen(permissions), at, &token),
	    ERR_OK);
	return arena_printf(arena, "Bearer %s", token);
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
	expect_denial(403, "Unable to decode token");
	cr_assert_not(
	    check("Bearer eyJhbGciOiJIUzI1NiJ9.e30.AA", all, ROLE_AGENT));
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

Test(auth, knows_a_client_by_its_token)
{
	const char *header = bearer(keys,
	    "{\"client_id\":\"c1\",\"role\":\"Manager\","
	    "\"max_priority\":{\"*\":2,\"q\":7},"
	    "\"allowed_queues\":[\"a\",\"b\"]}",
	    now);

	cr_assert(check(header, 0, ROLE_MANAGER));
	cr_expect(caller.token);
	cr_expect_str_eq(caller.client_id, "c1");
	cr_expect_eq(caller.roles, ROLE_MANAGER);
	cr_expect_eq(auth_limit(&caller, arena, "max_priority", "q"), 7);
	cr_expect_eq(auth_limit(&caller, arena, "max_priority", "other"), 2);
	cr_expect_eq(
	    auth_limit(&caller, arena, "max_reservation_time", "q"), 0);
	cr_expect(auth_owns(&caller, arena, "b"));
	cr_expect_not(auth_owns(&caller, arena, "c"));
	cr_assert_not(check(header, ROLE_AGENT, ROLE_AGENT));
	expect_denial(403, "Specified action requires role: agent");
}

Test(auth, takes_a_token_without_a_role_for_a_contributor)
{
	cr_assert(check(
	    bearer(keys, "{\"client_id\":\"c\"}", now), 0, ROLE_CONTRIBUTOR));
}

Test(auth, refuses_permissions_that_make_no_sense)
{
	static const char *const cases[] = {
	    "{}",
	    "{\"client_id\":\"\"}",
	    "{\"client_id\":1}",
	    "{\"client_id\":\"c\",\"role\":\"king\"}",
	    "{\"client_id\":\"c\",\"role\":null}",
	    "{\"client_id\":\"c\",\"max_priority\":[]}",
	    "{\"client_id\":\"c\",\"max_reservation_time\":{\"*\":\"9\"}}",
	    "{\"client_id\":\"c\",\"allowed_queues\":{}}",
	    "{\"client_id\":\"c\",\"allowed_queues\":[1]}",
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cr_assert_not(check(bearer(keys, cases[i], now), 0, ROLE_ADMIN),
		    "%s", cases[i]);
		expect_denial(403, "Invalid Token");
		cr_expect_null(caller.client_id);
	}
}

Test(auth, tells_an_agent_without_its_token_to_fetch_one)
{
	struct auth_ask ask = {
	    .roles = ROLE_AGENT,
	    .anonymous = ROLE_CONTRIBUTOR,
	    .agent_cookie = true,
	};

	cr_assert_not(auth_check(&ask, arena, &caller, &denial));
	expect_denial(401, "Authentication is required for specified endpoint");
	ask.roles = ROLE_ADMIN;
	cr_assert_not(auth_check(&ask, arena, &caller, &denial));
	expect_denial(403, "Specified action requires role: admin");
}

Test(auth, names_the_roles_upward_where_the_row_says_so)
{
	struct auth_ask ask = {
	    .roles = ROLE_ADMIN | ROLE_MANAGER | ROLE_CONTRIBUTOR,
	    .anonymous = ROLE_AGENT,
	    .upward = true,
	};

	cr_assert_not(auth_check(&ask, arena, &caller, &denial));
	expect_denial(
	    403, "Specified action requires role: contributor, manager, admin");
}

Test(auth, closes_to_anonymous_callers_with_oidc_unless_told_otherwise)
{
	static const char oidc[] =
	    "OIDC_CLIENT_ID = 'a'\nOIDC_PROVIDER_ISSUER = 'http://x'\n"
	    "WEB_SECRET_KEY = '0123456789abcdef0123456789abcdef'\n";
	char both[512];

	conf_free(conf);
	jwt_keys_free(keys_of(oidc));
	cr_expect_eq(auth_anonymous(conf), 0);
	(void)strcpy(both, oidc);
	(void)strcat(both, "ANONYMOUS_ROLES = 'agent'\n");
	conf_free(conf);
	jwt_keys_free(keys_of(both));
	cr_expect_eq(auth_anonymous(conf), ROLE_AGENT);
}
