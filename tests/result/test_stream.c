/* Long replies: what a client sees when a log cannot be read to its end. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "call.h"
#include "fixture.h"
#include "gate.h"
#include "result/stream.h"

#define BIG ((size_t)1 << 20)

static struct fixture f;
static struct id id;
static off_t cut_at; /* -1: leave it whole */

static void
setup(void)
{
	fixture_open(&f, "WORKERS = 1\n");
	(void)id_parse("7be0000000004000800000000000000c", 32, &id);
	cut_at = -1;
}

static void
teardown(void)
{
	fixture_close(&f);
}

TestSuite(stream, .init = setup, .fini = teardown);

static void
given_log(size_t len)
{
	char *text = arena_alloc(f.arena, len);
	const struct joblog_fragment g = {.text = text, .len = len};

	memset(text, 'x', len);
	cr_assert_eq(joblog_append(&f.svc, &id, JOBLOG_OUTPUT, &g), ERR_OK);
}

static void
cut_file(void)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/jobs/%.2s/%s/log.output.setup",
	    f.dir, id.text, id.text);
	if (cut_at != -1)
		cr_assert_eq(truncate(path, cut_at), 0);
}

/* All logs as an array, the file cut once it is open. */
static int
show(struct worker *w, struct req *r)
{
	static const struct joblog_query all = {
	    JOBLOG_TYPE__MAX, PHASE__MAX, INT64_MIN, INT64_MIN};
	struct joblogs logs;
	struct stream *s;
	int status;

	cr_assert_eq(joblog_list(w->svc, &id, &all, &logs), ERR_OK);
	cut_file();
	s = stream_begin(w, r, &logs, 3);
	if (s == NULL) {
		joblog_close(&logs);
		return r->status;
	}
	stream_text(s, "[", 1);
	stream_log(s, 0);
	stream_text(s, "]\n", 2);
	status = stream_end(s);
	joblog_close(&logs);
	return status;
}

/* While another one waits for its client. */
static int
show_beside_another(struct worker *w, struct req *r)
{
	struct pace other = {.sent = PACE_FREE};
	int status;

	cr_assert(pace_go_on(&other, gate_rest(4), 0));
	status = show(w, r);
	pace_end(&other);
	return status;
}

static const struct route rows[] = {
    {METHOD_GET, "/show", 0, ROUTE_NO_BODY, 0, show},
    {METHOD_GET, "/beside", 0, ROUTE_NO_BODY, 0, show_beside_another},
};
static const struct route_table table = {rows, 2};

static void
run(struct call *c)
{
	call_run(c, &table, f.conf, 0, &f.worker);
}

Test(stream, sends_a_short_log_with_its_length)
{
	struct call c = {.target = "/show"};

	given_log(5);
	run(&c);
	cr_expect_eq(c.status, 200);
	cr_expect_str_eq(call_header(&c, "Content-Length"), "10");
	cr_expect_str_eq(c.text, "[\"xxxxx\"]\n");
	call_free(&c);
}

Test(stream, sends_a_long_log_whole)
{
	struct call c = {.target = "/show"};

	given_log(BIG);
	run(&c);
	cr_expect_eq(c.status, 200);
	cr_expect_null(call_header(&c, "Content-Length"));
	cr_expect_eq(c.text_len, BIG + 5);
	cr_expect_eq(strspn(c.text + 2, "x"), BIG);
	cr_expect_str_eq(c.text + 2 + BIG, "\"]\n");
	cr_expect_not(c.cut);
	call_free(&c);
}

Test(stream, sends_no_text_to_a_head)
{
	struct call c = {.target = "/show", .method = "HEAD"};

	given_log(BIG);
	run(&c);
	cr_expect_eq(c.status, 200);
	cr_expect_eq(c.text_len, 0);
	call_free(&c);
}

Test(stream, is_broken_off_when_a_long_log_ends_early)
{
	struct call c = {.target = "/show"};

	given_log(BIG);
	cut_at = (off_t)BIG / 2;
	run(&c);
	cr_expect(c.cut);
	cr_expect_lt(c.text_len, BIG);
	call_free(&c);
}

Test(stream, is_503_when_a_short_log_ends_early)
{
	struct call c = {.target = "/show"};

	given_log(5);
	cut_at = 2;
	run(&c);
	cr_expect_eq(c.status, 503);
	cr_expect_str_eq(call_header(&c, "Retry-After"), "5");
	cr_expect_not(c.cut);
	call_free(&c);
}

/* One thread: one long reply at a time. */
Test(stream, leaves_threads_to_those_who_are_quick)
{
	struct call c = {.target = "/beside"};

	gate_set_threads(1);
	given_log(2 * BIG);
	run(&c);
	cr_expect_eq(c.status, 503);
	cr_expect_str_eq(call_header(&c, "Retry-After"), "5");
	call_free(&c);
	c = (struct call){.target = "/show"};
	run(&c);
	cr_expect_eq(c.status, 200);
	cr_expect_eq(c.text_len, 2 * BIG + 5);
	call_free(&c);
}

/* The web server takes it at once, whatever its client does. */
Test(stream, needs_no_place_for_a_log_of_1_mib)
{
	struct call c = {.target = "/beside"};

	gate_set_threads(1);
	given_log(BIG);
	run(&c);
	cr_expect_eq(c.status, 200);
	cr_expect_eq(c.text_len, BIG + 5);
	cr_expect_not(c.cut);
	call_free(&c);
}
