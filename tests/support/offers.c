/* Agents that poll, and time that passes by the wall clock and the one that is not set. */

#include "offers.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "cause.h"
#include "clock.h"

static int64_t wall;

void
offers_open(void)
{
	int64_t by;

	fixture_open(&lab, "OFFER_TIMEOUT = 900\nRETURN_GRACE = 600\n");
	clock_set_for_test(wall = NOW);
	cr_assert_eq(handout_clock(&lab.svc, &by), ERR_OK);
}

void
pass(int64_t ms)
{
	clock_set_for_test(wall += ms);
	clock_skip_for_test(ms);
}

void
pass_until(int64_t ms)
{
	pass(NOW + ms - wall);
}

void
offers_close(void)
{
	cause_set(NULL);
	clock_set_for_test(0);
	clock_boot_for_test(NULL);
	fixture_close(&lab);
}

void
set_clock_unseen(int64_t by)
{
	clock_set_for_test(wall += by);
}

struct id
given(const char *queue)
{
	return fixture_given(&lab, queue);
}

struct id
given_until(const char *queue, int timeout_s)
{
	struct id id;
	char body[80];

	(void)snprintf(body, sizeof(body),
	    "{\"job_queue\":\"%s\",\"queue_timeout\":%d}", queue, timeout_s);
	cr_assert_eq(fixture_submit(&lab, body, &id), JOB_OK);
	return id;
}

enum err
poll_as(const char *queue, const char *agent, const char *client,
    const char *connection, struct job *out)
{
	const struct handout_ask ask = {&queue, 1, agent, client, connection};

	return handout_take(&lab.svc, lab.arena, &ask, out);
}

enum err
polls(const char *queue, const char *agent, struct job *out)
{
	static int n;
	char connection[16];

	(void)snprintf(connection, sizeof(connection), "%d", ++n);
	return poll_as(queue, agent, NULL, connection, out);
}

void
expect_offer(const char *queue, const char *agent, struct id want)
{
	struct job job;

	cr_assert_eq(polls(queue, agent, &job), ERR_OK);
	cr_expect_str_eq(job.id.text, want.text);
}

void
expect_nothing(const char *queue, const char *agent)
{
	struct job job;

	cr_expect_eq(polls(queue, agent, &job), ERR_NOTFOUND);
}

void
sweep(void)
{
	int64_t n;

	cr_assert_eq(handout_sweep(&lab.svc, &n), ERR_OK);
}
