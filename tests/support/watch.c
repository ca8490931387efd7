/* Looks at agents, as tf-dispatch does, and what becomes of their jobs. */

#include "watch.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "explain.h"

#define NOW INT64_C(1800000000000)
#define STEP ((int64_t)LOST_LOOK_MS)

struct watch watch;

static void
open_with(const char *conf)
{
	char path[128];

	fixture_open(&lab, conf);
	(void)snprintf(path, sizeof(path), "%s/seen", lab.dir);
	cr_assert_eq(seen_open(&lab.svc.seen, path, 100), ERR_OK);
	watch.lost = lost_new();
	cr_assert_not_null(watch.lost);
	watch.wall = NOW;
	watch.mono = 1000;
	clock_set_for_test(watch.wall);
}

void
watch_open(void)
{
	open_with("AGENT_LOST_TIMEOUT = 60\nAGENT_LOST_TIMEOUT_QUIET = 300\n"
		  "RETURN_GRACE = 600\n");
}

void
watch_close(void)
{
	clock_set_for_test(0);
	lost_free(watch.lost);
	fixture_close(&lab);
}

void
watch_again_with(const char *conf)
{
	watch_close();
	open_with(conf);
}

void
look(void)
{
	int64_t n;

	cr_assert_eq(lost_look(watch.lost, &lab.svc, watch.mono, &n), ERR_OK);
}

void
watch_for(int64_t s)
{
	int64_t left = s * 1000, step;

	for (; left > 0; left -= step) {
		step = left < STEP ? left : STEP;
		watch.mono += step;
		clock_set_for_test(watch.wall += step);
		look();
	}
}

void
restart(void)
{
	lost_free(watch.lost);
	watch.lost = lost_new();
	cr_assert_not_null(watch.lost);
	look();
}

struct id
given_job(const char *body)
{
	struct id id;

	cr_assert_eq(fixture_submit(&lab, body, &id), JOB_OK);
	return id;
}

struct id
started(const char *body, const char *phase)
{
	struct id id = given_job(body);
	struct job job;

	cr_assert_eq(fixture_take(&lab, "q", "a", &job), ERR_OK);
	cr_expect_str_eq(job.id.text, id.text);
	if (phase != NULL)
		cr_assert_eq(reports(id, "a", phase), ERR_OK);
	look();
	return id;
}

void
asks(const char *agent)
{
	seen_touch(lab.svc.seen, SEEN_AGENT, agent, watch.wall);
}

static const char *
explained(struct id id)
{
	const char *json;
	size_t len;

	cr_assert_eq(
	    explain_job(&lab.svc, lab.arena, &id, &json, &len), ERR_OK);
	return json;
}

void
expect_told(struct id id, const char *text)
{
	cr_expect_not_null(strstr(explained(id), text), "%s is not in %s", text,
	    explained(id));
}

struct id
retry_of(struct id id)
{
	const char *text = fixture_job(&lab, &id).retried_as;
	struct id out;

	cr_assert_not_null(text);
	cr_assert(id_parse(text, strlen(text), &out));
	return out;
}
