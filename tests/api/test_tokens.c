/* Callers with tokens, over the wire; JOB_FIELDS = 'strict', anonymous callers are
 * contributors. */

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api.h"
#include "bearer.h"

#define JSON "Content-Type: application/json\n"

static void
setup(void)
{
	use_instance("TF_URL_TOKENS");
}

TestSuite(test_tokens, .init = setup);

static const struct answer *
take_with(const char *headers)
{
	return call("GET", "/v1/job?queue=none&agent=a", headers, NULL);
}

static const char *
claims(long long iat, long long exp)
{
	long long now = (long long)time(NULL);

	return fmt("{\"exp\":%lld,\"iat\":%lld,\"sub\":\"access_token\","
		   "\"permissions\":{\"client_id\":\"a\",\"role\":\"agent\"}}",
	    now + exp, now + iat);
}

Test(test_tokens, are_known_by_the_key_alone)
{
	const char *key = getenv("TF_JWT_KEY");

	expect_status(take_with(bearer("agent", "lab")), 204);
	expect_status(take_with(bearer("AGENT", "lab")), 204);
	expect_status(take_with(bearer_of(claims(0, 600), key)), 204);
	expect_message(take_with(bearer_of(claims(0, 600), "another key")), 403,
	    "Invalid Token signature");
	expect_message(take_with(bearer_of(claims(0, 600), "")), 403,
	    "Invalid Token signature");
}

Test(test_tokens, expire_with_401_which_makes_clients_fetch_another)
{
	const char *key = getenv("TF_JWT_KEY");

	expect_message(take_with(bearer_of(claims(-700, -100), key)), 401,
	    "Token has expired");
	expect_message(take_with(bearer_of(claims(100, 700), key)), 401,
	    "Token not yet valid");
	expect_status(take_with(bearer_of(claims(-603, -3), key)), 204);
}

Test(test_tokens, must_tell_who_and_what)
{
	expect_message(take_with(bearer_with("{\"role\":\"agent\"}")), 403,
	    "Invalid Token");
	expect_message(take_with(bearer("king", "c")), 403, "Invalid Token");
	expect_message(take_with(bearer(NULL, "c")), 403,
	    "Specified action requires role: agent");
	expect_message(take_with("Authorization: Bearer x"), 403,
	    "Unable to decode token");
}

Test(test_tokens, of_another_kind_identify_nobody)
{
	expect_message(take_with("Authorization: Basic eDp5"), 403,
	    "Specified action requires role: agent");
	expect_message(take_with("Authorization: bearer x.y.z"), 403,
	    "Specified action requires role: agent");
	expect_message(take_with("Authorization: Bearer"), 401, "Unauthorized");
	/* One space ends the name of the scheme. */
	expect_message(
	    take_with(fmt("Authorization: Bearer  %s",
		bearer("agent", "lab") + strlen("Authorization: Bearer "))),
	    403, "Unable to decode token");
}

Test(test_tokens, lost_by_an_agent_are_asked_for_with_401)
{
	expect_message(take_with("Cookie: agent_name=a1"), 401,
	    "Authentication is required for specified endpoint");
	expect_message(
	    take_with(NULL), 403, "Specified action requires role: agent");
	expect_message(call("POST", "/v1/agents/data/a1",
			   JSON "Cookie: agent_name=a1", "{}"),
	    401, "Authentication is required for specified endpoint");
}

static const struct answer *
submit(const char *permissions, const char *json)
{
	return call("POST", "/v1/job",
	    permissions == NULL ? JSON
				: fmt(JSON "%s", bearer_with(permissions)),
	    json);
}

Test(test_tokens, permit_priorities)
{
	static const char some[] =
	    "{\"client_id\":\"c\",\"max_priority\":{\"*\":5,\"q2\":9}}";

	expect_message(
	    submit(NULL, "{\"job_queue\":\"q1\",\"job_priority\":1}"), 401,
	    "Authentication required for setting priority: 1");
	expect_message(
	    submit(NULL, "{\"job_queue\":\"q1\",\"job_priority\":-1}"), 401,
	    "Authentication required for setting priority: -1");
	expect_message(submit("{\"client_id\":\"c\"}",
			   "{\"job_queue\":\"q1\",\"job_priority\":1}"),
	    403, "Not enough permissions to push to q1 with priority 1");
	expect_status(submit("{\"client_id\":\"c\"}",
			  "{\"job_queue\":\"q1\",\"job_priority\":-1}"),
	    200);
	expect_status(
	    submit(some, "{\"job_queue\":\"q1\",\"job_priority\":5}"), 200);
	expect_message(
	    submit(some, "{\"job_queue\":\"q1\",\"job_priority\":6}"), 403,
	    "Not enough permissions to push to q1 with priority 6");
	expect_status(
	    submit(some, "{\"job_queue\":\"q2\",\"job_priority\":9}"), 200);
}

#define LONG "{\"job_queue\":\"q1\",\"reserve_data\":{\"timeout\":21601}}"

Test(test_tokens, permit_long_reservations)
{
	expect_message(submit(NULL, LONG), 401,
	    "Authentication required for setting timeout: 21601");
	expect_message(submit("{\"client_id\":\"c\",\"max_reservation_time\":"
			      "{\"*\":7200}}",
			   LONG),
	    403,
	    "Not enough permissions to push to q1 with reservation timeout "
	    "21601");
	expect_status(submit("{\"client_id\":\"c\",\"max_reservation_time\":"
			     "{\"*\":30000}}",
			  LONG),
	    200);
	expect_status(
	    submit(NULL,
		"{\"job_queue\":\"q1\",\"reserve_data\":{\"timeout\":21600}}"),
	    200);
}
