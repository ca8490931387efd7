/* Long replies: places, and clients that are slow. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "call.h"
#include "gate.h"
#include "pace.h"

#define LONG (PACE_FREE + ((size_t)4 << 20))

static struct call c;
static char *text; /* LONG bytes */

static int
whole(struct worker *w, struct req *r)
{
	(void)w;
	return reply_json(r, 200, text, LONG);
}

static int
in_pieces(struct worker *w, struct req *r)
{
	size_t at, n = LONG / 8;

	(void)w;
	reply_begin(r, 200, "application/json");
	for (at = 0; at + n <= LONG && reply_write(r, text + at, n); at += n)
		continue;
	return reply_end(r);
}

static int
short_one(struct worker *w, struct req *r)
{
	(void)w;
	return reply_json(r, 200, text, PACE_FREE);
}

static const struct route rows[] = {
    {METHOD_GET, "/whole", 0, ROUTE_NO_BODY, 0, whole},
    {METHOD_GET, "/pieces", 0, ROUTE_NO_BODY, 0, in_pieces},
    {METHOD_GET, "/short", 0, ROUTE_NO_BODY, 0, short_one},
};

static const struct route_table table = {rows, sizeof(rows) / sizeof(rows[0])};

static void
setup(void)
{
	text = malloc(LONG);
	cr_assert_not_null(text);
	memset(text, 'x', LONG);
}

static void
teardown(void)
{
	call_free(&c);
	free(text);
}

TestSuite(pace, .init = setup, .fini = teardown);

static void
get(const char *target, int64_t ms_per_write)
{
	call_free(&c);
	c = (struct call){.target = target, .ms_per_write = ms_per_write};
	call_run(&c, &table, NULL, ROLE_CONTRIBUTOR, NULL);
}

/* So many long replies are under way. */
static struct pace held[64];

static void
hold(unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++) {
		held[i] = (struct pace){.sent = PACE_FREE};
		cr_assert(pace_go_on(&held[i], n, 0));
	}
}

static void
let_go(unsigned n)
{
	unsigned i;

	for (i = 0; i < n; i++)
		pace_end(&held[i]);
}

Test(pace, takes_a_place_only_behind_what_the_web_server_takes)
{
	struct pace p = {0}, other = {0};

	for (; p.sent < PACE_FREE; p.sent += 1024)
		cr_assert(pace_go_on(&p, 1, 0));
	cr_expect(pace_room(1));
	cr_expect(pace_go_on(&p, 1, 0));
	cr_expect_not(pace_room(1));
	other.sent = PACE_FREE;
	cr_expect_not(pace_go_on(&other, 1, 0));
	pace_end(&other);
	cr_expect_not(pace_room(1), "who has none gives none back");
	pace_end(&p);
	pace_end(&p);
	cr_expect(pace_room(1));
	cr_expect(pace_go_on(&other, 1, 0));
	pace_end(&other);
}

Test(pace, ends_a_client_below_the_rate)
{
	struct pace p = {.sent = PACE_FREE};
	int64_t s;

	cr_assert(pace_go_on(&p, 1, 1000));
	cr_expect(pace_go_on(&p, 1, 1000 + PACE_GRACE_MS));
	for (s = 1; s < 100; s++) {
		cr_expect_not(
		    pace_go_on(&p, 1, 1000 + PACE_GRACE_MS + s * 1000));
		p.sent += PACE_RATE;
		cr_expect(pace_go_on(&p, 1, 1000 + PACE_GRACE_MS + s * 1000));
	}
	pace_end(&p);
}

Test(pace, sends_long_replies_whole_to_whoever_takes_them)
{
	static const char *const targets[] = {"/whole", "/pieces"};
	size_t i;

	for (i = 0; i < 2; i++) {
		get(targets[i], 1000);
		cr_expect_eq(c.status, 200);
		cr_expect_not(c.cut);
		cr_expect_eq(c.text_len, LONG / 8 * 8);
		cr_expect_eq(c.timeout_ms, PACE_GRACE_MS);
		cr_expect(pace_room(1), "its place is free again");
	}
	get("/short", 100000);
	cr_expect_eq(c.text_len, PACE_FREE);
	cr_expect_eq(c.timeout_ms, 0);
}

Test(pace, breaks_long_replies_off_where_they_are_not_taken)
{
	static const char *const targets[] = {"/whole", "/pieces"};
	size_t i;

	for (i = 0; i < 2; i++) {
		get(targets[i], 40000);
		cr_expect_eq(c.status, 200);
		cr_expect(c.cut);
		cr_expect_geq(c.text_len, PACE_FREE);
		cr_expect_lt(c.text_len, LONG);
		cr_expect(pace_room(1), "its place is free again");
	}
}

Test(pace, leaves_threads_to_short_replies)
{
	unsigned n = gate_rest(4);

	hold(n);
	get("/whole", 0);
	cr_expect_eq(c.status, 503, "it need not begin");
	cr_expect_not_null(call_header(&c, "Retry-After"));
	get("/pieces", 0);
	cr_expect_eq(c.status, 200);
	cr_expect(c.cut, "its length was not known");
	get("/short", 0);
	cr_expect_eq(c.status, 200);
	cr_expect_not(c.cut);
	let_go(n);
	get("/whole", 0);
	cr_expect_eq(c.status, 200);
}

/* What we count on is what nginx is told. */
Test(pace, knows_how_much_nginx_takes)
{
	char *line = NULL;
	size_t cap = 0, n = 0, kib = 0;
	FILE *f = fopen(TF_NGINX, "r");

	cr_assert_not_null(f);
	while (getline(&line, &cap, f) != -1)
		if (sscanf(line, "fastcgi_buffers %zu %zuk;", &n, &kib) == 2)
			break;
	(void)fclose(f);
	free(line);
	cr_expect_lt(PACE_FREE, n * kib * 1024);
	cr_expect_gt(PACE_FREE, n * kib * 1024 * 9 / 10);
}
