/* Secrets as rows: rotation, expiry, bounds. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "fixture.h"
#include "retention.h"
#include "seal.h"
#include "secret.h"
#include "secret_reseal.h"

#define ZERO "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define ONE "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

static struct fixture f;

static void
setup(void)
{
	struct conf_fault fault;

	fixture_open(&f, "SECRETS_MASTER_KEY = '" ZERO "'\n");
	cr_assert_eq(seal_open(&f.svc.seal, f.conf, &fault), ERR_OK);
}

static void
teardown(void)
{
	clock_set_for_test(0);
	fixture_close(&f);
}

TestSuite(secret, .init = setup, .fini = teardown);

static enum err
put(const char *path, int64_t expires_at)
{
	struct secret_new n = {
	    .client = "c",
	    .path = path,
	    .value = "value",
	    .len = 5,
	    .expires_at = expires_at,
	};

	return secret_put(&f.svc, f.arena, &n);
}

/* What a job that names the path is told. */
static const char *
told(const char *path)
{
	char body[128];
	const char *out;
	struct id id;
	size_t len;

	id_make(&id);
	(void)snprintf(body, sizeof(body),
	    "{\"a\":1.10,\"test_data\":{\"secrets\":{\"S\":\"%s\"},"
	    "\"b\":2}}",
	    path);
	cr_assert_eq(secret_fill(&f.svc, f.arena, &id, "c", body, strlen(body),
			 &out, &len),
	    ERR_OK);
	cr_assert_eq(strlen(out), len);
	return out;
}

Test(secret, stands_in_the_definition_and_changes_nothing_else)
{
	cr_assert_eq(put("p", 0), ERR_OK);
	cr_expect_str_eq(told("p"),
	    "{\"a\":1.10,\"test_data\":{\"secrets\":{\"S\":\"value\"},"
	    "\"b\":2}}");
	cr_expect_str_eq(told("none"),
	    "{\"a\":1.10,\"test_data\":{\"secrets\":{\"S\":\"\"},"
	    "\"b\":2}}");
}

Test(secret, knows_a_path)
{
	cr_expect(secret_path_ok("a/b-c/D_9"));
	cr_expect_not(secret_path_ok(""));
	cr_expect_not(secret_path_ok("/a"));
	cr_expect_not(secret_path_ok("a/"));
	cr_expect_not(secret_path_ok("a//b"));
	cr_expect_not(secret_path_ok("a.b"));
}

Test(secret, is_purged_once_it_has_expired)
{
	int64_t n;

	clock_set_for_test(1000000);
	cr_assert_eq(put("short", 1001000), ERR_OK);
	cr_assert_eq(put("long", 9001000), ERR_OK);
	cr_assert_eq(put("ever", 0), ERR_OK);
	cr_assert_eq(secret_purge(&f.svc, &n), ERR_OK);
	cr_expect_eq(n, 0);
	clock_set_for_test(1001000);
	cr_expect_not_null(strstr(told("short"), ":\"\"}"));
	cr_assert_eq(secret_purge(&f.svc, &n), ERR_OK);
	cr_expect_eq(n, 1);
	cr_expect_not_null(strstr(told("long"), "value"));
	cr_expect_not_null(strstr(told("ever"), "value"));
}

Test(secret, has_a_limit_for_each_client)
{
	char path[32];
	int i;

	for (i = 0; i < SECRETS_MAX; i++) {
		(void)snprintf(path, sizeof(path), "p%d", i);
		cr_assert_eq(put(path, 0), ERR_OK);
	}
	cr_expect_eq(put("one-more", 0), ERR_LIMIT);
	cr_expect_eq(put("p0", 0), ERR_OK);
}

Test(secret, is_sealed_anew_with_another_key)
{
	struct secret_reseal_place after = {NULL, NULL};
	struct conf_fault fault;
	int64_t n, seen = 0, lost = 0;
	struct conf *conf;
	static const char text[] = "SECRETS_MASTER_KEY = '" ONE "'\n"
				   "SECRETS_MASTER_KEY_OLD = '" ZERO "'\n";
	static const char alone[] = "SECRETS_MASTER_KEY = '" ONE "'\n";
	char path[32];
	int i;

	for (i = 0; i < 450; i++) {
		(void)snprintf(path, sizeof(path), "p%d", i);
		cr_assert_eq(put(path, 0), ERR_OK);
	}
	seal_free(f.svc.seal);
	cr_assert_eq(
	    conf_parse(&conf, "t", text, sizeof(text) - 1, &fault), ERR_OK);
	cr_assert_eq(seal_open(&f.svc.seal, conf, &fault), ERR_OK);
	conf_free(conf);
	cr_expect_not_null(strstr(told("p7"), "value"));
	do {
		cr_assert_eq(secret_reseal(&f.svc, &after, &n, &lost), ERR_OK);
		seen += n;
	} while (n > 0 && seen < 10000);
	secret_reseal_free(&after);
	cr_expect_eq(seen, 450);
	cr_expect_eq(lost, 0);
	seal_free(f.svc.seal);
	cr_assert_eq(
	    conf_parse(&conf, "t", alone, sizeof(alone) - 1, &fault), ERR_OK);
	cr_assert_eq(seal_open(&f.svc.seal, conf, &fault), ERR_OK);
	for (i = 0; i < 450; i += 50) {
		(void)snprintf(path, sizeof(path), "p%d", i);
		cr_expect_not_null(strstr(told(path), "value"));
	}
	conf_free(conf);
}

/* Keys have names, by which a sealed value may sort before or behind what it was. */
Test(secret, rotation_sees_each_once_whichever_key_is_new)
{
	static const char *const lines[] = {
	    "SECRETS_MASTER_KEY = '" ONE "'\nSECRETS_MASTER_KEY_OLD = '" ZERO
	    "'\n",
	    "SECRETS_MASTER_KEY = '" ZERO "'\nSECRETS_MASTER_KEY_OLD = '" ONE
	    "'\n",
	};
	struct conf_fault fault;
	struct conf *conf;
	int64_t n, lost = 0;
	size_t i;

	cr_assert_eq(put("p1", 0), ERR_OK);
	cr_assert_eq(put("p2", 0), ERR_OK);
	for (i = 0; i < 2; i++) {
		struct secret_reseal_place after = {NULL, NULL};

		seal_free(f.svc.seal);
		cr_assert_eq(
		    conf_parse(&conf, "t", lines[i], strlen(lines[i]), &fault),
		    ERR_OK);
		cr_assert_eq(seal_open(&f.svc.seal, conf, &fault), ERR_OK);
		conf_free(conf);
		cr_assert_eq(secret_reseal(&f.svc, &after, &n, &lost), ERR_OK);
		secret_reseal_free(&after);
		cr_expect_eq(n, 2, "%lld", (long long)n);
	}
	cr_expect_eq(lost, 0);
}

/* Nobody stores such names any more, but a store may hold them. */
Test(secret, rotation_ends_whatever_the_length_of_names)
{
	static const char lines[] = "SECRETS_MASTER_KEY = '" ONE "'\n"
				    "SECRETS_MASTER_KEY_OLD = '" ZERO "'\n";
	struct secret_reseal_place after = {NULL, NULL};
	struct secret_new secret = {.value = "v", .len = 1};
	char client[3000], path[9000];
	struct conf_fault fault;
	int64_t n, lost = 0;
	struct conf *conf;

	memset(client, 'c', sizeof(client));
	client[sizeof(client) - 1] = '\0';
	memset(path, 'p', sizeof(path));
	path[sizeof(path) - 1] = '\0';
	secret.client = client;
	secret.path = path;
	cr_assert_eq(secret_put(&f.svc, f.arena, &secret), ERR_OK);
	cr_assert_eq(put("p", 0), ERR_OK);
	seal_free(f.svc.seal);
	cr_assert_eq(
	    conf_parse(&conf, "t", lines, strlen(lines), &fault), ERR_OK);
	cr_assert_eq(seal_open(&f.svc.seal, conf, &fault), ERR_OK);
	conf_free(conf);
	cr_assert_eq(secret_reseal(&f.svc, &after, &n, &lost), ERR_OK);
	cr_expect_eq(n, 2, "%lld", (long long)n);
	cr_expect_eq(lost, 0);
	cr_assert_eq(secret_reseal(&f.svc, &after, &n, &lost), ERR_OK);
	cr_expect_eq(n, 0, "%lld", (long long)n);
	secret_reseal_free(&after);
}

static bool
never(void)
{
	return false;
}

Test(secret, that_is_ephemeral_ends_with_a_job_that_is_given_up)
{
	static const char body[] = "{\"test_data\":{\"attachments\":[],"
				   "\"secrets\":{\"S\":\"once\"}}}";
	const char *paths[] = {"once"};
	const struct auth_caller owner = {.token = true, .client_id = "c"};
	const struct secret_new once = {.client = "c",
	    .path = "once",
	    .value = "v",
	    .len = 1,
	    .ephemeral = true};
	struct job_new job = {
	    .queue = "q",
	    .secrets = true,
	    .secret_paths = paths,
	    .n_secret_paths = 1,
	    .attachments = true,
	    .body = body,
	    .body_len = sizeof(body) - 1,
	};
	struct job_refusal more;
	struct retention *r;

	clock_set_for_test(1000000);
	id_make(&job.id);
	cr_assert_eq(secret_put(&f.svc, f.arena, &once), ERR_OK);
	cr_assert_eq(
	    job_submit(&f.svc, f.arena, &job, &owner, "", &more), JOB_OK);
	cr_assert_eq(retention_open(&r, &f.svc), ERR_OK);
	retention_tick(r, never);
	cr_expect_not_null(strstr(told("once"), "\"v\""));
	clock_set_for_test(1000000 + INT64_C(86400000) + 1000);
	retention_tick(r, never);
	cr_expect_str_eq(fixture_job(&f, &job.id).state, JOB_CANCELLED);
	cr_expect_null(strstr(told("once"), "\"v\""));
	retention_close(r);
}
