/* What is judged of a configuration before anything is opened, and what is opened. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture.h"
#include "log.h"
#include "schema.h"

#define LONG "0123456789abcdef0123456789abcdef"
#define SEALS "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

static enum err
check(const char *text, struct conf_fault *fault)
{
	struct conf *c;
	enum err e;

	cr_assert_eq(
	    conf_parse(&c, "t.conf", text, strlen(text), fault), ERR_OK);
	e = svc_check(c, fault);
	conf_free(c);
	return e;
}

Test(svc, refuses_a_signing_key_that_could_be_guessed)
{
	static const char *const bad[] = {"JWT_SIGNING_KEY = 'short'\n",
	    "JWT_SIGNING_KEY = '0123456789abcdef0123456789abcde'\n",
	    "JWT_SIGNING_KEY = '" LONG "'\nJWT_SIGNING_KEY_OLD = 'x'\n"};
	struct conf_fault fault;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(check(bad[i], &fault), ERR_INVALID);
		cr_expect_not_null(
		    strstr(fault.text, "is shorter than 32 bytes"), "%s",
		    fault.text);
		cr_expect_not_null(strstr(fault.text, "openssl rand -hex 32"),
		    "%s", fault.text);
		cr_expect_null(strstr(fault.text, "short'"), "no key in a log");
	}
}

Test(svc, takes_a_long_key_or_none)
{
	struct conf_fault fault;

	cr_expect_eq(check("JWT_SIGNING_KEY = '" LONG "'\n", &fault), ERR_OK);
	cr_expect_eq(check("JWT_SIGNING_KEY = ''\n", &fault), ERR_OK);
}

Test(svc, refuses_a_key_for_secrets_that_no_responder_could_open)
{
	static const char *const bad[] = {"SECRETS_MASTER_KEY = 'short'\n",
	    "SECRETS_MASTER_KEY = '" LONG "'\n", /* 24 bytes */
	    "SECRETS_MASTER_KEY = '" SEALS "'\n"
	    "SECRETS_MASTER_KEY_OLD = 'no base64!'\n"};
	struct conf_fault fault;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cr_assert_eq(check(bad[i], &fault), ERR_INVALID);
		cr_expect_not_null(
		    strstr(fault.text, "is no base64 of 32 bytes or more"),
		    "%s", fault.text);
	}
	cr_expect_eq(
	    check("SECRETS_MASTER_KEY = '" SEALS "'\n", &fault), ERR_OK);
	cr_expect_eq(
	    check("SECRETS_MASTER_KEY_FILE = '/no such file'\n", &fault),
	    ERR_OK, "a file is not opened");
}

Test(svc, tells_no_line_of_a_key_that_stands_nowhere)
{
	struct conf_fault fault;

	cr_assert_eq(check("OIDC_PROVIDER_ISSUER = 'https://id.example.com'\n"
			   "OIDC_CLIENT_ID = 'lab'\n"
			   "WEB_SECRET_KEY = '" LONG "'\n",
			 &fault),
	    ERR_INVALID);
	cr_expect_str_eq(fault.text, "the defaults: JWT_SIGNING_KEY: is empty, "
				     "but sign-in by OIDC gives "
				     "tokens; make one: openssl rand -hex 32");
}

Test(svc, opens_the_keys_for_every_responder)
{
	struct conf_fault fault;
	struct conf *c;
	struct svc s;

	cr_assert_eq(conf_parse(&c, "t", "JWT_SIGNING_KEY = '" LONG "'\n",
			 strlen("JWT_SIGNING_KEY = '" LONG "'\n"), &fault),
	    ERR_OK);
	cr_assert_eq(svc_open(&s, c, NULL, 0, "unit"), ERR_OK);
	cr_expect_not_null(s.jwt);
	svc_close(&s);
	cr_expect_null(s.jwt);
	conf_free(c);
}

/* What was synced, while it is wanted: paths, each after a newline. */
static char synced[16384];
static bool syncs_are_noted;

/* In the place of the C library's. */
int
fsync(int fd)
{
	char link[64], path[512];
	ssize_t n;

	if (syncs_are_noted) {
		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, path, sizeof(path) - 1);
		path[n > 0 ? n : 0] = '\0';
		if (strlen(synced) + strlen(path) + 3 < sizeof(synced))
			(void)sprintf(synced + strlen(synced), "\n%s\n", path);
	}
	return (int)syscall(SYS_fsync, fd);
}

static void
expect_synced(const char *path)
{
	char line[600];

	(void)snprintf(line, sizeof(line), "\n%s\n", path);
	cr_expect_not_null(strstr(synced, line), "%s in %s", path, synced);
}

static enum err
open_at(struct svc *s, struct conf **conf, const char *path)
{
	struct conf_fault fault;
	char text[256];
	int n;

	n = snprintf(
	    text, sizeof(text), "DATA_PATH = '%s'\nAMQP_URI = ''\n", path);
	cr_assert_eq(
	    conf_parse(conf, "t.conf", text, (size_t)n, &fault), ERR_OK);
	return svc_open(s, *conf, &model_schema, SVC_DB | SVC_BLOB, "unit");
}

Test(svc, syncs_the_names_of_the_data_directory_and_of_those_above)
{
	char dir[64], upper[80], data[96];
	struct conf *conf;
	struct svc s;
	int turn;

	log_setup("unit", LOG_LVL_ERROR);
	fixture_mkdir(dir);
	(void)snprintf(upper, sizeof(upper), "%s/a", dir);
	(void)snprintf(data, sizeof(data), "%s/b", upper);
	/* Also what a process made that did not live to sync it. */
	for (turn = 0; turn < 2; turn++) {
		synced[0] = '\0';
		syncs_are_noted = true;
		cr_assert_eq(open_at(&s, &conf, data), ERR_OK);
		syncs_are_noted = false;
		expect_synced(upper);
		expect_synced(dir);
		svc_close(&s);
		conf_free(conf);
	}
	fixture_rmdir(dir);
}

Test(svc, makes_no_empty_store_beside_files_of_jobs)
{
	char dir[64], job[256], store[96];
	struct conf *conf;
	struct svc s;

	log_setup("unit", LOG_LVL_ERROR);
	fixture_mkdir(dir);
	cr_assert_eq(open_at(&s, &conf, dir), ERR_OK);
	svc_close(&s);
	conf_free(conf);
	(void)snprintf(store, sizeof(store), "%s/state.db", dir);
	(void)snprintf(job, sizeof(job),
	    "rm %s*; mkdir %s/jobs/ab/abcdef00-0000-0000-0000-000000000000",
	    store, dir);
	cr_assert_eq(system(job), 0); // NOLINT(cert-env33-c)
	cr_expect_eq(open_at(&s, &conf, dir), ERR_IO);
	cr_expect_neq(access(store, F_OK), 0);
	conf_free(conf);
	fixture_rmdir(dir);
}
