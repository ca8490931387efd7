/* POST and GET /v1/agents/data/<name>. */

#include <criterion/criterion.h>
#include <json-c/json.h>
#include <string.h>

#include "api.h"

static const char *
agent_path(const char *name)
{
	return fmt("/v1/agents/data/%s", name);
}

Test(test_agent, is_made_known_and_gets_its_cookie)
{
	const char *name = unique("a");
	const struct answer *a = post(agent_path(name), "{}");

	expect_json(a, 200, "{\"status\":\"OK\"}");
	expect_header(a, "Set-Cookie",
	    fmt("agent_name=%s; HttpOnly; Path=/; SameSite=Strict", name));
	a = get(agent_path(name));
	expect_status(a, 200);
	expect_member(a, "name", name);
}

Test(test_agent, shows_what_it_told_and_no_more)
{
	const char *name = unique("a"), *stamp;
	const struct answer *a;

	expect_status(
	    post(agent_path(name),
		"{\"state\":\"waiting\",\"comment\":\"Gr\303\266\303\237e\","
		"\"queues\":[\"q1\",\"q2\"],\"job_id\":\"\","
		"\"location\":\"here\",\"provision_type\":\"maas\","
		"\"identifier\":\"202501-1\",\"log\":[\"a line\"]}"),
	    200);
	a = get(agent_path(name));
	stamp = member(a, "updated_at");
	cr_assert(stamp != NULL && strlen(stamp) == 20 && stamp[19] == 'Z',
	    "%s", a->body);
	expect_json(a, 200,
	    fmt("{\"name\":\"%s\",\"state\":\"waiting\",\"comment\":"
		"\"Gr\303\266\303\237e\",\"queues\":[\"q1\",\"q2\"],"
		"\"job_id\":\"\",\"location\":\"here\",\"provision_type\":"
		"\"maas\",\"identifier\":\"202501-1\",\"restricted_to\":{},"
		"\"updated_at\":\"%s\"}",
		name, stamp));
}

Test(test_agent, keeps_what_a_later_post_does_not_name)
{
	const char *name = unique("a");
	const struct answer *a;

	given_agent(name, "q1");
	expect_status(post(agent_path(name), "{\"comment\":\"c\"}"), 200);
	expect_status(post(agent_path(name), NULL), 200);
	a = get(agent_path(name));
	expect_member(a, "state", "waiting");
	expect_member(a, "queues", "[\"q1\"]");
	expect_member(a, "comment", "c");
	expect_status(post(agent_path(name), "{\"comment\":\"\"}"), 200);
	expect_member(get(agent_path(name)), "comment", "");
}

Test(test_agent, serves_other_queues_when_it_says_so)
{
	const char *name = unique("a"), *q1 = unique("q"), *q2 = unique("q");

	given_agent(name, q1);
	given_agent(name, q2);
	expect_status(
	    post("/v1/job",
		fmt("{\"job_queue\":\"%s\",\"exclude_agents\":[\"x\"]}", q1)),
	    422);
	expect_status(
	    post("/v1/job",
		fmt("{\"job_queue\":\"%s\",\"exclude_agents\":[\"x\"]}", q2)),
	    200);
}

Test(test_agent, is_an_empty_object_where_there_is_none)
{
	expect_json(get(agent_path(unique("a"))), 404, "{}");
}

Test(test_agent, names_each_fault_of_a_field)
{
	static const char *const texts[] = {"identifier", "job_id", "location",
	    "provision_type", "state", "comment"};
	const char *name = unique("a");
	size_t i;

	for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		expect_faults(
		    post(agent_path(name), fmt("{\"%s\":5}", texts[i])),
		    fmt("{\"%s\":[\"Not a valid string.\"]}", texts[i]));
		expect_faults(
		    post(agent_path(name), fmt("{\"%s\":null}", texts[i])),
		    fmt("{\"%s\":[\"Field may not be null.\"]}", texts[i]));
	}
	expect_faults(
	    post(agent_path(name), "{\"queues\":\"q\",\"log\":[\"a\",1]}"),
	    "{\"queues\":[\"Not a valid list.\"],"
	    "\"log\":{\"1\":[\"Not a valid string.\"]}}");
	expect_faults(post(agent_path(name), "{\"name\":\"x\"}"),
	    "{\"name\":[\"Unknown field.\"]}");
	expect_json(get(agent_path(name)), 404, "{}");
}

Test(test_agent, lets_the_last_of_repeated_fields_count)
{
	const char *name = unique("a");

	expect_status(
	    post(agent_path(name), "{\"state\":5,\"state\":\"test\"}"), 200);
	expect_member(get(agent_path(name)), "state", "test");
	expect_faults(
	    post(agent_path(name), "{\"state\":\"test\",\"state\":5}"),
	    "{\"state\":[\"Not a valid string.\"]}");
}

Test(test_agent, is_listed_with_all_others)
{
	const char *name = unique("a");
	const struct answer *a;

	given_agent(name, "q1");
	a = get("/v1/agents/data");
	expect_part(a, fmt("{\"name\":\"%s\",\"state\":\"waiting\",", name));
	expect_json(a, 200, a->body);
}

Test(test_agent, quotes_a_name_that_a_cookie_cannot_hold)
{
	const char *stem = unique("a");
	const struct answer *a;

	a = post(agent_path(fmt("%s%%3B%%C3%%A9%%20x", stem)), "{}");
	expect_status(a, 200);
	expect_header(a, "Set-Cookie",
	    fmt("agent_name=\"%s\\073\\303\\251 x\"; HttpOnly; Path=/; "
		"SameSite=Strict",
		stem));
	expect_member(get(agent_path(fmt("%s%%3B%%c3%%a9%%20x", stem))), "name",
	    fmt("%s;\303\251 x", stem));
}

Test(test_agent, refuses_names_that_could_forge_a_header)
{
	static const char *const names[] = {
	    "a%0d%0aX-Forged:%20yes", "a%00b", "a%ff", "a%7f"};
	const struct answer *a;
	size_t i;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		a = post(agent_path(names[i]), "{}");
		cr_assert(a->status == 400 || a->status == 422, "%s: %d %s",
		    names[i], a->status, a->body);
		cr_assert(header(a, "X-Forged") == NULL);
		cr_assert(header(a, "Set-Cookie") == NULL);
	}
	a = post(agent_path(repeat('a', 201)), "{}");
	cr_assert(a->status == 400 || a->status == 422, "%d", a->status);
	expect_status(post(agent_path(repeat('a', 200)), "{}"), 200);
}

Test(test_agent, does_not_show_its_log)
{
	const char *name = unique("a");

	expect_status(post(agent_path(name), "{\"log\":[\"a\",\"b\"]}"), 200);
	expect_member(get(agent_path(name)), "log", NULL);
}
