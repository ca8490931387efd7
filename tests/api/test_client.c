/* Clients, and the tokens they log in for; JOB_FIELDS = 'strict', anonymous callers are
 * contributors.  The admin of TF_ADMIN_SECRET was made on the host. */

#include <criterion/criterion.h>
#include <json-c/json.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "bearer.h"

#define JSON "Content-Type: application/json\n"
#define ADMIN "boss"
#define SYSTEM "testflinger-admin"
#define NO_CLIENT "Error: Specified client_id does not exist."
#define WRONG "Invalid client id or client key"
#define SECRET "a secret that is long enough"
/* TOKEN_FAILURES_MAX of the instance. */
#define FAILURES_MAX 4

static void
setup(void)
{
	use_instance("TF_URL_TOKENS");
}

TestSuite(test_client, .init = setup, .timeout = 120);

static const char *
base64(const char *text)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
				     "pqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)text;
	size_t n = strlen(text), i, k = 0;
	char *out = malloc(n * 4 / 3 + 8);
	unsigned v;

	cr_assert_not_null(out);
	for (i = 0; i < n; i += 3) {
		v = (unsigned)p[i] << 16;
		v |= i + 1 < n ? (unsigned)p[i + 1] << 8 : 0;
		v |= i + 2 < n ? (unsigned)p[i + 2] : 0;
		out[k++] = digits[v >> 18];
		out[k++] = digits[v >> 12 & 63];
		out[k++] = i + 1 < n ? digits[v >> 6 & 63] : '=';
		out[k++] = i + 2 < n ? digits[v & 63] : '=';
	}
	out[k] = '\0';
	return out;
}

static const struct answer *
ask_token(const char *authorization)
{
	return call("POST", "/v1/oauth2/token", authorization, NULL);
}

static const struct answer *
login(const char *id, const char *secret)
{
	return ask_token(
	    fmt("Authorization: Basic %s", base64(fmt("%s:%s", id, secret))));
}

static const struct answer *
with_token(const char *path, const char *authorization, const char *token)
{
	return call("POST", path, fmt(JSON "%s", authorization),
	    fmt("{\"refresh_token\":\"%s\"}", token));
}

static const struct answer *
refresh(const char *token)
{
	return with_token("/v1/oauth2/refresh", "", token);
}

static const struct answer *
revoke(const char *token)
{
	return with_token("/v1/oauth2/revoke", bearer("admin", ADMIN), token);
}

static const char *
path_of(const char *id)
{
	return fmt("/v1/client-permissions/%s", id);
}

static const struct answer *
put_as(const char *role, const char *id, const char *json)
{
	return call(
	    "PUT", path_of(id), fmt(JSON "%s", bearer(role, "me")), json);
}

static const struct answer *
put(const char *id, const char *json)
{
	return put_as("admin", id, json);
}

static const struct answer *
read_client(const char *id)
{
	return call("GET", path_of(id), bearer("manager", "me"), NULL);
}

static const struct answer *
remove_client(const char *id)
{
	return call("DELETE", path_of(id), bearer("admin", "me"), NULL);
}

/* A new client in that role whose secret is SECRET. */
static const char *
given_client(const char *role)
{
	const char *id = unique("c");

	expect_text(
	    put(id, fmt("{\"client_secret\":\"" SECRET "\",\"role\":\"%s\"}",
			role)),
	    200, fmt("Created permissions for client '%s'", id));
	return id;
}

static const char *
given_refresh_token(const char *id)
{
	const struct answer *a = login(id, SECRET);

	expect_status(a, 200);
	return member(a, "refresh_token");
}

/* The claims of a token, without a look at its signature, as the CLI reads them. */
static struct json_object *
claims_of(const struct answer *a)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmno"
				     "pqrstuvwxyz0123456789-_";
	const char *token = member(a, "access_token"), *p;
	char out[4096];
	size_t k = 0;
	unsigned v = 0, bits = 0;

	cr_assert_not_null(token);
	p = strchr(token, '.');
	cr_assert_not_null(p);
	for (p++; *p != '.' && k < sizeof(out) - 1; p++) {
		v = v << 6 | (unsigned)(strchr(digits, *p) - digits);
		bits += 6;
		if (bits >= 8)
			out[k++] = (char)(v >> (bits -= 8));
	}
	out[k] = '\0';
	return json_tokener_parse(out);
}

static void
expect_permissions(const struct answer *a, const char *json)
{
	struct json_object *permissions = NULL;

	expect_status(a, 200);
	cr_expect(json_object_object_get_ex(
		      claims_of(a), "permissions", &permissions) &&
		      json_object_equal(permissions, json_tokener_parse(json)),
	    "wanted %s, got %s", json, json_object_to_json_string(permissions));
}

/* What no request can bring about. */
static void
change_store(const char *sql)
{
	sqlite3 *db;

	cr_assert_eq(
	    sqlite3_open(fmt("%s/state.db", getenv("TF_DATA_TOKENS")), &db),
	    SQLITE_OK);
	(void)sqlite3_busy_timeout(db, 20000);
	(void)sqlite3_exec(db, "PRAGMA wal_autocheckpoint=0", NULL, NULL, NULL);
	cr_assert_eq(
	    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL),
	    SQLITE_OK);
	cr_assert_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK, "%s",
	    sqlite3_errmsg(db));
	cr_assert_eq(sqlite3_changes(db), 1);
	(void)sqlite3_close(db);
}

Test(test_client, logs_in_as_the_admin_made_on_the_host)
{
	const char *secret = getenv("TF_ADMIN_SECRET");
	const struct answer *a = login(ADMIN, secret);

	expect_status(a, 200);
	expect_member(a, "expires_in", "600");
	expect_member(a, "token_type", "Bearer");
	cr_expect_eq(strlen(member(a, "refresh_token")), 48);
	cr_expect_eq(strspn(member(a, "refresh_token"),
			 "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
			 "0123456789"),
	    48);
	expect_permissions(a, "{\"client_id\":\"boss\",\"role\":\"admin\"}");
	expect_status(
	    call("GET", "/v1/client-permissions",
		fmt("Authorization: Bearer %s", member(a, "access_token")),
		NULL),
	    200);
}

Test(test_client, gets_claims_that_clients_read)
{
	const char *c = given_client("contributor");
	struct json_object *claims, *exp = NULL, *iat = NULL, *sub = NULL;

	expect_status(put(c, "{\"max_priority\":{\"*\":5,\"q2\":9},"
			     "\"max_reservation_time\":{\"*\":30000},"
			     "\"email\":\"a@b.co\"}"),
	    200);
	claims = claims_of(login(c, SECRET));
	cr_assert(json_object_object_get_ex(claims, "exp", &exp) &&
		  json_object_object_get_ex(claims, "iat", &iat) &&
		  json_object_object_get_ex(claims, "sub", &sub));
	cr_expect_eq(
	    json_object_get_int64(exp) - json_object_get_int64(iat), 600);
	cr_expect_str_eq(json_object_get_string(sub), "access_token");
	expect_permissions(login(c, SECRET),
	    fmt("{\"client_id\":\"%s\",\"role\":\"contributor\","
		"\"max_priority\":{\"*\":5,\"q2\":9},"
		"\"max_reservation_time\":{\"*\":30000},\"email\":\"a@b.co\"}",
		c));
}

Test(test_client, is_told_in_plain_text_why_it_gets_no_token)
{
	static const char none[] = "No authorization header specified";
	static const char other[] =
	    "Client id and key must be specified in authorization header";
	const char *c = given_client("agent");

	expect_text(ask_token(NULL), 401, none);
	cr_expect_null(header(ask_token(NULL), "WWW-Authenticate"));
	expect_text(ask_token("Authorization: Bearer x"), 401, other);
	expect_text(ask_token("Authorization: Basicx"), 401, other);
	expect_text(ask_token("Authorization: Basic %%%"), 401, WRONG);
	expect_text(ask_token("Authorization: Basic"), 401, WRONG);
	expect_text(
	    ask_token(fmt("Authorization: Basic %s", base64("no colon"))), 401,
	    WRONG);
	expect_text(login("", SECRET), 401, WRONG);
	expect_text(login(unique("nobody"), SECRET), 401, WRONG);
	expect_text(login(c, "a secret of somebody else"), 401, WRONG);
	expect_text(login(c, ""), 401, WRONG);
	expect_text(login(c, repeat('x', 73)), 401, WRONG);
	expect_text(login(c, repeat('x', 5000)), 401, WRONG);
}

Test(test_client, may_write_the_scheme_in_any_case_and_a_colon_in_its_secret)
{
	const char *c = unique("\xc3\xa4"
			       "c"),
		   *path = strchr(c, 'c');
	const char *secret = ":with: colons \xc3\xa9:";

	expect_status(put(fmt("%%C3%%A4%s", path),
			  fmt("{\"client_secret\":\"%s\"}", secret)),
	    200);
	expect_status(login(c, secret), 200);
	expect_status(ask_token(fmt("Authorization: bAsIc %s",
			  base64(fmt("%s:%s", c, secret)))),
	    200);
}

Test(test_client, keeps_its_older_refresh_tokens_when_it_logs_in_again)
{
	const char *c = given_client("agent");
	const char *one = given_refresh_token(c), *two = given_refresh_token(c);

	cr_expect_str_neq(one, two);
	expect_status(refresh(one), 200);
	expect_status(refresh(two), 200);
	expect_status(refresh(one), 200);
}

Test(test_client, gets_an_access_token_for_a_refresh_token)
{
	const char *c = given_client("agent"), *t = given_refresh_token(c);
	const struct answer *a = refresh(t);

	expect_status(a, 200);
	expect_member(a, "expires_in", "600");
	expect_member(a, "token_type", "Bearer");
	cr_expect_null(member(a, "refresh_token"));
	expect_status(
	    call("GET", "/v1/job?queue=none&agent=a",
		fmt("Authorization: Bearer %s", member(a, "access_token")),
		NULL),
	    204);
	expect_status(put(c, "{\"role\":\"manager\"}"), 200);
	expect_permissions(
	    refresh(t), fmt("{\"client_id\":\"%s\",\"role\":\"manager\"}", c));
}

Test(test_client, is_told_why_a_refresh_token_does_not_do)
{
	const char *c = given_client("agent"), *t = given_refresh_token(c);

	expect_message(refresh(repeat('x', 48)), 400, "Invalid refresh token.");
	expect_message(refresh("a\\u0000b"), 400, "Invalid refresh token.");
	change_store(fmt("UPDATE refresh_token SET expires_at = 1 "
			 "WHERE client = '%s'",
	    c));
	expect_message(refresh(t), 400, "Refresh token expired");
	expect_json(revoke(t), 200, "{\"status\":\"OK\"}");
	expect_message(refresh(t), 400, "Refresh token revoked.");
}

Test(test_client, fields_of_a_refresh_are_checked)
{
	static const struct {
		const char *body, *faults;
	} cases[] = {
	    {"{}", "{\"refresh_token\":[\"Missing data for required "
		   "field.\"]}"},
	    {"{\"refresh_token\":\"\"}",
		"{\"refresh_token\":[\"Shorter than minimum length 1.\"]}"},
	    {"{\"refresh_token\":1}",
		"{\"refresh_token\":[\"Not a valid string.\"]}"},
	    {"{\"refresh_token\":null}",
		"{\"refresh_token\":[\"Field may not be null.\"]}"},
	    {"{\"refresh_token\":\"x\",\"y\":1}",
		"{\"y\":[\"Unknown field.\"]}"},
	    {"[]", "{\"_schema\":[\"Invalid input type.\"]}"},
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		expect_faults(
		    post("/v1/oauth2/refresh", cases[i].body), cases[i].faults);
		expect_faults(
		    call("POST", "/v1/oauth2/revoke",
			fmt(JSON "%s", bearer("admin", ADMIN)), cases[i].body),
		    cases[i].faults);
	}
	expect_member(
	    post("/v1/oauth2/refresh", "{"), "message", "Bad Request");
}

Test(test_client, refresh_token_is_revoked_by_an_admin_once)
{
	const char *c = given_client("agent"), *t = given_refresh_token(c);
	const char *other = given_refresh_token(c);

	expect_message(
	    with_token("/v1/oauth2/revoke", bearer("manager", "me"), t), 403,
	    "Specified action requires role: admin");
	expect_message(with_token("/v1/oauth2/revoke", "", t), 403,
	    "Specified action requires role: admin");
	expect_message(revoke(repeat('x', 48)), 400, "Refresh token not found");
	expect_json(revoke(t), 200, "{\"status\":\"OK\"}");
	expect_message(
	    revoke(t), 400, "Refresh token has already been revoked");
	expect_message(refresh(t), 400, "Refresh token revoked.");
	expect_status(refresh(other), 200);
}

Test(test_client, rows_of_log_in_do_not_read_a_token)
{
	const char *c = given_client("agent"), *t = given_refresh_token(c);

	expect_status(with_token("/v1/oauth2/refresh",
			  "Authorization: Bearer no.good.token", t),
	    200);
}

Test(test_client, that_failed_too_often_has_to_wait)
{
	const char *c = given_client("agent"), *t = given_refresh_token(c);
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

Test(test_client, refreshes_as_often_as_it_likes)
{
	const char *c = given_client("agent"), *t = given_refresh_token(c);
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
	    put(c, "{\"client_secret\":\"another long secret\"}"), 200);
	expect_text(login(c, SECRET), 401, WRONG);
	expect_status(login(c, "another long secret"), 200);
}

Test(test_client, that_is_deleted_is_gone_with_its_tokens)
{
	const char *c = given_client("agent"), *t = given_refresh_token(c);

	expect_text(remove_client(c), 200, "OK");
	expect_message(refresh(t), 400, "Invalid refresh token.");
	expect_text(login(c, SECRET), 401, WRONG);
	expect_message(read_client(c), 404, NO_CLIENT);
	expect_message(remove_client(c), 404, NO_CLIENT);
	expect_text(put(c, "{\"client_secret\":\"" SECRET "\"}"), 200,
	    fmt("Created permissions for client '%s'", c));
	expect_message(refresh(t), 400, "Invalid refresh token.");
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

Test(test_client, is_shown_with_what_is_stored_and_without_its_hash)
{
	const char *c = unique("c"), *object;
	const struct answer *a;

	expect_status(put(c, "{\"client_secret\":\"" SECRET "\"}"), 200);
	expect_json(read_client(c), 200,
	    fmt("{\"client_id\":\"%s\",\"role\":\"contributor\"}", c));
	expect_status(put(c, "{\"max_priority\":{},\"email\":\"a@b.co\","
			     "\"max_reservation_time\":{\"q\":\"7\"}}"),
	    200);
	object = fmt("{\"client_id\":\"%s\",\"role\":\"contributor\","
		     "\"max_priority\":{},\"email\":\"a@b.co\","
		     "\"max_reservation_time\":{\"q\":7}}",
	    c);
	expect_json(read_client(c), 200, object);
	a = call("GET", "/v1/client-permissions", bearer("admin", "me"), NULL);
	expect_status(a, 200);
	expect_part(a, fmt("\"client_id\":\"%s\"", c));
	cr_expect_null(strstr(a->body, "$2"));
	cr_expect_null(strstr(a->body, "secret"));
	expect_message(read_client(unique("nobody")), 404, NO_CLIENT);
}

Test(test_client, keeps_what_a_change_does_not_name)
{
	const char *c = given_client("agent");

	expect_status(put(c, "{\"max_priority\":{\"a\":1,\"b\":2}}"), 200);
	expect_text(put(c, "{\"email\":\"a@b.co\"}"), 200,
	    fmt("Updated permissions for client '%s'", c));
	expect_json(read_client(c), 200,
	    fmt("{\"client_id\":\"%s\",\"role\":\"agent\",\"email\":\"a@b.co\","
		"\"max_priority\":{\"a\":1,\"b\":2}}",
		c));
	/* A map comes as a whole. */
	expect_status(
	    put(c, "{\"max_priority\":{\"b\":3},\"role\":\"manager\"}"), 200);
	expect_status(put(c, "{}"), 200);
	expect_json(read_client(c), 200,
	    fmt("{\"client_id\":\"%s\",\"role\":\"manager\",\"email\":"
		"\"a@b.co\",\"max_priority\":{\"b\":3}}",
		c));
	expect_status(login(c, SECRET), 200);
}

Test(test_client, fields_of_a_change_are_checked)
{
	static const struct {
		const char *body, *faults;
	} cases[] = {
	    {"{\"client_secret\":\"fourteen bytes\"}",
		"{\"client_secret\":[\"Shorter than minimum length 15.\"]}"},
	    {"{\"client_secret\":1}",
		"{\"client_secret\":[\"Not a valid string.\"]}"},
	    {"{\"client_secret\":null}",
		"{\"client_secret\":[\"Field may not be null.\"]}"},
	    {"{\"client_secret\":\"with a NUL \\u0000 inside\"}",
		"{\"client_secret\":[\"Must not contain NUL.\"]}"},
	    {"{\"max_priority\":[]}",
		"{\"max_priority\":[\"Not a valid mapping type.\"]}"},
	    {"{\"max_priority\":{\"q\":\"x\"}}",
		"{\"max_priority\":{\"q\":{\"value\":[\"Not a valid "
		"integer.\"]}}}"},
	    {"{\"max_reservation_time\":{\"q\":true,\"r\":null}}",
		"{\"max_reservation_time\":{\"q\":{\"value\":[\"Not a valid "
		"integer.\"]},\"r\":{\"value\":[\"Field may not be "
		"null.\"]}}}"},
	    {"{\"role\":\"Admin\"}",
		"{\"role\":[\"Must be one of: admin, manager, contributor, "
		"agent.\"]}"},
	    {"{\"role\":\"king\",\"email\":\"x\"}",
		"{\"role\":[\"Must be one of: admin, manager, contributor, "
		"agent.\"],\"email\":[\"Not a valid email address.\"]}"},
	    {"{\"allowed_queues\":[],\"client_id\":\"x\"}",
		"{\"allowed_queues\":[\"Unknown field.\"],\"client_id\":"
		"[\"Unknown field.\"]}"},
	};
	const char *c = unique("c");
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_faults(put(c, cases[i].body), cases[i].faults);
	expect_faults(
	    put(c, fmt("{\"client_secret\":\"%s\"}", repeat('x', 73))),
	    "{\"client_secret\":[\"Longer than maximum length 72.\"]}");
	expect_member(put(c, "{"), "message", "Bad Request");
	expect_message(read_client(c), 404, NO_CLIENT);
}

Test(test_client, secret_may_have_15_to_72_bytes)
{
	const char *c = unique("c"), *longest = repeat('x', 72);

	expect_status(put(c, "{\"client_secret\":\"fifteen bytes !\"}"), 200);
	expect_status(login(c, "fifteen bytes !"), 200);
	expect_status(put(c, fmt("{\"client_secret\":\"%s\"}", longest)), 200);
	expect_status(login(c, longest), 200);
	expect_text(login(c, longest + 1), 401, WRONG);
}

Test(test_client, id_must_do_in_credentials_and_paths)
{
	expect_faults(put("a:b", "{\"client_secret\":\"" SECRET "\"}"),
	    "{\"client_id\":[\"Must not contain a colon or a slash.\"]}");
	expect_faults(
	    put(repeat('x', 201), "{\"client_secret\":\"" SECRET "\"}"),
	    "{\"client_id\":[\"Longer than maximum length 200.\"]}");
}

Test(test_client, of_the_system_is_out_of_reach)
{
	expect_message(put(SYSTEM, "{\"client_secret\":\"" SECRET "\"}"), 422,
	    "Error: System admin client cannot by modified from API.");
	expect_message(put_as("manager", SYSTEM, "{}"), 422,
	    "Error: System admin client cannot by modified from API.");
	expect_message(remove_client(SYSTEM), 422,
	    "Error: System admin client cannot by deleted from API.");
	/* The fields go first. */
	expect_faults(put(SYSTEM, "{\"x\":1}"), "{\"x\":[\"Unknown field.\"]}");
}

Test(test_client, that_signs_in_elsewhere_has_neither_email_nor_secret_here)
{
	static const char no[] =
	    "Error: Cannot add email or client secret to OIDC client id";
	const char *c = given_client("admin");

	change_store(fmt("UPDATE client SET sub = '%s' WHERE id = '%s'", c, c));
	expect_message(put(c, "{\"email\":\"a@b.co\"}"), 422, no);
	/* That goes before the ranks. */
	expect_message(
	    put_as("manager", c, "{\"client_secret\":\"" SECRET "\"}"), 422,
	    no);
	expect_text(put(c, "{\"role\":\"manager\"}"), 200,
	    fmt("Updated permissions for client '%s'", c));
}

Test(test_client, that_is_new_needs_a_secret_before_anything_of_ranks)
{
	const char *c = unique("c");

	expect_message(put(c, "{}"), 400,
	    "Error: Missing client_secret in request body for new client");
	expect_message(put_as("manager", c, "{\"role\":\"admin\"}"), 400,
	    "Error: Missing client_secret in request body for new client");
	expect_message(
	    put_as("manager", c,
		"{\"role\":\"admin\",\"client_secret\":\"" SECRET "\"}"),
	    403,
	    fmt("me has insufficient permissions to assign role 'admin' to "
		"client '%s'",
		c));
	expect_message(read_client(c), 404, NO_CLIENT);
}

Test(test_client, is_changed_only_by_those_of_its_rank_or_above)
{
	const char *admin = given_client("admin"), *c = unique("c");

	/* The client's present role goes before the one to be given. */
	expect_message(put_as("manager", admin, "{\"role\":\"admin\"}"), 403,
	    fmt("me has insufficient permissions to modify client '%s'",
		admin));
	expect_text(
	    put_as("manager", c,
		"{\"role\":\"manager\",\"client_secret\":\"" SECRET "\"}"),
	    200, fmt("Created permissions for client '%s'", c));
	expect_text(put_as("manager", c, "{\"role\":\"agent\"}"), 200,
	    fmt("Updated permissions for client '%s'", c));
	expect_message(put_as("manager", c, "{\"role\":\"admin\"}"), 403,
	    fmt("me has insufficient permissions to assign role 'admin' to "
		"client '%s'",
		c));
	expect_member(read_client(c), "role", "agent");
	expect_text(put_as("admin", admin, "{\"role\":\"manager\"}"), 200,
	    fmt("Updated permissions for client '%s'", admin));
}

Test(test_client, is_seen_by_managers_and_deleted_by_admins)
{
	static const char managers[] =
	    "Specified action requires role: admin, manager";
	static const char *const low[] = {"contributor", "agent"};
	const char *c = given_client("agent");
	size_t i;

	for (i = 0; i < 2; i++) {
		expect_message(call("GET", "/v1/client-permissions",
				   bearer(low[i], "me"), NULL),
		    403, managers);
		expect_message(
		    call("GET", path_of(c), bearer(low[i], "me"), NULL), 403,
		    managers);
		/* The role goes before the body. */
		expect_message(put_as(low[i], c, "{"), 403, managers);
	}
	expect_message(get("/v1/client-permissions"), 403, managers);
	expect_message(
	    call("DELETE", path_of(c), bearer("manager", "me"), NULL), 403,
	    "Specified action requires role: admin");
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

Test(test_client, gets_no_token_where_there_is_no_key)
{
	static const char none[] =
	    "There are no tokens: the server has no JWT_SIGNING_KEY";

	use_instance("TF_URL");
	expect_message(ask_token(NULL), 501, none);
	expect_message(login(ADMIN, SECRET), 501, none);
	expect_message(refresh("x"), 501, none);
	expect_message(post("/v1/oauth2/revoke", "{\"refresh_token\":\"x\"}"),
	    403, "Specified action requires role: admin");
	expect_message(get("/v1/client-permissions"), 403,
	    "Specified action requires role: admin, manager");
	/* By which the command line client knows that nobody signs in elsewhere. */
	expect_status(call("POST", "/oidc/auth-init", NULL, NULL), 404);
}
