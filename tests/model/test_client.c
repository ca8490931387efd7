/* Clients: what their fields may hold, how log-ins are counted, how tokens end. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "auth.h"
#include "bcrypt.h"
#include "client.h"
#include "clock.h"
#include "fixture.h"
#include "login.h"
#include "token.h"

#define SECRET "a secret that is long enough"
#define NOW INT64_C(1800000000000)
#define MINUTE INT64_C(60000)
#define DAY INT64_C(86400000)

static struct fixture f;

static void
setup(void)
{
	fixture_open(&f, "TOKEN_FAILURES_MAX = 2\n");
	clock_set_for_test(NOW);
}

static void
teardown(void)
{
	clock_set_for_test(0);
	fixture_close(&f);
}

TestSuite(client, .init = setup, .fini = teardown);

Test(client_rules, email_is_a_local_part_and_a_domain)
{
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
	    {"a@b.co", true},
	    {"first.last+tag@sub.example.org", true},
	    {"!#$%&'*+-/=?^_`{|}~@b.co", true},
	    {"\"quoted @ \\\" part\"@b.co", true},
	    {"a@localhost", true},
	    {"a@[192.0.2.7]", true},
	    {"a@xn--bcher-kva.example", true},
	    {"a@b\xc3\xbc"
	     "cher.example",
		true},
	    {"a@b-c.co", true},
	    {"", false},
	    {"a", false},
	    {"@b.co", false},
	    {"a@", false},
	    {"a@b", false},
	    {"a@b.c", false},
	    {"a@b..co", false},
	    {"a@.co", false},
	    {"a@b.co.", false},
	    {"a@-b.co", false},
	    {"a@b-.co", false},
	    {"a@b_c.co", false},
	    {"a@Localhost.", false},
	    {".a@b.co", false},
	    {"a.@b.co", false},
	    {"a..b@c.de", false},
	    {"a b@c.de", false},
	    {"a@b c.de", false},
	    {"\"a\nb\"@c.de", false},
	    {"\"a\\\"@c.de", false},
	    {"\"\"@c.de", false},
	    {"a@[192.0.2.256]", false},
	    {"a@[192.0.2]", false},
	    {"a@[192.0.2.7", false},
	    {"a@[1.2.3.4]x", false},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(
		    client_email_ok(cases[i].text, strlen(cases[i].text)),
		    cases[i].good, "%s", cases[i].text);
	cr_expect_not(client_email_ok("a@b.co\0d", 8));
}

Test(client_rules, email_is_bounded)
{
	char text[400];

	(void)snprintf(text, sizeof(text), "%0247d@b.com", 1);
	cr_expect_eq(strlen(text), 253);
	cr_expect(client_email_ok(text, strlen(text)));
	(void)snprintf(text, sizeof(text), "%0249d@b.com", 1);
	cr_expect_not(client_email_ok(text, strlen(text)));
	(void)snprintf(text, sizeof(text), "a@%064d.com", 1);
	cr_expect_not(client_email_ok(text, strlen(text)));
}

Test(client_rules, secret_has_15_to_72_bytes_and_no_nul)
{
	char text[80];

	memset(text, 'x', sizeof(text));
	cr_expect_str_eq(
	    client_secret_fault(text, 14), "Shorter than minimum length 15.");
	cr_expect_null(client_secret_fault(text, 15));
	cr_expect_null(client_secret_fault(text, 72));
	cr_expect_str_eq(
	    client_secret_fault(text, 73), "Longer than maximum length 72.");
	text[20] = '\0';
	cr_expect_str_eq(
	    client_secret_fault(text, 30), "Must not contain NUL.");
}

Test(client_rules, id_does_in_credentials_and_in_paths)
{
	static const char *const bad[] = {
	    "", ".", "..", "a:b", "a/b", "a\nb", "\xff"};
	static const char *const good[] = {
	    "a", "a.b", "...", "me@example.org", "\xc3\xa4 b"};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not_null(client_id_fault(bad[i]), "%s", bad[i]);
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_expect_null(client_id_fault(good[i]), "%s", good[i]);
}

/* Vectors of the algorithm's authors and of Openwall's crypt_blowfish. */
Test(client_rules, hashes_that_others_have_made_are_verified)
{
	static const char *const good[][2] = {
	    {"U*U",
		"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW"},
	    {"U*U*",
		"$2a$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK"},
	    {"\xff\xff\xa3",
		"$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"},
	    {"\xff\xff\xa3",
		"$2b$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e"},
	};
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		cr_expect(
		    bcrypt_verify(good[i][0], good[i][1]), "%s", good[i][1]);
	cr_expect_not(bcrypt_verify("U*V", good[0][1]));
}

Test(client_rules, what_is_no_hash_is_of_no_secret)
{
	static const char *const bad[] = {
	    "",
	    "U*U",
	    "$2x$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e",
	    "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOe",
	    "$2a$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
	};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_not(bcrypt_verify("U*U", bad[i]), "%s", bad[i]);
	cr_expect_not(bcrypt_verify("U*U", NULL));
}

static void
given_client(const char *id)
{
	struct client_change ch = {.secret = SECRET, .role = ROLE_AGENT};
	const char *role;
	enum err failure;

	cr_assert_eq(client_put(&f.svc, id, &ch, ROLE_ADMIN, &role, &failure),
	    CLIENT_CREATED);
}

static enum login_verdict
login_from(const char *address, const char *id, const char *secret, int *wait)
{
	struct login l = {
	    .id = id,
	    .secret = secret,
	    .secret_len = strlen(secret),
	    .address = address,
	};
	struct client c;
	enum err failure;

	*wait = 0;
	return login_check(&f.svc, f.arena, &l, &c, wait, &failure);
}

#define WRONG_SECRET "a secret that is wrong"

static enum login_verdict
login(const char *id, const char *secret)
{
	int wait;

	return login_from("192.0.2.1", id, secret, &wait);
}

Test(client, that_failed_too_often_waits_for_the_rest_of_the_minute)
{
	int wait;

	given_client("c1");
	cr_expect_eq(login("c1", WRONG_SECRET), LOGIN_WRONG);
	clock_set_for_test(NOW + 20000);
	cr_expect_eq(login("c1", WRONG_SECRET), LOGIN_WRONG);
	cr_expect_eq(
	    login_from("192.0.2.1", "c1", SECRET, &wait), LOGIN_LIMITED);
	cr_expect_eq(wait, 40);
	clock_set_for_test(NOW + MINUTE - 1);
	cr_expect_eq(
	    login_from("192.0.2.1", "c1", SECRET, &wait), LOGIN_LIMITED);
	cr_expect_eq(wait, 1);
	clock_set_for_test(NOW + MINUTE);
	cr_expect_eq(login("c1", SECRET), LOGIN_GOOD);
}

Test(client, that_failed_too_often_holds_up_nobody_else)
{
	int wait;

	given_client("c2");
	given_client("c3");
	cr_expect_eq(login("c2", WRONG_SECRET), LOGIN_WRONG);
	cr_expect_eq(login("c2", WRONG_SECRET), LOGIN_WRONG);
	cr_expect_eq(login("c2", WRONG_SECRET), LOGIN_LIMITED);
	cr_expect_eq(login_from("192.0.2.2", "c2", SECRET, &wait), LOGIN_GOOD);
	cr_expect_eq(login("c3", SECRET), LOGIN_GOOD);
}

Test(client, that_is_remembered_is_not_held_up_by_failures)
{
	given_client("c4");
	cr_expect_eq(login("c4", SECRET), LOGIN_GOOD);
	cr_expect_eq(login("c4", WRONG_SECRET), LOGIN_WRONG);
	cr_expect_eq(login("c4", WRONG_SECRET), LOGIN_WRONG);
	cr_expect_eq(login("c4", WRONG_SECRET), LOGIN_LIMITED);
	cr_expect_eq(login("c4", SECRET), LOGIN_GOOD);
}

Test(client, is_remembered_for_ten_minutes)
{
	given_client("c5");
	cr_expect_eq(login("c5", SECRET), LOGIN_GOOD);
	clock_set_for_test(NOW + 10 * MINUTE - 1);
	cr_expect_eq(login("c5", WRONG_SECRET), LOGIN_WRONG);
	cr_expect_eq(login("c5", WRONG_SECRET), LOGIN_WRONG);
	cr_expect_eq(login("c5", SECRET), LOGIN_GOOD);
	/* Now it would have to be verified anew. */
	clock_set_for_test(NOW + 10 * MINUTE);
	cr_expect_eq(login("c5", SECRET), LOGIN_LIMITED);
}

Test(client, secret_that_cannot_be_one_is_no_failed_log_in)
{
	int i;

	given_client("c6");
	for (i = 0; i < 5; i++)
		cr_expect_eq(login("c6", "short"), LOGIN_WRONG);
	cr_expect_eq(login("c6", SECRET), LOGIN_GOOD);
}

static enum token_verdict
use(const char *token)
{
	const char *client = NULL;
	enum err failure;

	return token_use(&f.svc, f.arena, token, &client, &failure);
}

static void
sweep_all(void)
{
	int64_t n;

	do
		cr_assert_eq(token_sweep(&f.svc, &n), ERR_OK);
	while (n > 0);
}

Test(client, refresh_token_is_good_for_six_days_however_often_it_is_used)
{
	char token[TOKEN_LEN + 1];

	given_client("c");
	cr_assert_eq(token_issue(&f.svc, "c", token), ERR_OK);
	cr_expect_eq(use(token), TOKEN_GOOD);
	clock_set_for_test(NOW + 6 * DAY - 1);
	cr_expect_eq(use(token), TOKEN_GOOD);
	clock_set_for_test(NOW + 6 * DAY);
	cr_expect_eq(use(token), TOKEN_EXPIRED);
}

Test(client, refresh_token_that_expired_is_told_so_for_a_day_and_then_removed)
{
	char old[TOKEN_LEN + 1], young[TOKEN_LEN + 1];

	given_client("c");
	cr_assert_eq(token_issue(&f.svc, "c", old), ERR_OK);
	clock_set_for_test(NOW + 5 * DAY);
	cr_assert_eq(token_issue(&f.svc, "c", young), ERR_OK);
	clock_set_for_test(NOW + 7 * DAY);
	sweep_all();
	cr_expect_eq(use(old), TOKEN_EXPIRED);
	clock_set_for_test(NOW + 7 * DAY + 1);
	sweep_all();
	cr_expect_eq(use(old), TOKEN_UNKNOWN);
	cr_expect_eq(use(young), TOKEN_GOOD);
}

static void
setup_long_lives(void)
{
	fixture_open(&f, "REFRESH_TOKEN_LIFE = 315360000\n");
	clock_set_for_test(NOW);
}

Test(client_tokens, are_removed_when_nobody_has_used_them_for_90_days,
    .init = setup_long_lives, .fini = teardown)
{
	char used[TOKEN_LEN + 1], unused[TOKEN_LEN + 1];

	given_client("c");
	cr_assert_eq(token_issue(&f.svc, "c", used), ERR_OK);
	cr_assert_eq(token_issue(&f.svc, "c", unused), ERR_OK);
	clock_set_for_test(NOW + 50 * DAY);
	cr_expect_eq(use(used), TOKEN_GOOD);
	clock_set_for_test(NOW + 90 * DAY);
	/* The note of a use joins the next change. */
	sweep_all();
	cr_expect_eq(token_revoke(&f.svc, unused), ERR_OK);
	clock_set_for_test(NOW + 90 * DAY + 1);
	sweep_all();
	cr_expect_eq(use(unused), TOKEN_UNKNOWN);
	clock_set_for_test(NOW + 140 * DAY);
	sweep_all();
	cr_expect_eq(use(used), TOKEN_GOOD);
}

Test(client, refresh_tokens_are_removed_with_it)
{
	char token[TOKEN_LEN + 1];

	given_client("c");
	cr_assert_eq(token_issue(&f.svc, "c", token), ERR_OK);
	cr_assert_eq(client_remove(&f.svc, "c"), ERR_OK);
	cr_expect_eq(use(token), TOKEN_UNKNOWN);
	cr_expect_eq(token_issue(&f.svc, "c", token), ERR_CONFLICT);
}

Test(client, refresh_token_is_revoked_once)
{
	char token[TOKEN_LEN + 1];

	given_client("c");
	cr_assert_eq(token_issue(&f.svc, "c", token), ERR_OK);
	cr_expect_eq(token_revoke(&f.svc, token), ERR_OK);
	cr_expect_eq(token_revoke(&f.svc, token), ERR_CONFLICT);
	cr_expect_eq(token_revoke(&f.svc, "unknown"), ERR_NOTFOUND);
	clock_set_for_test(NOW + 6 * DAY);
	cr_expect_eq(use(token), TOKEN_REVOKED);
}

Test(client, in_a_store_is_known_by_the_hash_of_its_secret_alone)
{
	struct client c;

	given_client("c");
	cr_assert_eq(client_read(&f.svc, f.arena, "c", &c), ERR_OK);
	cr_expect_eq(strncmp(c.hash, "$2b$12$", 7), 0, "%s", c.hash);
	cr_expect(bcrypt_verify(SECRET, c.hash));
	cr_expect_eq(memcmp(c.json, "{\"client_id\":\"c\",\"role\":\"agent\"}",
			 c.json_len),
	    0);
}
