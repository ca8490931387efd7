/* POST /v1/oauth2/…, and /v1/client-permissions: clients, by role. */

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api.h"
#include "bearer.h"

#define JSON "Content-Type: application/json\n"
#define SECRET "correct horse: battery"
#define NO_CLIENT "Error: Specified client_id does not exist."
#define ALL "/v1/client-permissions"
#define WRONG "Invalid client id or client key"
/* TOKEN_FAILURES_MAX of the instance. */
#define FAILURES_MAX 4

static void
setup(void)
{
	use_instance("TF_URL_TOKENS");
}

TestSuite(test_client, .init = setup, .timeout = 120);

static const char *
path_of(const char *id)
{
	return fmt(ALL "/%s", id);
}

static const struct answer *
put_as(const char *role, const char *id, const char *json)
{
	return call(
	    "PUT", path_of(id), fmt(JSON "%s", bearer(role, "caller")), json);
}

static const struct answer *
show(const char *id)
{
	return call("GET", path_of(id), bearer("admin", "caller"), NULL);
}

static const char *
given_client(const char *role)
{
	const char *id = unique("c");

	expect_text(
	    put_as("admin", id,
		fmt("{\"client_secret\":\"" SECRET "\",\"role\":\"%s\"}",
		    role)),
	    200, fmt("Created permissions for client '%s'", id));
	return id;
}

/* scheme: "Basic " in any case. */
static const char *
basic(const char *scheme, const char *id, const char *secret)
{
	const char *text = fmt("%s:%s", id, secret);
	unsigned char *out = calloc(2, strlen(text) + 4);
	const char *header;

	(void)EVP_EncodeBlock(
	    out, (const unsigned char *)text, (int)strlen(text));
	header = fmt("Authorization: %s%s", scheme, (char *)out);
	free(out);
	return header;
}

static const struct answer *
login(const char *id, const char *secret)
{
	return call(
	    "POST", "/v1/oauth2/token", basic("Basic ", id, secret), "");
}

static const struct answer *
refresh(const char *token)
{
	return post(
	    "/v1/oauth2/refresh", fmt("{\"refresh_token\":\"%s\"}", token));
}

static const struct answer *
put_admin(const char *id, const char *json)
{
	return put_as("admin", id, json);
}

static const struct answer *
remove_client(const char *id)
{
	return call("DELETE", path_of(id), bearer("admin", "caller"), NULL);
}

static const char *
given_token(const char *id)
{
	const struct answer *a = login(id, SECRET);

	expect_status(a, 200);
	return member(a, "refresh_token");
}

static const struct answer *
revoke_as(const char *role, const char *token)
{
	return call("POST", "/v1/oauth2/revoke",
	    fmt(JSON "%s", bearer(role, "caller")),
	    fmt("{\"refresh_token\":\"%s\"}", token));
}

/* One statement on the instance's store: what no request can do. */
static void
in_store(const char *sql)
{
	const char *path = fmt("%s/state.db", getenv("TF_DATA_TOKENS"));
	char *why = NULL;
	sqlite3 *db;

	cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
	(void)sqlite3_busy_timeout(db, 10000);
	cr_assert_eq(sqlite3_exec(db,
			 fmt("PRAGMA wal_autocheckpoint=0;"
			     "PRAGMA foreign_keys=ON;%s",
			     sql),
			 NULL, NULL, &why),
	    SQLITE_OK, "%s", why);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_close(db);
}

/* What the access token in a carries, as JSON. */
static const char *
claims_of(const struct answer *a)
{
	const char *token = member(a, "access_token"), *dot, *kept;
	unsigned char *out;
	char *part;
	size_t i, n;

	cr_assert_not_null(token, "%s", a->body);
	dot = strchr(token, '.') + 1;
	n = strcspn(dot, ".");
	part = calloc(1, n + 4);
	out = calloc(1, n + 4);
	memcpy(part, dot, n);
	for (i = 0; i < n; i++)
		part[i] = part[i] == '-' ? '+' : part[i] == '_' ? '/' : part[i];
	while (n % 4 != 0)
		part[n++] = '=';
	(void)EVP_DecodeBlock(out, (unsigned char *)part, (int)n);
	kept = fmt("%s", (char *)out);
	free(part);
	free(out);
	return kept;
}

Test(test_client, logs_in_and_uses_its_token)
{
	const char *id = given_client("manager");
	const struct answer *a = login(id, SECRET);
	const char *token;

	expect_status(a, 200);
	expect_member(a, "expires_in", "600");
	expect_member(a, "token_type", "Bearer");
	token = member(a, "refresh_token");
	cr_assert_eq(strlen(token), 48, "%s", token);
	expect_status(
	    call("GET", ALL,
		fmt("Authorization: Bearer %s", member(a, "access_token")),
		NULL),
	    200);
	/* The former one stays good, and none is exchanged. */
	cr_expect_str_neq(member(login(id, SECRET), "refresh_token"), token);
	a = refresh(token);
	expect_status(a, 200);
	expect_member(a, "expires_in", "600");
	expect_member(a, "token_type", "Bearer");
	expect_member(a, "refresh_token", NULL);
	expect_status(
	    call("GET", path_of(id),
		fmt("Authorization: Bearer %s", member(a, "access_token")),
		NULL),
	    200);
}

Test(test_client, has_in_its_token_what_is_stored_of_it_and_no_more)
{
	const char *id = given_client("agent"), *claims;

	expect_status(put_as("admin", id,
			  "{\"max_priority\":{\"*\":5},\"email\":\"a@b.co\"}"),
	    200);
	claims = claims_of(login(id, SECRET));
	cr_expect_not_null(
	    strstr(claims, fmt("\"permissions\":{\"client_id\":\"%s\","
			       "\"email\":\"a@b.co\",\"max_priority\":"
			       "{\"*\":5},\"role\":\"agent\"}",
			       id)),
	    "%s", claims);
}

Test(test_client, is_asked_anew_what_it_may_at_each_refresh)
{
	const char *id = given_client("agent");
	const char *token = member(login(id, SECRET), "refresh_token");

	expect_status(put_as("admin", id, "{\"role\":\"manager\"}"), 200);
	cr_expect_not_null(
	    strstr(claims_of(refresh(token)), "\"role\":\"manager\""));
}

Test(test_client, gets_401_in_text_for_what_does_not_log_in)
{
	static const char wrong[] = "Invalid client id or client key";
	static const char path[] = "/v1/oauth2/token";
	const char *id = given_client("agent");
	size_t i;
	const char *const others[] = {
	    "Authorization: Basic !!!",
	    "Authorization: Basic",
	    "Authorization: Basic aWQ=", /* no colon */
	    basic("Basic ", "", SECRET),
	    basic("Basic ", "nobody", SECRET),
	    basic("Basic ", id, "the wrong secret"),
	    basic("Basic ", id, "short"),
	    basic("Basic ", id, ""),
	    basic("Basic ", id, repeat('x', 73)),
	    basic("Basic ", "\377", SECRET),
	};

	expect_text(call("POST", path, NULL, ""), 401,
	    "No authorization header specified");
	expect_text(call("POST", path, "Authorization: Bearer a.b.c", ""), 401,
	    "Client id and key must be specified in authorization header");
	expect_text(call("POST", path, "Authorization: Basics eA==", ""), 401,
	    "Client id and key must be specified in authorization header");
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		expect_text(call("POST", path, others[i], ""), 401, wrong);
		cr_expect_null(header(
		    call("POST", path, others[0], ""), "WWW-Authenticate"));
	}
	expect_status(call("POST", path, basic("bASIC ", id, SECRET), ""), 200);
}

Test(test_client, without_a_secret_cannot_log_in)
{
	const char *id = unique("user");

	in_store(fmt("INSERT INTO client (id, role, sub, created_at) "
		     "VALUES ('%s', 'contributor', '%s', 0)",
	    id, id));
	expect_text(login(id, SECRET), 401, "Invalid client id or client key");
	expect_message(
	    put_as("admin", id, "{\"client_secret\":\"" SECRET "\"}"), 422,
	    "Error: Cannot add email or client secret to OIDC client id");
	expect_message(put_as("admin", id, "{\"email\":\"a@b.co\"}"), 422,
	    "Error: Cannot add email or client secret to OIDC client id");
	expect_text(put_as("admin", id, "{\"role\":\"agent\"}"), 200,
	    fmt("Updated permissions for client '%s'", id));
}

Test(test_client, that_failed_too_often_has_to_wait)
{
	const char *c = given_client("agent"), *t = given_token(c);
	const char *other = given_client("agent"), *nobody = unique("nobody");
	const struct answer *a = NULL;
	int i;

	for (i = 0; i < FAILURES_MAX; i++) {
		expect_text(login(other, "a secret that is wrong"), 401, WRONG);
		expect_text(
		    login(nobody, "a secret that is wrong"), 401, WRONG);
	}
	a = login(other, "a secret that is wrong");
	expect_message(a, 429, "Too many failed log-ins");
	cr_assert_not_null(header(a, "Retry-After"));
	cr_expect(atoi(header(a, "Retry-After")) >= 1 &&
		      atoi(header(a, "Retry-After")) <= 60,
	    "%s", header(a, "Retry-After"));
	/* Nor does the right one help, or failures would tell which it is. */
	expect_status(login(other, SECRET), 429);
	/* It does not tell who exists, and is nobody else's loss. */
	expect_status(login(nobody, "a secret that is wrong"), 429);
	expect_text(login(c, "a secret that is wrong"), 401, WRONG);
	expect_status(login(c, SECRET), 200);
	expect_status(refresh(t), 200);
}

Test(test_client, names_what_a_refresh_lacks)
{
	static const char path[] = "/v1/oauth2/refresh";

	expect_faults(post(path, "{}"),
	    "{\"refresh_token\":[\"Missing data for required field.\"]}");
	expect_faults(post(path, ""),
	    "{\"refresh_token\":[\"Missing data for required field.\"]}");
	expect_faults(post(path, "{\"refresh_token\":\"\"}"),
	    "{\"refresh_token\":[\"Shorter than minimum length 1.\"]}");
	expect_faults(post(path, "{\"refresh_token\":1,\"x\":1}"),
	    "{\"refresh_token\":[\"Not a valid string.\"],"
	    "\"x\":[\"Unknown field.\"]}");
	expect_faults(
	    post(path, "[]"), "{\"_schema\":[\"Invalid input type.\"]}");
}

Test(test_client, gets_400_for_a_token_that_does_not_do)
{
	const char *id = given_client("agent");
	const char *token = member(login(id, SECRET), "refresh_token");

	expect_message(refresh("nonsense"), 400, "Invalid refresh token.");
	/* What would be its begin is not it. */
	expect_message(
	    refresh(fmt("%s\\u0000x", token)), 400, "Invalid refresh token.");
	in_store(fmt("UPDATE refresh_token SET expires_at = 1000 * "
		     "strftime('%%s') - 1000 WHERE client = '%s'",
	    id));
	expect_message(refresh(token), 400, "Refresh token expired");
}

Test(test_client, may_have_its_token_revoked_by_an_admin_once)
{
	const char *id = given_client("agent");
	const char *token = member(login(id, SECRET), "refresh_token");
	const char *const others[] = {"manager", "contributor", "agent"};
	size_t i;

	for (i = 0; i < 3; i++)
		expect_message(revoke_as(others[i], token), 403,
		    "Specified action requires role: admin");
	expect_message(call("POST", "/v1/oauth2/revoke", JSON,
			   fmt("{\"refresh_token\":\"%s\"}", token)),
	    403, "Specified action requires role: admin");
	expect_status(refresh(token), 200);
	expect_json(revoke_as("admin", token), 200, "{\"status\":\"OK\"}");
	expect_message(refresh(token), 400, "Refresh token revoked.");
	expect_message(revoke_as("admin", token), 400,
	    "Refresh token has already been revoked");
	expect_message(
	    revoke_as("admin", "nonsense"), 400, "Refresh token not found");
}

Test(test_client, is_known_to_admins_and_managers_alone)
{
	static const char text[] =
	    "Specified action requires role: admin, manager";
	const char *id = given_client("agent");
	const char *const may[] = {"admin", "manager"};
	const char *const not [] = {"contributor", "agent"};
	const struct answer *a;
	size_t i;

	for (i = 0; i < 2; i++) {
		a = call("GET", ALL, bearer(may[i], "m"), NULL);
		expect_status(a, 200);
		expect_part(
		    a, fmt("{\"client_id\":\"%s\",\"role\":\"agent\"}", id));
		cr_expect_null(strstr(a->body, "$2b$"));
		expect_json(call("GET", path_of(id), bearer(may[i], "m"), NULL),
		    200, fmt("{\"client_id\":\"%s\",\"role\":\"agent\"}", id));
	}
	for (i = 0; i < 2; i++) {
		expect_message(
		    call("GET", ALL, bearer(not [i], "n"), NULL), 403, text);
		expect_message(
		    call("GET", path_of(id), bearer(not [i], "n"), NULL), 403,
		    text);
		expect_message(put_as(not [i], id, "{\"zzz\":1}"), 403, text);
		expect_message(
		    call("DELETE", path_of(id), bearer(not [i], "n"), NULL),
		    403, "Specified action requires role: admin");
	}
	expect_message(call("GET", ALL, NULL, NULL), 403, text);
	expect_message(
	    call("DELETE", path_of(id), bearer("manager", "m"), NULL), 403,
	    "Specified action requires role: admin");
	expect_message(show("nobody"), 404, NO_CLIENT);
}

Test(test_client, is_made_and_changed_by_merging)
{
	const char *id = given_client("agent");

	expect_text(
	    put_as("admin", id,
		"{\"max_priority\":{\"q\":1,\"r\":2},\"email\":\"a@b.co\","
		"\"max_reservation_time\":{\"*\":\"30000\"}}"),
	    200, fmt("Updated permissions for client '%s'", id));
	/* A map is replaced as a whole, what is not named stays. */
	expect_text(put_as("admin", id, "{\"max_priority\":{\"q\":3}}"), 200,
	    fmt("Updated permissions for client '%s'", id));
	expect_text(put_as("admin", id, NULL), 200,
	    fmt("Updated permissions for client '%s'", id));
	expect_json(show(id), 200,
	    fmt("{\"client_id\":\"%s\",\"role\":\"agent\","
		"\"max_priority\":{\"q\":3},\"email\":\"a@b.co\","
		"\"max_reservation_time\":{\"*\":30000}}",
		id));
	expect_status(login(id, SECRET), 200);
}

Test(test_client, is_judged_by_rank_in_the_order_that_clients_know)
{
	const char *boss = given_client("admin"), *host = given_client("agent");
	const char *id = unique("new");

	expect_message(put_as("manager", id, "{\"role\":\"admin\"}"), 400,
	    "Error: Missing client_secret in request body for new client");
	expect_message(put_as("manager", boss, "{\"role\":\"admin\"}"), 403,
	    fmt("caller has insufficient permissions to modify client '%s'",
		boss));
	expect_message(put_as("manager", host, "{\"role\":\"admin\"}"), 403,
	    fmt("caller has insufficient permissions to assign role 'admin' "
		"to client '%s'",
		host));
	expect_message(
	    put_as("manager", id,
		"{\"role\":\"admin\",\"client_secret\":\"" SECRET "\"}"),
	    403,
	    fmt("caller has insufficient permissions to assign role 'admin' "
		"to client '%s'",
		id));
	expect_message(show(id), 404, NO_CLIENT);
	expect_status(put_as("manager", host, "{\"role\":\"manager\"}"), 200);
}

Test(test_client, names_each_fault_of_its_fields)
{
	const char *id = unique("c");

	expect_faults(put_as("admin", id,
			  "{\"client_id\":\"x\",\"allowed_queues\":[],"
			  "\"client_secret\":\"short\",\"role\":\"Admin\","
			  "\"email\":\"nobody\",\"max_priority\":{\"q\":\"x\","
			  "\"r\":null},\"max_reservation_time\":[]}"),
	    "{\"client_id\":[\"Unknown field.\"],"
	    "\"allowed_queues\":[\"Unknown field.\"],"
	    "\"client_secret\":[\"Shorter than minimum length 15.\"],"
	    "\"role\":[\"Must be one of: admin, manager, contributor, "
	    "agent.\"],\"email\":[\"Not a valid email address.\"],"
	    "\"max_priority\":{\"q\":{\"value\":[\"Not a valid integer.\"]},"
	    "\"r\":{\"value\":[\"Field may not be null.\"]}},"
	    "\"max_reservation_time\":[\"Not a valid mapping type.\"]}");
	expect_faults(put_as("admin", id,
			  fmt("{\"client_secret\":\"%s\"}", repeat('x', 73))),
	    "{\"client_secret\":[\"Longer than maximum length 72.\"]}");
	expect_faults(put_as("admin", id,
			  "{\"client_secret\":\"0123456789abcdef\\u0000\"}"),
	    "{\"client_secret\":[\"Must not contain NUL.\"]}");
	expect_message(show(id), 404, NO_CLIENT);
}

Test(test_client, of_the_system_is_out_of_reach)
{
	static const char system_admin[] = "testflinger-admin";

	expect_message(put_as("admin", system_admin, "{\"role\":\"agent\"}"),
	    422, "Error: System admin client cannot by modified from API.");
	expect_message(call("DELETE", path_of(system_admin),
			   bearer("admin", "caller"), NULL),
	    422, "Error: System admin client cannot by deleted from API.");
	/* A bad body hides it, as any other name. */
	expect_faults(put_as("admin", system_admin, "{\"zzz\":1}"),
	    "{\"zzz\":[\"Unknown field.\"]}");
}

Test(test_client, that_is_deleted_leaves_no_token_behind)
{
	const char *id = given_client("agent");
	const char *token = member(login(id, SECRET), "refresh_token");
	const char *admin = bearer("admin", "caller");

	expect_text(call("DELETE", path_of(id), admin, NULL), 200, "OK");
	expect_message(
	    call("DELETE", path_of(id), admin, NULL), 404, NO_CLIENT);
	expect_message(refresh(token), 400, "Invalid refresh token.");
	expect_text(login(id, SECRET), 401, "Invalid client id or client key");
	/* Nor does one of the same name get it back. */
	expect_status(
	    put_as("admin", id, "{\"client_secret\":\"" SECRET "\"}"), 200);
	expect_message(refresh(token), 400, "Invalid refresh token.");
}

Test(test_client, logs_in_as_the_admin_made_on_the_host)
{
	const char *secret = getenv("TF_ADMIN_SECRET");
	const struct answer *a = login("boss", secret);

	expect_status(a, 200);
	expect_member(a, "expires_in", "600");
	expect_member(a, "token_type", "Bearer");
	cr_expect_eq(strlen(member(a, "refresh_token")), 48);
	cr_expect_eq(strspn(member(a, "refresh_token"),
			 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			 "0123456789"),
	    48);
	cr_expect_not_null(strstr(claims_of(a),
	    "\"permissions\":{\"client_id\":\"boss\",\"role\":\"admin\"}"));
	expect_status(
	    call("GET", "/v1/client-permissions",
		fmt("Authorization: Bearer %s", member(a, "access_token")),
		NULL),
	    200);
}

Test(test_client, keeps_its_older_refresh_tokens_when_it_logs_in_again)
{
	const char *c = given_client("agent");
	const char *one = given_token(c), *two = given_token(c);

	cr_expect_str_neq(one, two);
	expect_status(refresh(one), 200);
	expect_status(refresh(two), 200);
	expect_status(refresh(one), 200);
}

Test(test_client, rows_of_log_in_do_not_read_a_token)
{
	const char *c = given_client("agent"), *t = given_token(c);

	expect_status(call("POST", "/v1/oauth2/refresh",
			  JSON "Authorization: Bearer no.good.token",
			  fmt("{\"refresh_token\":\"%s\"}", t)),
	    200);
}

Test(test_client, refreshes_as_often_as_it_likes)
{
	const char *c = given_client("agent"), *t = given_token(c);
	int i;

	for (i = 0; i < 6 * FAILURES_MAX; i++)
		expect_message(
		    refresh(repeat('x', 48)), 400, "Invalid refresh token.");
	for (i = 0; i < 6 * FAILURES_MAX; i++)
		expect_status(refresh(t), 200);
}

Test(test_client, with_a_new_secret_is_not_known_by_the_former_one)
{
	const char *c = given_client("agent");

	expect_status(login(c, SECRET), 200);
	expect_status(
	    put_admin(c, "{\"client_secret\":\"another long secret\"}"), 200);
	expect_text(login(c, SECRET), 401, WRONG);
	expect_status(login(c, "another long secret"), 200);
}

Test(test_client, that_is_deleted_loses_its_secrets)
{
	const char *c = given_client("contributor");
	const char *as = fmt(JSON "%s", bearer("contributor", c));
	const char *job = "{\"job_queue\":\"q\",\"test_data\":{\"test_cmds\":"
			  "\"x\",\"secrets\":{\"A\":\"p\"}}}";

	expect_status(
	    call("PUT", fmt("/v1/secrets/%s/p", c), as, "{\"value\":\"v\"}"),
	    200);
	expect_status(call("POST", "/v1/job", as, job), 200);
	expect_text(remove_client(c), 200, "OK");
	expect_message(call("POST", "/v1/job", as, job), 422,
	    "Inaccessible secret paths: p");
}

Test(test_client, secret_may_have_15_to_72_bytes)
{
	const char *c = unique("c"), *longest = repeat('x', 72);

	expect_status(
	    put_admin(c, "{\"client_secret\":\"fifteen bytes !\"}"), 200);
	expect_status(login(c, "fifteen bytes !"), 200);
	expect_status(
	    put_admin(c, fmt("{\"client_secret\":\"%s\"}", longest)), 200);
	expect_status(login(c, longest), 200);
	expect_text(login(c, longest + 1), 401, WRONG);
}

Test(test_client, id_must_do_in_credentials_and_paths)
{
	expect_faults(put_admin("a:b", "{\"client_secret\":\"" SECRET "\"}"),
	    "{\"client_id\":[\"Must not contain a colon or a slash.\"]}");
	expect_faults(
	    put_admin(repeat('x', 201), "{\"client_secret\":\"" SECRET "\"}"),
	    "{\"client_id\":[\"Longer than maximum length 200.\"]}");
}

struct racer {
	const char *id;
	const struct answer *answer;
};

static void *
log_in(void *arg)
{
	struct racer *r = arg;

	r->answer = login(r->id, SECRET);
	return NULL;
}

Test(test_client, may_start_many_at_once_and_all_log_in)
{
	struct racer racers[30];
	pthread_t threads[30];
	const char *c = given_client("agent");
	size_t i;

	for (i = 0; i < 30; i++) {
		racers[i].id = c;
		cr_assert_eq(
		    pthread_create(&threads[i], NULL, log_in, &racers[i]), 0);
	}
	for (i = 0; i < 30; i++)
		cr_assert_eq(pthread_join(threads[i], NULL), 0);
	for (i = 0; i < 30; i++)
		expect_status(racers[i].answer, 200);
}

static void *
log_in_unknown(void *arg)
{
	struct racer *r = arg;

	r->answer = login(r->id, SECRET);
	return NULL;
}

/* Hashing is slow; those who come for something else do not wait for it. */
Test(test_client, flood_of_log_ins_holds_up_nobody_else)
{
	struct racer racers[70];
	pthread_t threads[70];
	const char *token = given_token(given_client("agent"));
	struct timespec from, to;
	unsigned busy = 0;
	size_t i;

	for (i = 0; i < 70; i++) {
		racers[i].id = unique("nobody");
		cr_assert_eq(pthread_create(
				 &threads[i], NULL, log_in_unknown, &racers[i]),
		    0);
	}
	(void)clock_gettime(CLOCK_MONOTONIC, &from);
	for (i = 0; i < 5; i++)
		expect_status(refresh(token), 200);
	expect_status(call("POST", "/oidc/auth-init", NULL, NULL), 404);
	(void)clock_gettime(CLOCK_MONOTONIC, &to);
	cr_expect(to.tv_sec - from.tv_sec < 3, "%lld s",
	    (long long)(to.tv_sec - from.tv_sec));
	for (i = 0; i < 70; i++)
		cr_assert_eq(pthread_join(threads[i], NULL), 0);
	for (i = 0; i < 70; i++) {
		if (racers[i].answer->status == 401)
			continue;
		expect_status(racers[i].answer, 503);
		expect_header(racers[i].answer, "Retry-After", "5");
		busy++;
	}
	cr_expect(busy > 0 && busy < 70, "%u", busy);
}

Test(test_client, change_of_forty_thousand_keys_is_answered_at_once)
{
	char *body = malloc(40000 * 20), *p = body;
	int i;

	p += sprintf(p, "{");
	for (i = 0; i < 40000; i++)
		p += sprintf(p, "\"k%d\":1,", i);
	(void)sprintf(p, "\"role\":\"agent\"}");
	expect_status(put_as("admin", unique("c"), body), 422);
	free(body);
}

Test(test_client, is_told_where_the_server_has_no_key)
{
	use_instance("TF_URL");
	expect_message(
	    call("POST", "/v1/oauth2/token", basic("Basic ", "c", SECRET), ""),
	    501, "There are no tokens: the server has no JWT_SIGNING_KEY");
	expect_message(refresh("x"), 501,
	    "There are no tokens: the server has no JWT_SIGNING_KEY");
	/* By this clients know that nobody signs in elsewhere. */
	expect_status(call("POST", "/oidc/auth-init", NULL, NULL), 404);
}
