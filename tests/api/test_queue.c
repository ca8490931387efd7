/* What agents advertise, and queues: their agents, jobs, waits and owners. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "bearer.h"

#define JSON "Content-Type: application/json\n"

static const char *
queue_path(const char *queue, const char *what)
{
	return fmt("/v1/queues/%s/%s", queue, what);
}

Test(test_queue, is_advertised_with_a_description)
{
	const char *q = unique("q"), *r = unique("r");

	expect_text(post("/v1/agents/queues",
			fmt("{\"%s\":\"first\",\"%s\":\"\"}", q, r)),
	    200, "OK");
	expect_text(
	    post("/v1/agents/queues", fmt("{\"%s\":\"Gr\\u00fc\\u00dfe\"}", q)),
	    200, "OK");
	expect_member(get("/v1/agents/queues"), q, "Gr\303\274\303\237e");
	expect_member(get("/v1/agents/queues"), r, "");
	expect_text(post("/v1/agents/queues", "{}"), 200, "OK");
	expect_text(post("/v1/agents/queues", NULL), 200, "OK");
}

Test(test_queue, is_not_listed_if_an_agent_only_listens_on_it)
{
	const char *q = unique("q");

	given_agent(unique("a"), q);
	(void)given_ordinary_job(q);
	cr_expect_null(member(get("/v1/agents/queues"), q));
}

Test(test_queue, is_refused_with_a_fault_that_names_it)
{
	static const char *const values[] = {"null", "1", "[]", "{}", "true"};
	size_t i;

	expect_faults(post("/v1/agents/queues", "{\"\":\"x\",\"q\":1}"),
	    "{\"_schema\":[\"Queue names must be non-empty strings\","
	    "\"Description for queue 'q' must be a string\"]}");
	expect_faults(post("/v1/agents/queues", "{\"amq.q\":\"x\"}"),
	    "{\"_schema\":[\"Queue name 'amq.q': Must not begin with amq.\"]}");
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		expect_faults(
		    post("/v1/agents/queues", fmt("{\"bad\":%s}", values[i])),
		    "{\"_schema\":[\"Description for queue 'bad' must be a "
		    "string\"]}");
	expect_member(get("/v1/agents/queues"), "bad", NULL);
	expect_faults(post("/v1/agents/queues", "[]"),
	    "{\"_schema\":[\"Invalid input type.\"]}");
}

Test(test_queue, has_images)
{
	const char *q = unique("q"), *path = fmt("/v1/agents/images/%s", q);

	expect_json(get(path), 200, "{}");
	expect_text(post("/v1/agents/images",
			fmt("{\"%s\":{\"core22\":\"url: http://a.b/c\"}}", q)),
	    200, "OK");
	expect_json(get(path), 200, "{\"core22\":\"url: http://a.b/c\"}");
	expect_member(get("/v1/agents/queues"), q, "");
	expect_text(post("/v1/agents/images", fmt("{\"%s\":{\"x\":\"y\"}}", q)),
	    200, "OK");
	expect_json(get(path), 200, "{\"x\":\"y\"}");
}

Test(test_queue, is_advertised_in_bounds)
{
	const char *q = unique("q"), *longer = repeat('x', 16385);

	expect_status(
	    post("/v1/agents/queues", fmt("{\"%s\":\"%s\"}", q, longer + 1)),
	    200);
	expect_faults(
	    post("/v1/agents/queues", fmt("{\"%s\":\"%s\"}", q, longer)),
	    fmt("{\"_schema\":[\"Description for queue '%s': Longer than "
		"maximum length 16384.\"]}",
		q));
	longer = repeat('x', 65536 - 7);
	expect_status(post("/v1/agents/images",
			  fmt("{\"%s\":{\"i\":\"%s\"}}", q, longer + 1)),
	    200);
	expect_faults(post("/v1/agents/images",
			  fmt("{\"%s\":{\"i\":\"%s\"}}", q, longer)),
	    fmt("{\"_schema\":[\"Images for queue '%s': Longer than 65536 "
		"bytes "
		"as JSON.\"]}",
		q));
}

Test(test_queue, keeps_images_when_the_description_changes)
{
	const char *q = unique("q"), *path = fmt("/v1/agents/images/%s", q);

	expect_status(
	    post("/v1/agents/images", fmt("{\"%s\":{\"c\":\"d\"}}", q)), 200);
	expect_status(
	    post("/v1/agents/queues", fmt("{\"%s\":\"text\"}", q)), 200);
	expect_json(get(path), 200, "{\"c\":\"d\"}");
	expect_text(
	    post("/v1/agents/images", fmt("{\"%s\":{}}", q)), 200, "OK");
	expect_json(get(path), 200, "{}");
	expect_member(get("/v1/agents/queues"), q, "text");
	expect_text(post("/v1/agents/images", NULL), 200, "OK");
}

Test(test_queue, takes_the_last_of_repeated_names)
{
	const char *q = unique("q"), *path = fmt("/v1/agents/images/%s", q);

	expect_status(
	    post("/v1/agents/queues", fmt("{\"%s\":5,\"%s\":\"last\"}", q, q)),
	    200);
	expect_member(get("/v1/agents/queues"), q, "last");
	expect_status(post("/v1/agents/images",
			  fmt("{\"%s\":{\"i\":1,\"i\":\"last\"}}", q)),
	    200);
	expect_bytes(get(path), 200, "{\"i\":\"last\"}\n");
}

Test(test_queue, answers_many_queues_at_once_without_delay)
{
	char *json = malloc(900000);
	size_t n = 1;
	int i;

	cr_assert_not_null(json);
	json[0] = '{';
	for (i = 0; i < 40000; i++)
		n += (size_t)sprintf(
		    json + n, "%s\"h%d\":\"\"", i > 0 ? "," : "", i);
	(void)strcpy(json + n, "}");
	expect_faults(post("/v1/agents/queues", json),
	    "{\"_schema\":[\"Longer than maximum length 1000.\"]}");
	free(json);
}

Test(test_queue, takes_no_name_that_a_queue_cannot_have)
{
	const char *q = repeat('q', 201);

	expect_faults(post("/v1/agents/queues", fmt("{\"%s\":\"\"}", q)),
	    fmt("{\"_schema\":[\"Queue name '%s': Longer than maximum length "
		"200.\"]}",
		q));
	expect_faults(post("/v1/agents/images", "{\"amq.q\":{}}"),
	    "{\"_schema\":[\"Queue name 'amq.q': Must not begin with amq.\"]}");
	expect_status(post("/v1/agents/queues", "{\"a\\u0000\":\"x\"}"), 400);
	expect_status(
	    post("/v1/agents/images", "{\"q\":{\"a\\u0000\":\"x\"}}"), 400);
	expect_status(
	    post("/v1/agents/queues", fmt("{\"%s\":\"\"}", repeat('q', 200))),
	    200);
}

Test(test_queue, has_no_images_of_another_form)
{
	static const char names[] =
	    "Names for queue 'q' must be non-empty strings, must not start "
	    "with '$', contain '.' or null bytes";
	static const char *const bad[] = {"", "$a", "a.b"};
	size_t i;

	expect_faults(post("/v1/agents/images", "{\"q\":[]}"),
	    "{\"_schema\":[\"Images for queue 'q' must be a dict\"]}");
	expect_faults(post("/v1/agents/images", "{\"q\":{\"i\":1}}"),
	    "{\"_schema\":[\"Provision data for image 'i' in queue 'q' must "
	    "be a string\"]}");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_faults(post("/v1/agents/images",
				  fmt("{\"q\":{\"%s\":\"x\"}}", bad[i])),
		    fmt("{\"_schema\":[\"%s\"]}", names));
}

Test(test_queue, tells_its_agents_in_the_fields_that_everybody_may_see)
{
	const char *q = unique("q"), *a = unique("a");

	expect_message(get(queue_path("nobody-here", "agents")), 404,
	    "Queue 'nobody-here' does not exist.");
	expect_status(post(fmt("/v1/agents/data/%s", a),
			  fmt("{\"state\":\"waiting\",\"queues\":[\"%s\"],"
			      "\"identifier\":\"i\",\"comment\":\"c\"}",
			      q)),
	    200);
	expect_json(get(queue_path(q, "agents")), 200,
	    fmt("[{\"name\":\"%s\",\"state\":\"waiting\",\"comment\":"
		"\"c\",\"queues\":[\"%s\"]}]",
		a, q));
}

Test(test_queue, tells_a_state_of_each_agent_it_lists)
{
	const char *q = unique("q"), *a = unique("a");

	expect_status(
	    post(fmt("/v1/agents/data/%s", a), fmt("{\"queues\":[\"%s\"]}", q)),
	    200);
	expect_json(get(queue_path(q, "agents")), 200,
	    fmt("[{\"name\":\"%s\",\"state\":\"\",\"queues\":[\"%s\"]}]", a,
		q));
}

Test(test_queue, lists_its_jobs_in_order_whatever_their_state)
{
	const char *q = unique("q"), *one, *two;
	const struct answer *a;

	expect_status(get(queue_path(q, "jobs")), 204);
	one = given_ordinary_job(q);
	two = given_ordinary_job(q);
	expect_status(
	    post(fmt("/v1/job/%s/action", one), "{\"action\":\"cancel\"}"),
	    200);
	a = get(queue_path(q, "jobs"));
	expect_part(a, fmt("\"job_id\":\"%s\",\"job_queue\":\"%s\","
			   "\"job_state\":\"cancelled\"},{\"created_at\":",
			   one, q));
	expect_part(a, fmt("\"job_id\":\"%s\",\"job_queue\":\"%s\","
			   "\"job_state\":\"waiting\"}]",
			   two, q));
}

Test(test_queue, lists_more_jobs_than_fit_into_a_page)
{
	const char *q = unique("q"), *p;
	const struct answer *a;
	size_t n = 0;
	int i;

	for (i = 0; i < 1203; i++)
		(void)given_ordinary_job(q);
	a = get(queue_path(q, "jobs"));
	expect_status(a, 200);
	for (p = a->body; (p = strstr(p, "\"job_id\"")) != NULL; p++)
		n++;
	cr_expect_eq(n, 1203);
	expect_json(a, 200, a->body);
}

Test(test_queue, tells_how_long_its_jobs_have_waited)
{
	const char *q = unique("q");
	int i;

	expect_json(get(fmt("/v1/queues/wait_times?queue=%s", q)), 200, "{}");
	for (i = 0; i < 2; i++) {
		(void)given_ordinary_job(q);
		expect_status(take(unique("a"), q), 200);
	}
	expect_json(
	    get(fmt("/v1/queues/wait_times?queue=%s&queue=none&x=y", q)), 200,
	    fmt("{\"%s\":{\"5\":0.0,\"10\":0.0,\"50\":0.0,\"90\":0.0,"
		"\"95\":0.0}}",
		q));
	expect_part(get("/v1/queues/wait_times"), fmt("\"%s\":{", q));
}

/* --- search and position */

static const char *
given_tagged(const char *tags)
{
	return given_job(
	    fmt("{\"job_queue\":\"tags\",\"test_data\":{},\"tags\":%s}", tags));
}

static void
expect_found(const char *query, size_t n, const char *one, const char *two)
{
	const struct answer *a = get(fmt("/v1/job/search?%s", query));
	const char *p, *last = "";
	size_t found = 0;

	expect_status(a, 200);
	for (p = a->body; (p = strstr(p, "\"job_id\"")) != NULL; p++)
		found++;
	cr_expect_eq(found, n, "%s: %s", query, a->body);
	if (one != NULL && (last = strstr(a->body, one)) == NULL)
		cr_expect_fail("%s: %s", query, a->body);
	if (two != NULL && last != NULL && strstr(last, two) == NULL)
		cr_expect_fail("%s: %s", query, a->body);
}

Test(test_queue, finds_jobs_by_tag)
{
	const char *t = unique("t"), *u = unique("u");
	const char *one = given_tagged(fmt("[\"%s\",\"%s\"]", t, u));
	const char *two = given_tagged(fmt("[\"%s\",\"%s\"]", u, u));
	const char *three = given_tagged(fmt("[\"%s\"]", t));

	expect_found(fmt("tags=%s", t), 2, one, three);
	expect_found(fmt("tags=%s&tags=%s", t, u), 3, one, two);
	expect_found(fmt("tags=%s&tags=%s&match=all", t, u), 1, one, NULL);
	expect_found(fmt("tags=%s&tags=none&match=all", t), 0, NULL, NULL);
	expect_found(
	    fmt("tags=%s&bogus=1&match=any&match=x", t), 2, one, three);
	expect_json(get("/v1/job/search?tags=nobody-has-it"), 200, "[]");
}

/* Cut there it would be another one. */
Test(test_queue, finds_no_job_by_the_begin_of_a_tag_with_a_nul)
{
	const char *t = unique("t");

	(void)given_tagged(fmt("[\"%s\\u0000x\"]", t));
	expect_found(fmt("tags=%s", t), 0, NULL, NULL);
}

Test(test_queue, finds_jobs_by_state)
{
	const char *t = unique("t"), *tags = fmt("[\"%s\"]", t);
	const char *waits = given_tagged(tags), *ended = given_tagged(tags);

	expect_status(
	    post(fmt("/v1/result/%s", ended), "{\"job_state\":\"complete\"}"),
	    200);
	expect_found(fmt("tags=%s&state=active", t), 1, waits, NULL);
	expect_found(
	    fmt("tags=%s&state=active&state=completed", t), 1, waits, NULL);
	expect_found(fmt("tags=%s&state=waiting", t), 1, waits, NULL);
	expect_found(fmt("tags=%s&state=complete", t), 1, ended, NULL);
	expect_found(fmt("tags=%s&state=completed", t), 1, ended, NULL);
	expect_found(fmt("tags=%s&state=cancelled", t), 0, NULL, NULL);
}

Test(test_queue, refuses_a_search_that_makes_no_sense)
{
	expect_json(get("/v1/job/search?match=some"), 422,
	    "{\"detail\":{\"query\":{\"match\":[\"Must be one of: any, "
	    "all.\"]}},\"message\":\"Validation error\"}");
	expect_json(get("/v1/job/search?state=test&state=x"), 422,
	    "{\"detail\":{\"query\":{\"state\":{\"1\":[\"Must be one of: "
	    "setup, provision, firmware_update, test, allocate, allocated, "
	    "reserve, cleanup, cancelled, completed, active, waiting, "
	    "running, complete.\"]}}},"
	    "\"message\":\"Validation error\"}");
	expect_status(post("/v1/job/search", "{}"), 405);
}

static void
expect_position(const char *id, const char *n)
{
	expect_text(get(fmt("/v1/job/%s/position", id)), 200, n);
}

Test(test_queue, knows_the_position_of_a_job_that_waits)
{
	const char *q = unique("q"), *one, *two, *files;

	one = given_ordinary_job(q);
	files = given_job(fmt("{\"job_queue\":\"%s\",\"test_data\":"
			      "{\"attachments\":[]}}",
	    q));
	two = given_ordinary_job(q);
	expect_position(one, "0");
	expect_position(files, "1");
	expect_position(two, "2");
	expect_status(take(unique("a"), q), 200);
	expect_text(get(fmt("/v1/job/%s/position", one)), 410,
	    "Job not found or already started\n");
	expect_position(files, "0");
	expect_position(two, "1");
	expect_text(get(fmt("/v1/job/%s/position", new_id())), 410,
	    "Job not found or already started\n");
	expect_message(
	    get("/v1/job/zz/position"), 400, "Invalid job_id specified");
}

Test(test_queue, counts_a_job_of_higher_priority_before_older_ones)
{
	static const char some[] =
	    "{\"client_id\":\"c\",\"max_priority\":{\"*\":9}}";
	const char *q, *old, *urgent;

	use_instance("TF_URL_TOKENS");
	q = unique("q");
	old = given_ordinary_job(q);
	urgent =
	    member(call("POST", "/v1/job", fmt(JSON "%s", bearer_with(some)),
		       fmt("{\"job_queue\":\"%s\",\"job_priority\":9}", q)),
		"job_id");
	expect_position(urgent, "0");
	expect_position(old, "1");
}

Test(test_queue, shows_a_definition_under_the_id_that_was_asked_for)
{
	const char *id = new_id();
	char plain[40];
	size_t i, n = 0;

	(void)given_job(fmt("{\"job_queue\":\"q\",\"test_data\":{},"
			    "\"job_id\":\"%s\"}",
	    id));
	for (i = 0; id[i] != '\0'; i++)
		if (id[i] != '-')
			plain[n++] = id[i];
	plain[n] = '\0';
	expect_member(get(fmt("/v1/job/%s", id)), "job_id", id);
	expect_member(get(fmt("/v1/job/%s", plain)), "job_id", plain);
}

/* --- restricted queues */

static const struct answer *
restrict_as(
    const char *role, const char *method, const char *queue, const char *json)
{
	return call(method, fmt("/v1/restricted-queues/%s", queue),
	    fmt(JSON "%s", bearer(role, "boss")), json);
}

static const char *
given_client(void)
{
	const char *id = unique("c");

	expect_status(call("PUT", fmt("/v1/client-permissions/%s", id),
			  fmt(JSON "%s", bearer("admin", "boss")),
			  "{\"client_secret\":\"fifteen letters or more\"}"),
	    200);
	return id;
}

static void
given_queue(const char *q)
{
	expect_status(call("POST", fmt("/v1/agents/data/%s", unique("a")),
			  fmt(JSON "%s", bearer("agent", "lab")),
			  fmt("{\"queues\":[\"%s\"]}", q)),
	    200);
}

Test(test_queue, is_restricted_to_its_owners)
{
	const char *q, *c, *d, *body;

	use_instance("TF_URL_TOKENS");
	q = unique("q");
	c = given_client();
	d = given_client();
	given_queue(q);
	expect_message(get(fmt("/v1/restricted-queues/%s", q)), 404,
	    "Error: Restricted queue not found.");
	expect_text(
	    restrict_as("manager", "POST", q, fmt("{\"client_id\":\"%s\"}", c)),
	    200, "OK");
	expect_text(
	    restrict_as("admin", "POST", q, fmt("{\"client_id\":\"%s\"}", c)),
	    200, "OK");
	expect_text(
	    restrict_as("admin", "POST", q, fmt("{\"client_id\":\"%s\"}", d)),
	    200, "OK");
	expect_json(get(fmt("/v1/restricted-queues/%s", q)), 200,
	    fmt("{\"queue\":\"%s\",\"owners\":[\"%s\",\"%s\"]}", q,
		strcmp(c, d) < 0 ? c : d, strcmp(c, d) < 0 ? d : c));
	expect_part(get("/v1/restricted-queues"), fmt("\"queue\":\"%s\"", q));
	expect_member(call("GET", fmt("/v1/client-permissions/%s", c),
			  bearer("admin", "boss"), NULL),
	    "allowed_queues", fmt("[\"%s\"]", q));
	expect_part(
	    get("/v1/agents/data"), fmt("\"restricted_to\":{\"%s\":[", q));

	body = fmt("{\"job_queue\":\"%s\"}", q);
	expect_message(post("/v1/job", body), 401,
	    fmt("Authentication required to push to restricted queue: %s", q));
	expect_message(call("POST", "/v1/job",
			   fmt(JSON "%s", bearer("admin", "boss")), body),
	    403,
	    fmt("Not enough permissions to push to the restricted queue: %s",
		q));
	expect_status(
	    call("POST", "/v1/job",
		fmt(JSON "%s", bearer_with(fmt("{\"client_id\":\"c\","
					       "\"allowed_queues\":[\"%s\"]}",
				   q))),
		body),
	    200);

	expect_text(
	    restrict_as("admin", "DELETE", q, fmt("{\"client_id\":\"%s\"}", c)),
	    200, "OK");
	expect_message(
	    restrict_as("admin", "DELETE", q, fmt("{\"client_id\":\"%s\"}", c)),
	    404, "Error: Restricted queue not found.");
	expect_status(post("/v1/job", body), 200);
	/* Restricted anew it has none of its former owners. */
	expect_text(
	    restrict_as("admin", "POST", q, fmt("{\"client_id\":\"%s\"}", c)),
	    200, "OK");
	expect_json(get(fmt("/v1/restricted-queues/%s", q)), 200,
	    fmt("{\"queue\":\"%s\",\"owners\":[\"%s\"]}", q, c));
}

Test(test_queue, is_restricted_only_for_somebody_and_with_agents)
{
	const char *q, *c;

	use_instance("TF_URL_TOKENS");
	q = unique("q");
	expect_message(
	    restrict_as("admin", "POST", q, "{\"client_id\":\"boss\\u0000x\"}"),
	    404, "Error: Specified client_id does not exist.");
	c = given_client();
	expect_message(restrict_as("admin", "POST", q, "{\"client_id\":\"\"}"),
	    400, "Error: Missing client ID.");
	expect_message(
	    restrict_as("admin", "POST", q, "{\"client_id\":\"nobody\"}"), 404,
	    "Error: Specified client_id does not exist.");
	expect_message(
	    restrict_as("admin", "POST", q, fmt("{\"client_id\":\"%s\"}", c)),
	    404, "Error: No agent is associated with the specified queue.");
	expect_faults(restrict_as("admin", "POST", q, "{\"x\":1}"),
	    "{\"x\":[\"Unknown field.\"],\"client_id\":[\"Missing data for "
	    "required field.\"]}");
	expect_message(
	    restrict_as("contributor", "POST", q, "{\"client_id\":\"c\"}"), 403,
	    "Specified action requires role: admin, manager");
	given_queue(q);
	expect_text(
	    restrict_as("admin", "POST", q, fmt("{\"client_id\":\"%s\"}", c)),
	    200, "OK");
	expect_message(
	    restrict_as("admin", "DELETE", q, "{\"client_id\":\"\"}"), 400,
	    "Error: Missing client ID.");
}

/* --- provision logs */

static const struct answer *
outcome(const char *agent, const char *json)
{
	return post(fmt("/v1/agents/provision_logs/%s", agent), json);
}

Test(test_queue, counts_how_often_in_a_row_provisioning_ended_alike)
{
	const char *a = unique("a"), *path = fmt("/v1/agents/data/%s", a);

	expect_text(outcome(a, "{\"job_id\":\"j\",\"exit_code\":0}"), 404,
	    "Agent not found\n");
	given_agent(a, "q");
	expect_text(
	    outcome(a, "{\"job_id\":\"j\",\"exit_code\":1}"), 200, "OK");
	expect_text(outcome(a, "{\"job_id\":\"j\",\"exit_code\":46,"
			       "\"detail\":\"recovery_fail\"}"),
	    200, "OK");
	expect_member(get(path), "provision_streak_type", "fail");
	expect_member(get(path), "provision_streak_count", "2");
	expect_text(
	    outcome(a, "{\"job_id\":\"j\",\"exit_code\":\"0\"}"), 200, "OK");
	expect_member(get(path), "provision_streak_type", "pass");
	expect_member(get(path), "provision_streak_count", "1");
	expect_faults(outcome(a, "{\"x\":1,\"detail\":2}"),
	    "{\"x\":[\"Unknown field.\"],\"job_id\":[\"Missing data for "
	    "required field.\"],\"exit_code\":[\"Missing data for required "
	    "field.\"],\"detail\":[\"Not a valid string.\"]}");
}
