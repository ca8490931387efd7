/* More log-ins than are hashed at a time: a suite of its own, for those of other cases would
 * be refused meanwhile. */

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "api.h"
#include "bearer.h"

#define MANY 70

static void
setup(void)
{
	use_instance("TF_URL_TOKENS");
}

TestSuite(test_flood, .init = setup, .timeout = 120);

struct racer {
	const char *id;
	const struct answer *answer;
};

static const struct answer *
login(const char *id, const char *secret)
{
	return call(
	    "POST", "/v1/oauth2/token", basic("Basic ", id, secret), "");
}

static void *
log_in(void *arg)
{
	struct racer *r = arg;

	r->answer = login(r->id, "a secret of nobody's");
	return NULL;
}

/* Hashing is slow; those who come for something else do not wait for it. */
Test(test_flood, of_log_ins_holds_up_nobody_else)
{
	const struct answer *boss = login("boss", getenv("TF_ADMIN_SECRET"));
	struct racer racers[MANY];
	pthread_t threads[MANY];
	struct timespec from, to;
	const char *token;
	unsigned busy = 0;
	size_t i;

	expect_status(boss, 200);
	token =
	    fmt("{\"refresh_token\":\"%s\"}", member(boss, "refresh_token"));
	for (i = 0; i < MANY; i++) {
		racers[i].id = unique("nobody");
		cr_assert_eq(
		    pthread_create(&threads[i], NULL, log_in, &racers[i]), 0);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	for (i = 0; i < 5; i++)
		expect_status(post("/v1/oauth2/refresh", token), 200);
	/* What is known needs no hash either. */
	expect_status(login("boss", getenv("TF_ADMIN_SECRET")), 200);
	expect_status(call("POST", "/oidc/auth-init", NULL, NULL), 404);
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	cr_expect(to.tv_sec - from.tv_sec < 3, "%lld s",
	    (long long)(to.tv_sec - from.tv_sec));
	for (i = 0; i < MANY; i++)
		cr_assert_eq(pthread_join(threads[i], NULL), 0);
	for (i = 0; i < MANY; i++) {
		if (racers[i].answer->status == 401)
			continue;
		expect_status(racers[i].answer, 503);
		expect_header(racers[i].answer, "Retry-After", "5");
		busy++;
	}
	cr_expect(busy > 0 && busy < MANY, "%u", busy);
}
