/* Clients, their refresh tokens and their log-ins. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "address.h"
#include "bcrypt.h"
#include "client.h"
#include "clock.h"
#include "fixture.h"
#include "login.h"
#include "token.h"

#define NOW INT64_C(1795338103000)
#define DAY INT64_C(86400000)
#define SECRET "correct horse battery"

static struct fixture f;

static void
setup(void)
{
	fixture_open(&f, "TOKEN_FAILURES_MAX = 3\n");
	clock_set_for_test(NOW);
}

static void
teardown(void)
{
	clock_set_for_test(0);
	fixture_close(&f);
}

TestSuite(client, .init = setup, .fini = teardown);

static const char sql_cheap[] =
    "UPDATE client SET secret_hash = $2 WHERE id = $1";

/* Of SECRET at cost 4: most cases are not about bcrypt. */
static enum err
set_cheap(struct db_conn *c, void *arg)
{
	return db_exec(c, NULL, sql_cheap, "tt", (const char *)arg,
	    "$2b$04$abcdefghijklmnopqrstuuqREtd3VJD2QVZbuFskFSLk6eRIrQoOS");
}

static enum client_verdict
put(const char *id, const char *secret, unsigned role, unsigned by)
{
	const struct client_change ch = {.secret = secret, .role = role};
	enum err failure = ERR_OK;
	const char *name;

	return client_put(&f.svc, id, &ch, by, &name, &failure);
}

static void
given_client(const char *id, unsigned role)
{
	cr_assert_eq(put(id, SECRET, role, ROLE_ADMIN), CLIENT_CREATED);
	cr_assert_eq(
	    db_write(f.svc.db, set_cheap, (void *)(uintptr_t)id), ERR_OK);
}

static const char *
told(const char *id)
{
	struct client c;

	cr_assert_eq(client_read(&f.svc, f.arena, id, &c), ERR_OK);
	return c.json;
}

Test(client, is_judged_in_the_order_that_clients_know)
{
	/* Without a secret a new one is refused before its role is looked at. */
	cr_expect_eq(
	    put("c", NULL, ROLE_ADMIN, ROLE_MANAGER), CLIENT_NO_SECRET);
	cr_expect_eq(
	    put("c", SECRET, ROLE_ADMIN, ROLE_MANAGER), CLIENT_ROLE_ABOVE);
	given_client("boss", ROLE_ADMIN);
	cr_expect_eq(put("boss", NULL, ROLE_ADMIN, ROLE_MANAGER), CLIENT_ABOVE);
	given_client("host", ROLE_AGENT);
	cr_expect_eq(
	    put("host", NULL, ROLE_ADMIN, ROLE_MANAGER), CLIENT_ROLE_ABOVE);
	cr_expect_eq(
	    put("host", NULL, ROLE_MANAGER, ROLE_MANAGER), CLIENT_UPDATED);
}

static enum err
add_queues(struct db_conn *c, void *arg)
{
	static const char add[] =
	    "INSERT INTO client_queue (client, queue) VALUES ($1, $2)";
	enum err e;

	e = db_exec(c, NULL, add, "tt", (const char *)arg, "q2");
	return e == ERR_OK
		   ? db_exec(c, NULL, add, "tt", (const char *)arg, "q1")
		   : e;
}

static enum err
own_queues(const char *id)
{
	return db_write(f.svc.db, add_queues, (void *)(uintptr_t)id);
}

Test(client, tells_only_what_is_stored)
{
	const struct client_change ch = {.max_priority = "{\"*\":5}",
	    .max_reservation_time = "{\"q\":7200}",
	    .email = "a@b.co"};
	enum err failure = ERR_OK;
	const char *role;

	given_client("c", 0);
	cr_expect_str_eq(
	    told("c"), "{\"client_id\":\"c\",\"role\":\"contributor\"}");
	cr_assert_eq(client_put(&f.svc, "c", &ch, ROLE_ADMIN, &role, &failure),
	    CLIENT_UPDATED);
	cr_assert_eq(own_queues("c"), ERR_OK);
	cr_expect_str_eq(told("c"),
	    "{\"allowed_queues\":[\"q1\",\"q2\"],\"client_id\":\"c\","
	    "\"email\":\"a@b.co\",\"max_priority\":{\"*\":5},"
	    "\"max_reservation_time\":{\"q\":7200},"
	    "\"role\":\"contributor\"}");
	/* What a later change does not name stays. */
	cr_assert_eq(put("c", NULL, ROLE_AGENT, ROLE_ADMIN), CLIENT_UPDATED);
	cr_expect_not_null(strstr(told("c"), "\"max_priority\":{\"*\":5}"));
	cr_expect_not_null(strstr(told("c"), "\"role\":\"agent\""));
}

Test(client, takes_its_tokens_and_queues_along_when_it_is_removed)
{
	char token[TOKEN_LEN + 1];
	const char *json, *id;
	enum err failure;
	size_t len;

	given_client("c", 0);
	given_client("other", 0);
	cr_assert_eq(own_queues("c"), ERR_OK);
	cr_assert_eq(token_issue(&f.svc, "c", token), ERR_OK);
	cr_assert_eq(client_remove(&f.svc, "c"), ERR_OK);
	cr_expect_eq(client_remove(&f.svc, "c"), ERR_NOTFOUND);
	cr_expect_eq(
	    token_use(&f.svc, f.arena, token, &id, &failure), TOKEN_UNKNOWN);
	cr_assert_eq(client_list(&f.svc, f.arena, &json, &len), ERR_OK);
	cr_expect_str_eq(
	    json, "[{\"client_id\":\"other\",\"role\":\"contributor\"}]\n");
	/* One of the same name begins with nothing. */
	given_client("c", 0);
	cr_expect_str_eq(
	    told("c"), "{\"client_id\":\"c\",\"role\":\"contributor\"}");
	cr_expect_eq(token_issue(&f.svc, "nobody", token), ERR_CONFLICT);
}

static enum token_verdict
use(const char *token)
{
	const char *id = NULL;
	enum err failure;
	enum token_verdict v;

	v = token_use(&f.svc, f.arena, token, &id, &failure);
	if (v != TOKEN_UNKNOWN)
		cr_expect_str_eq(id, "c");
	return v;
}

Test(client, has_refresh_tokens_for_six_days_whose_use_extends_nothing)
{
	char token[TOKEN_LEN + 1];

	given_client("c", 0);
	cr_assert_eq(token_issue(&f.svc, "c", token), ERR_OK);
	cr_expect_eq(strlen(token), TOKEN_LEN);
	cr_expect_eq(strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				   "abcdefghijklmnopqrstuvwxyz"),
	    TOKEN_LEN);
	clock_set_for_test(NOW + 6 * DAY - 1);
	cr_expect_eq(use(token), TOKEN_GOOD);
	clock_set_for_test(NOW + 6 * DAY);
	cr_expect_eq(use(token), TOKEN_EXPIRED);
	token[0] ^= 1;
	cr_expect_eq(use(token), TOKEN_UNKNOWN);
}

Test(client, has_its_token_revoked_once)
{
	char token[TOKEN_LEN + 1];

	given_client("c", 0);
	cr_assert_eq(token_issue(&f.svc, "c", token), ERR_OK);
	cr_expect_eq(token_revoke(&f.svc, "no such token"), ERR_NOTFOUND);
	cr_expect_eq(token_revoke(&f.svc, token), ERR_OK);
	cr_expect_eq(token_revoke(&f.svc, token), ERR_CONFLICT);
	cr_expect_eq(use(token), TOKEN_REVOKED);
	/* Revoked goes before expired. */
	clock_set_for_test(NOW + 7 * DAY);
	cr_expect_eq(use(token), TOKEN_REVOKED);
}

Test(client, whose_token_expired_is_told_so_for_a_day)
{
	char old[TOKEN_LEN + 1], young[TOKEN_LEN + 1];
	int64_t n;

	given_client("c", 0);
	cr_assert_eq(token_issue(&f.svc, "c", old), ERR_OK);
	clock_set_for_test(NOW + 5 * DAY);
	cr_assert_eq(token_issue(&f.svc, "c", young), ERR_OK);
	clock_set_for_test(NOW + 7 * DAY);
	cr_assert_eq(token_sweep(&f.svc, &n), ERR_OK);
	cr_expect_eq(n, 0);
	cr_expect_eq(use(old), TOKEN_EXPIRED);
	clock_set_for_test(NOW + 7 * DAY + 1);
	cr_assert_eq(token_sweep(&f.svc, &n), ERR_OK);
	cr_expect_eq(n, 1);
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
	int64_t n;

	given_client("c", 0);
	cr_assert_eq(token_issue(&f.svc, "c", used), ERR_OK);
	cr_assert_eq(token_issue(&f.svc, "c", unused), ERR_OK);
	clock_set_for_test(NOW + 50 * DAY);
	cr_expect_eq(use(used), TOKEN_GOOD);
	clock_set_for_test(NOW + 90 * DAY);
	/* The note of the use joins this change. */
	cr_assert_eq(token_sweep(&f.svc, &n), ERR_OK);
	cr_expect_eq(n, 0);
	clock_set_for_test(NOW + 90 * DAY + 1);
	cr_assert_eq(token_sweep(&f.svc, &n), ERR_OK);
	cr_expect_eq(n, 1);
	cr_expect_eq(use(unused), TOKEN_UNKNOWN);
	clock_set_for_test(NOW + 140 * DAY);
	cr_assert_eq(token_sweep(&f.svc, &n), ERR_OK);
	cr_expect_eq(use(used), TOKEN_GOOD);
}

static int wait_s;

static enum login_verdict
login_from(const char *address, const char *id, const char *secret)
{
	const struct login l = {.id = id,
	    .secret = secret,
	    .secret_len = strlen(secret),
	    .address = address};
	struct client c;
	enum err failure;
	enum login_verdict v;

	v = login_check(&f.svc, f.arena, &l, &c, &wait_s, &failure);
	if (v == LOGIN_GOOD)
		cr_expect_str_eq(c.id, id);
	return v;
}

Test(client, that_fails_too_often_waits_while_others_do_not)
{
	int i;

	given_client("c", 0);
	given_client("d", 0);
	for (i = 0; i < 3; i++)
		cr_expect_eq(
		    login_from("a1", "c", "the wrong secret"), LOGIN_WRONG);
	cr_expect_eq(login_from("a1", "c", SECRET), LOGIN_LIMITED);
	cr_expect(wait_s > 0 && wait_s <= 60, "%d", wait_s);
	cr_expect_eq(login_from("a2", "c", SECRET), LOGIN_GOOD);
	cr_expect_eq(login_from("a1", "d", SECRET), LOGIN_GOOD);
	/* Verified elsewhere, it is known: a guesser locks nobody out for long. */
	cr_expect_eq(login_from("a1", "c", SECRET), LOGIN_GOOD);
	cr_expect_eq(login_from("a1", "c", "the wrong secret"), LOGIN_LIMITED);
	clock_set_for_test(NOW + 60000);
	cr_expect_eq(login_from("a1", "c", "the wrong secret"), LOGIN_WRONG);
}

Test(client, that_does_not_exist_is_limited_like_another)
{
	int i;

	for (i = 0; i < 3; i++)
		cr_expect_eq(login_from("a1", "nobody", SECRET), LOGIN_WRONG);
	cr_expect_eq(login_from("a1", "nobody", SECRET), LOGIN_LIMITED);
}

Test(client, that_fails_too_often_waits_for_the_rest_of_the_minute)
{
	int i;

	given_client("c", 0);
	cr_expect_eq(login_from("a1", "c", "the wrong secret"), LOGIN_WRONG);
	clock_set_for_test(NOW + 20000);
	for (i = 0; i < 2; i++)
		cr_expect_eq(
		    login_from("a1", "c", "the wrong secret"), LOGIN_WRONG);
	cr_expect_eq(login_from("a1", "c", SECRET), LOGIN_LIMITED);
	cr_expect_eq(wait_s, 40);
	clock_set_for_test(NOW + 59999);
	cr_expect_eq(login_from("a1", "c", SECRET), LOGIN_LIMITED);
	cr_expect_eq(wait_s, 1);
	clock_set_for_test(NOW + 60000);
	cr_expect_eq(login_from("a1", "c", SECRET), LOGIN_GOOD);
}

Test(client, with_a_secret_that_cannot_be_one_does_not_count_as_failed)
{
	int i;

	given_client("c", 0);
	for (i = 0; i < 5; i++)
		cr_expect_eq(login_from("a1", "c", "short"), LOGIN_WRONG);
	cr_expect_eq(login_from("a1", "c", SECRET), LOGIN_GOOD);
}

/* CPU of the whole process, in which bcrypt of cost 12 cannot hide. */
static long
cpu_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

Test(client, that_logs_in_again_costs_no_bcrypt)
{
	long start, first, hundred;
	int i;

	cr_assert_eq(put("c", SECRET, 0, ROLE_ADMIN), CLIENT_CREATED);
	start = cpu_ms();
	cr_assert_eq(login_from("a1", "c", SECRET), LOGIN_GOOD);
	first = cpu_ms() - start;
	start = cpu_ms();
	for (i = 0; i < 100; i++)
		cr_assert_eq(login_from("a1", "c", SECRET), LOGIN_GOOD);
	hundred = cpu_ms() - start;
	cr_expect(hundred < first, "%ld ms, the first %ld", hundred, first);
	/* Ten minutes later it is verified anew. */
	clock_set_for_test(NOW + 600000);
	start = cpu_ms();
	cr_assert_eq(login_from("a1", "c", SECRET), LOGIN_GOOD);
	cr_expect(cpu_ms() - start > first / 2);
}

Test(client, whose_secret_changed_is_not_known_by_the_former)
{
	given_client("c", 0);
	cr_assert_eq(login_from("a1", "c", SECRET), LOGIN_GOOD);
	cr_assert_eq(
	    put("c", "another good secret", 0, ROLE_ADMIN), CLIENT_UPDATED);
	cr_expect_eq(login_from("a1", "c", SECRET), LOGIN_WRONG);
	cr_expect_eq(login_from("a1", "c", "another good secret"), LOGIN_GOOD);
	cr_assert_eq(client_remove(&f.svc, "c"), ERR_OK);
	cr_expect_eq(login_from("a1", "c", "another good secret"), LOGIN_WRONG);
}

Test(client, secret_has_15_to_72_bytes_and_no_nul)
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

Test(client, id_does_in_credentials_and_in_paths)
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

static const char *
faults_of(const char *json)
{
	struct client_change ch;
	struct js_fault where;
	struct faults faults;
	struct js_doc doc;

	faults_init(&faults, f.arena);
	cr_assert_eq(
	    js_scan(&doc, f.arena, json, strlen(json), &where), ERR_OK);
	return client_change_read(&doc, &faults, &ch) == ERR_OK
		   ? ""
		   : faults_json(&faults);
}

Test(client, has_an_address_in_the_form_that_clients_know)
{
	static const char *const good[] = {"a@b.co", "a.b+c@x-y.example",
	    "\\\"a b\\\"@b.co", "a@localhost", "a@[1.2.3.255]",
	    "a@b\303\274cher.de"};
	static const char *const bad[] = {"", "a", "@b.co", "a@", "a@b",
	    "a@b.c", ".a@b.co", "a..b@b.co", "a@-b.co", "a@b..co", "a b@b.co",
	    "a@[1.2.3]", "a@b.co\\n", "a\\u0000@b.co"};
	char json[256];
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		(void)snprintf(
		    json, sizeof(json), "{\"email\":\"%s\"}", good[i]);
		cr_expect_str_eq(faults_of(json), "", "%s", good[i]);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		(void)snprintf(
		    json, sizeof(json), "{\"email\":\"%s\"}", bad[i]);
		cr_expect_str_eq(faults_of(json),
		    "{\"email\":[\"Not a valid email address.\"]}", "%s",
		    bad[i]);
	}
}

Test(client, change_of_many_wrong_entries_is_refused_and_nothing_more)
{
	/* A key that faults use themselves. */
	cr_expect_str_eq(faults_of("{\"max_priority\":{\"_schema\":\"x\"}}"),
	    "{\"max_priority\":{\"_schema\":{\"value\":"
	    "[\"Not a valid integer.\"]}}}");
	cr_expect_str_eq(faults_of("{\"max_priority\":{\"q\":\" 7 \","
				   "\"q\":1.9}}"),
	    "");
}
