/*
 * The CPU time that one request spends on its token: header to caller, with claims,
 * role and permissions.  The argument is the time to measure, in seconds of CPU; a
 * line of microseconds comes out.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth.h"
#include "clock.h"
#include "jwt.h"

#define ROUND 1000

static double
cpu_s(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct jwt_keys *
make_keys(void)
{
	static const char text[] =
	    "JWT_SIGNING_KEY = '0123456789abcdef0123456789abcdef'\n";
	struct conf_fault fault;
	struct jwt_keys *keys;
	struct conf *c;

	if (conf_parse(&c, "bench", text, sizeof(text) - 1, &fault) != ERR_OK ||
	    jwt_keys_open(&keys, c) != ERR_OK)
		exit(EXIT_FAILURE);
	conf_free(c);
	return keys;
}

static const char *
make_header(const struct jwt_keys *keys, struct arena *a)
{
	static const char permissions[] =
	    "{\"allowed_queues\":[\"rack-1\",\"rack-2\"],"
	    "\"client_id\":\"lab-agents\",\"email\":\"lab@example.org\","
	    "\"max_priority\":{\"*\":5,\"rack-1\":9},"
	    "\"max_reservation_time\":{\"*\":30000},\"role\":\"agent\"}";
	const char *token, *header;

	if (jwt_sign(keys, a, permissions, sizeof(permissions) - 1,
		clock_now_ms(), &token) != ERR_OK)
		exit(EXIT_FAILURE);
	header = arena_printf(a, "Bearer %s", token);
	return header != NULL ? header : "";
}

int
main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], NULL) : 1, begun, now;
	struct arena *kept = arena_new(), *a = arena_new();
	struct jwt_keys *keys = make_keys();
	struct auth_denial denial;
	struct auth_caller caller;
	unsigned long n = 0;
	struct auth_ask q = {
	    .keys = keys, .roles = ROLE_AGENT, .now_ms = clock_now_ms()};
	int i;

	if (kept == NULL || a == NULL)
		return EXIT_FAILURE;
	q.authorization = make_header(keys, kept);
	begun = now = cpu_s();
	while (now - begun < seconds) {
		for (i = 0; i < ROUND; i++) {
			if (!auth_check(&q, a, &caller, &denial))
				return EXIT_FAILURE;
			arena_reset(a);
		}
		n += ROUND;
		now = cpu_s();
	}
	(void)printf("%.3f\n", (now - begun) * 1e6 / (double)n);
	jwt_keys_free(keys);
	arena_free(a);
	arena_free(kept);
	return EXIT_SUCCESS;
}
