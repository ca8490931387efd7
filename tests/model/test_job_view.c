/* The definition as it is shown. */

#include <criterion/criterion.h>
#include <string.h>

#include "fixture.h"
#include "job_view.h"

#define ID "11111111-2222-4333-8444-555555555555"
#define URN "urn:uuid:" ID

static struct fixture f;

static void
setup(void)
{
	fixture_open(&f, "");
}

static void
teardown(void)
{
	fixture_close(&f);
}

TestSuite(job_view, .init = setup, .fini = teardown);

static void
expect(const char *stored, bool seed, bool strict, const char *wanted)
{
	struct job job = {
	    .body = stored, .body_len = strlen(stored), .seed = seed};
	struct buf b;

	buf_init(&b, f.arena, 64);
	cr_assert_eq(job_view(&b, &job, strict, URN), ERR_OK);
	cr_expect_str_eq(b.p, wanted);
}

Test(job_view, names_the_job_as_the_caller_did)
{
	expect("{\"job_id\":\"" ID "\",\"exclude_agents\":[]}", false, false,
	    "{\"job_id\":\"" URN "\",\"exclude_agents\":[]}");
	expect("{\"exclude_agents\":[],\"job_id\":\"" ID "\"}", false, true,
	    "{\"exclude_agents\":[],\"job_id\":\"" URN "\"}");
}

Test(job_view, keeps_the_bytes_of_a_seed_job)
{
	expect("{ \"n\" : 1.10 , \"job_id\":\"" ID "\",\n\"x\":null }", true,
	    false, "{ \"n\" : 1.10 , \"job_id\":\"" URN "\",\n\"x\":null }");
	expect("{ \"n\" : 1.10 ,\"job_id\":\"" ID "\"}", true, true,
	    "{ \"n\" : 1.10 ,\"job_id\":\"" URN "\"}");
}

Test(job_view, of_a_seed_job_that_became_ordinary_has_exclude_agents)
{
	expect("{ \"n\" : 1.10,\"job_id\":\"" ID "\"}", false, false,
	    "{ \"n\" : 1.10,\"job_id\":\"" URN "\",\"exclude_agents\":[]}");
}

Test(job_view, shows_only_known_fields_in_strict_mode)
{
	expect("{\"zzz\":1,\"job_queue\":\"q\",\"odd_data\":{},"
	       "\"job_id\":\"" ID "\",\"exclude_agents\":[\"a\"]}",
	    false, true,
	    "{\"job_queue\":\"q\",\"job_id\":\"" URN
	    "\",\"exclude_agents\":[\"a\"]}");
	expect("{\"zzz\":1,\"job_id\":\"" ID "\",\"exclude_agents\":[]}", false,
	    false, "{\"zzz\":1,\"job_id\":\"" URN "\",\"exclude_agents\":[]}");
}
