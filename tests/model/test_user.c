/* People who sign in elsewhere, and sign-ins by device that have begun. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "clock.h"
#include "device.h"
#include "fixture.h"
#include "restricted.h"
#include "secret.h"
#include "token.h"
#include "user.h"

#define DAY INT64_C(86400000)
#define NOW (INT64_C(20000) * DAY)
#define ZERO "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static struct fixture f;
static const char *former;
static enum err failure;

static void
setup(void)
{
	struct conf_fault fault;

	fixture_open(&f, "SECRETS_MASTER_KEY = '" ZERO "'\n");
	cr_assert_eq(seal_open(&f.svc.seal, f.conf, &fault), ERR_OK);
	clock_set_for_test(NOW);
}

static void
teardown(void)
{
	clock_set_for_test(0);
	fixture_close(&f);
}

TestSuite(user, .init = setup, .fini = teardown);
TestSuite(device, .init = setup, .fini = teardown);

static enum user_verdict
signs_in(const char *sub, const char *email)
{
	const struct user u = {sub, email, "A Name"};

	return user_sign_in(&f.svc, f.arena, &u, &former, &failure);
}

static enum err
find(const char *id, struct client *out)
{
	return client_read(&f.svc, f.arena, id, out);
}

static void
add_client(const char *id)
{
	struct client_change ch = {.secret = "0123456789abcdef"};
	const char *role;

	cr_assert_eq(client_put(&f.svc, id, &ch, ROLE_ADMIN, &role, &failure),
	    CLIENT_CREATED);
}

Test(user, is_a_contributor_from_the_first_time_on)
{
	struct client c;

	cr_assert_eq(signs_in("s", "a@b.cd"), USER_NEW);
	cr_assert_eq(find("a@b.cd", &c), ERR_OK);
	cr_expect(c.oidc);
	cr_expect_null(c.hash);
	cr_expect_str_eq(
	    c.json, "{\"client_id\":\"a@b.cd\",\"role\":\"contributor\"}");
	cr_expect_eq(signs_in("s", "a@b.cd"), USER_KNOWN);
}

Test(user, keeps_what_an_admin_gave)
{
	struct client_change ch = {
	    .role = ROLE_MANAGER, .max_priority = "{\"*\":3}"};
	const char *role;
	struct client c;

	cr_assert_eq(signs_in("s", "a@b.cd"), USER_NEW);
	cr_assert_eq(
	    client_put(&f.svc, "a@b.cd", &ch, ROLE_ADMIN, &role, &failure),
	    CLIENT_UPDATED);
	cr_assert_eq(restricted_add(&f.svc, "rq", "a@b.cd", true, &failure),
	    RESTRICTED_OK);
	cr_assert_eq(signs_in("s", "new@b.cd"), USER_RENAMED);
	cr_expect_str_eq(former, "a@b.cd");
	cr_assert_eq(find("new@b.cd", &c), ERR_OK);
	cr_expect_str_eq(c.json,
	    "{\"allowed_queues\":[\"rq\"],\"client_id\":\"new@b.cd\","
	    "\"max_priority\":{\"*\":3},\"role\":\"manager\"}");
	cr_expect_eq(find("a@b.cd", &c), ERR_NOTFOUND);
	cr_expect_eq(signs_in("s", "new@b.cd"), USER_KNOWN);
	/* The former address is free for somebody else, who has nothing of it. */
	cr_assert_eq(signs_in("t", "a@b.cd"), USER_NEW);
	cr_assert_eq(find("a@b.cd", &c), ERR_OK);
	cr_expect_str_eq(
	    c.json, "{\"client_id\":\"a@b.cd\",\"role\":\"contributor\"}");
}

Test(user, keeps_tokens_and_secrets_under_another_address)
{
	static const char *const paths[] = {"x/y", "x/z"};
	struct secret_new n = {.client = "a@b.cd", .value = "v", .len = 1};
	char token[TOKEN_LEN + 1];
	const char *id, *missing;
	size_t i;

	cr_assert_eq(signs_in("s", "a@b.cd"), USER_NEW);
	for (i = 0; i < 2; i++) {
		n.path = paths[i];
		cr_assert_eq(secret_put(&f.svc, f.arena, &n), ERR_OK);
	}
	cr_assert_eq(token_issue(&f.svc, "a@b.cd", token), ERR_OK);
	cr_assert_eq(signs_in("s", "new@b.cd"), USER_RENAMED);
	cr_assert_eq(
	    token_use(&f.svc, f.arena, token, &id, &failure), TOKEN_GOOD);
	cr_expect_str_eq(id, "new@b.cd");
	cr_assert_eq(secret_missing(&f.svc, f.arena, "new@b.cd", paths, 2,
			 false, &missing),
	    ERR_OK);
	cr_expect_null(missing, "%s", missing);
	cr_assert_eq(secret_missing(
			 &f.svc, f.arena, "a@b.cd", paths, 2, false, &missing),
	    ERR_OK);
	cr_expect_str_eq(missing, "x/y, x/z");
}

/* A job of that client which names the secret p. */
static void
given_job(const char *client, struct id *id)
{
	static const char body[] =
	    "{\"test_data\":{\"secrets\":{\"S\":\"p\"}}}";
	const char *paths[] = {"p"};
	const struct auth_caller owner = {.token = true, .client_id = client};
	struct job_new job = {
	    .queue = "q",
	    .secrets = true,
	    .secret_paths = paths,
	    .n_secret_paths = 1,
	    .body = body,
	    .body_len = sizeof(body) - 1,
	};
	struct job_refusal more;

	id_make(&job.id);
	cr_assert_eq(
	    job_submit(&f.svc, f.arena, &job, &owner, "", &more), JOB_OK);
	*id = job.id;
}

static void
given_secret(const char *client, const char *value)
{
	const struct secret_new n = {
	    .client = client, .path = "p", .value = value, .len = 1};

	cr_assert_eq(secret_put(&f.svc, f.arena, &n), ERR_OK);
}

/* Whose secrets the job is told. */
static const char *
owner_of(const struct id *id)
{
	struct db_conn *c = db_read(f.svc.db);
	struct db_stmt *s;
	const char *owner;

	cr_assert_eq(db_query(c, &s, "SELECT client_id FROM job WHERE id = $1",
			 "t", id->text),
	    ERR_OK);
	owner = arena_printf(f.arena, "%s", db_text(s, 0, NULL));
	db_end(s);
	db_read_end(f.svc.db, c);
	return owner;
}

static const char *
told(const char *client)
{
	static const char body[] =
	    "{\"test_data\":{\"secrets\":{\"S\":\"p\"}}}";
	struct id id;
	const char *out;
	size_t len;

	id_make(&id);
	cr_assert_eq(secret_fill(&f.svc, f.arena, &id, client, body,
			 sizeof(body) - 1, &out, &len),
	    ERR_OK);
	return out;
}

#define TOLD(value) "{\"test_data\":{\"secrets\":{\"S\":\"" value "\"}}}"

Test(user, has_jobs_that_are_told_their_secrets_under_another_address)
{
	struct id id;

	cr_assert_eq(signs_in("s", "a@b.cd"), USER_NEW);
	given_secret("a@b.cd", "1");
	given_job("a@b.cd", &id);
	cr_assert_eq(signs_in("s", "new@b.cd"), USER_RENAMED);
	/* Whoever has the former address next owns none of it. */
	cr_assert_eq(signs_in("t", "a@b.cd"), USER_NEW);
	given_secret("a@b.cd", "2");
	cr_expect_str_eq(owner_of(&id), "new@b.cd");
	cr_expect_str_eq(told(owner_of(&id)), TOLD("1"));
}

/* A token of the one before is good for some minutes yet. */
Test(user, begins_without_secrets_and_jobs_of_a_former_client)
{
	struct id waiting, late;

	add_client("lab@b.cd");
	given_secret("lab@b.cd", "1");
	given_job("lab@b.cd", &waiting);
	cr_assert_eq(client_remove(&f.svc, "lab@b.cd"), ERR_OK);
	cr_expect_str_eq(owner_of(&waiting), "");
	given_secret("lab@b.cd", "2");
	given_job("lab@b.cd", &late);
	add_client("lab@b.cd");
	cr_expect_str_eq(told("lab@b.cd"), TOLD(""));
	given_secret("lab@b.cd", "3");
	cr_expect_str_eq(owner_of(&waiting), "");
	cr_expect_str_eq(owner_of(&late), "");
	cr_expect_str_eq(told(""), TOLD(""));

	given_secret("a@b.cd", "1");
	given_job("a@b.cd", &late);
	cr_assert_eq(signs_in("s", "a@b.cd"), USER_NEW);
	cr_expect_str_eq(told("a@b.cd"), TOLD(""));
	cr_expect_str_eq(owner_of(&late), "");

	given_secret("new@b.cd", "1");
	given_job("new@b.cd", &late);
	cr_assert_eq(signs_in("s", "new@b.cd"), USER_RENAMED);
	cr_expect_str_eq(told("new@b.cd"), TOLD(""));
	cr_expect_str_eq(owner_of(&late), "");
}

Test(user, gets_another_address_while_no_key_opens_secrets)
{
	struct seal *seal = f.svc.seal;
	struct client c;

	cr_assert_eq(signs_in("s", "a@b.cd"), USER_NEW);
	given_secret("a@b.cd", "1");
	f.svc.seal = NULL;
	cr_expect_eq(signs_in("s", "new@b.cd"), USER_RENAMED);
	cr_expect_eq(find("a@b.cd", &c), ERR_NOTFOUND);
	f.svc.seal = seal;
	/* They stay as they are until somebody else has that name. */
	cr_expect_str_eq(told("a@b.cd"), TOLD("1"));
	cr_expect_str_eq(told("new@b.cd"), TOLD(""));
	add_client("a@b.cd");
	cr_expect_str_eq(told("a@b.cd"), TOLD(""));
}

Test(user, takes_nobody_elses_id)
{
	struct client c;

	add_client("lab@b.cd");
	cr_expect_eq(signs_in("s", "lab@b.cd"), USER_TAKEN);
	cr_assert_eq(signs_in("s", "a@b.cd"), USER_NEW);
	cr_expect_eq(signs_in("s", "lab@b.cd"), USER_TAKEN);
	cr_assert_eq(find("lab@b.cd", &c), ERR_OK);
	cr_expect(!c.oidc);
	cr_assert_eq(find("a@b.cd", &c), ERR_OK);
	cr_expect_eq(signs_in("t", "a@b.cd"), USER_TAKEN);
}

Test(user, needs_an_address_that_can_be_an_id)
{
	static const char *const bad[] = {"a:b@c.de", "a/b@c.de", "a", "",
	    "testflinger-admin", "a,role=admin"};
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(
		    signs_in("s", bad[i]), USER_BAD_EMAIL, "%s", bad[i]);
}

Test(user, is_forgotten_after_90_days_and_a_client_with_a_secret_never)
{
	struct client c;
	int64_t n;

	add_client("lab@b.cd");
	cr_assert_eq(signs_in("s", "old@b.cd"), USER_NEW);
	clock_set_for_test(NOW + DAY);
	cr_assert_eq(signs_in("t", "new@b.cd"), USER_NEW);
	clock_set_for_test(NOW + 90 * DAY);
	cr_assert_eq(user_sweep(&f.svc, &n), ERR_OK);
	cr_expect_eq(n, 0);
	clock_set_for_test(NOW + 90 * DAY + 1);
	cr_assert_eq(user_sweep(&f.svc, &n), ERR_OK);
	cr_expect_eq(n, 1);
	cr_expect_eq(find("old@b.cd", &c), ERR_NOTFOUND);
	cr_expect_eq(find("new@b.cd", &c), ERR_OK);
	cr_expect_eq(find("lab@b.cd", &c), ERR_OK);
	/* A sign-in counts from the last time. */
	cr_assert_eq(signs_in("t", "new@b.cd"), USER_KNOWN);
	clock_set_for_test(NOW + 100 * DAY);
	cr_assert_eq(user_sweep(&f.svc, &n), ERR_OK);
	cr_expect_eq(n, 0);
}

Test(user, owns_no_more_queues_than_a_token_can_tell)
{
	enum restricted_verdict v = RESTRICTED_OK;
	char queue[201];
	int n;

	cr_assert_eq(signs_in("s", "a@b.cd"), USER_NEW);
	for (n = 0; n < 100 && v == RESTRICTED_OK; n++) {
		(void)snprintf(queue, sizeof(queue), "%0200d", n);
		v = restricted_add(&f.svc, queue, "a@b.cd", true, &failure);
	}
	cr_expect_eq(v, RESTRICTED_TOO_MANY);
	cr_expect_eq(n, 4096 / 203 + 1);
}

Test(device, is_known_until_it_ends_or_expires)
{
	char id[DEVICE_ID_LEN + 1], other[DEVICE_ID_LEN + 1];
	const char *code;
	int64_t n;

	cr_assert_eq(device_begin(&f.svc, "c1", 10, id), ERR_OK);
	cr_assert_eq(device_begin(&f.svc, "c2", 20, other), ERR_OK);
	cr_expect_eq(strlen(id), DEVICE_ID_LEN);
	cr_assert_eq(device_code(&f.svc, f.arena, id, &code), ERR_OK);
	cr_expect_str_eq(code, "c1");
	cr_expect_eq(device_code(&f.svc, f.arena, "x", &code), ERR_NOTFOUND);
	clock_set_for_test(NOW + 10000);
	cr_expect_eq(device_code(&f.svc, f.arena, id, &code), ERR_NOTFOUND);
	cr_assert_eq(device_sweep(&f.svc, &n), ERR_OK);
	cr_expect_eq(n, 1);
	cr_assert_eq(device_code(&f.svc, f.arena, other, &code), ERR_OK);
	device_end(&f.svc, other);
	cr_expect_eq(device_code(&f.svc, f.arena, other, &code), ERR_NOTFOUND);
}

/* One less than there may be, in one change. */
static enum err
begin_many(struct db_conn *c, void *arg)
{
	(void)arg;
	return db_exec(c, NULL,
	    "INSERT INTO device_code WITH RECURSIVE n (i) AS (SELECT 1 UNION "
	    "ALL SELECT i + 1 FROM n WHERE i < $1) SELECT 'r' || i, 'c', $2 "
	    "FROM n",
	    "ii", (int64_t)DEVICES_MAX - 1, NOW + 10000);
}

Test(device, is_not_begun_by_the_million)
{
	char id[DEVICE_ID_LEN + 1];
	int64_t n, all = 0;

	cr_assert_eq(db_write(f.svc.db, begin_many, NULL), ERR_OK);
	cr_assert_eq(device_begin(&f.svc, "c", 10, id), ERR_OK);
	cr_expect_eq(device_begin(&f.svc, "c", 10, id), ERR_BUSY);
	clock_set_for_test(NOW + 10000);
	while (device_sweep(&f.svc, &n) == ERR_OK && n > 0)
		all += n;
	cr_expect_eq(all, DEVICES_MAX);
	cr_expect_eq(device_begin(&f.svc, "c", 10, id), ERR_OK);
}
