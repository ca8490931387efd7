/* Jobs by what agents report, and by what the journal tells. */

#include "lab.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "cause.h"
#include "journal.h"
#include "result.h"

struct fixture lab;
static struct cause cause;

void
expect_state(struct id id, const char *state)
{
	cr_expect_str_eq(fixture_job(&lab, &id).state, state);
}

void
posts_as(const char *agent)
{
	cause = (struct cause){.agent = agent};
	cause_set(&cause);
}

enum err
reports(struct id id, const char *agent, const char *state)
{
	const struct result_report r = {
	    .state = state, .state_len = strlen(state)};
	enum err e;

	posts_as(agent);
	e = result_report_put(&lab.svc, &id, &r);
	cause_set(NULL);
	return e;
}

unsigned
events_of(struct id id, const char *kind)
{
	const struct journal_query q = {.subject = id.text, .limit = 100};
	char want[64];
	const char *json, *at;
	unsigned n = 0;
	size_t len;

	(void)snprintf(want, sizeof(want), "\"kind\":\"%s\"", kind);
	cr_assert_eq(
	    journal_read(&lab.svc, lab.arena, &q, &json, &len), ERR_OK);
	for (at = json; (at = strstr(at, want)) != NULL; at++)
		n++;
	return n;
}

void
expect_event(struct id id, const char *text)
{
	const struct journal_query q = {
	    .subject = id.text, .limit = 100, .who = true};
	const char *json;
	size_t len;

	cr_assert_eq(
	    journal_read(&lab.svc, lab.arena, &q, &json, &len), ERR_OK);
	cr_expect_not_null(strstr(json, text), "%s is not in %s", text, json);
}
