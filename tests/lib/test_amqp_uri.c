/* Addresses of brokers, as operators write them. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "amqp_uri.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static struct amqp_uri uri;
static const char *why;
static size_t offset;

static enum err
parse(const char *text)
{
	why = NULL;
	offset = 0;
	return amqp_uri_parse(&uri, text, &why, &offset);
}

/* text is read, as n addresses. */
static void
given(const char *text, size_t n)
{
	cr_assert_eq(parse(text), ERR_OK, "%s: %s", text, why);
	cr_assert_eq(uri.n, n, "%s: %zu addresses", text, uri.n);
}

static void
expect_addr(size_t i, const struct amqp_addr *want)
{
	const struct amqp_addr *a = &uri.addrs[i];

	cr_expect_str_eq(a->user, want->user);
	cr_expect_str_eq(a->password, want->password);
	cr_expect_str_eq(a->host, want->host);
	cr_expect_eq(a->port, want->port, "%s: %d", a->host, a->port);
	cr_expect_str_eq(a->vhost, want->vhost);
	cr_expect_eq(a->tls, want->tls);
}

/* text is refused at byte at, for a reason that holds part. */
static void
expect_refusal(const char *text, size_t at, const char *part)
{
	cr_expect_eq(parse(text), ERR_INVALID, "%s", text);
	cr_assert_not_null(why, "%s", text);
	cr_expect_not_null(strstr(why, part), "%s: %s", text, why);
	cr_expect_eq(offset, at, "%s: %zu", text, offset);
	cr_expect_eq(uri.n, 0, "%s", text);
}

Test(amqp_uri, knows_a_scheme_in_any_case)
{
	given("AMQP://h", 1);
	given("Amqps://h", 1);
	cr_expect(uri.addrs[0].tls);
}

Test(amqp_uri, reads_the_default_of_old)
{
	given("amqp://guest:guest@localhost:5672//", 1);
	expect_addr(0, &(struct amqp_addr){
			   "localhost", "guest", "guest", "/", 5672, false});
}

Test(amqp_uri, takes_the_empty_text_for_no_broker)
{
	given("", 0);
}

Test(amqp_uri, fills_in_what_is_missing)
{
	static const struct {
		const char *text;
		struct amqp_addr want;
	} t[] = {
	    {"amqp://", {"localhost", "guest", "guest", "/", 5672, false}},
	    {"pyamqp://", {"localhost", "guest", "guest", "/", 5672, false}},
	    {"amqps://", {"localhost", "guest", "guest", "/", 5671, true}},
	    {"amqp://h", {"h", "guest", "guest", "/", 5672, false}},
	    {"amqp://:7", {"localhost", "guest", "guest", "/", 7, false}},
	    {"amqp://u@", {"localhost", "u", "guest", "/", 5672, false}},
	    {"amqp://u:@h", {"h", "u", "", "/", 5672, false}},
	    {"amqp://u:p@:1/v", {"localhost", "u", "p", "v", 1, false}},
	    {"amqp:///v", {"localhost", "guest", "guest", "v", 5672, false}},
	    {"amqps://u:p@h:5672", {"h", "u", "p", "/", 5672, true}},
	    {"amqp://rabbit_1.a-b.example:65535",
		{"rabbit_1.a-b.example", "guest", "guest", "/", 65535, false}},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		given(t[i].text, 1);
		expect_addr(0, &t[i].want);
	}
}

Test(amqp_uri, finds_the_virtual_host_in_the_path)
{
	static const struct {
		const char *path, *vhost;
	} t[] = {
	    {"", "/"},
	    {"/", "/"},
	    {"//", "/"},
	    {"/%2f", "/"},
	    {"/%2F", "/"},
	    {"/lab", "lab"},
	    {"/%2flab", "/lab"},
	    {"//lab", "/lab"},
	    {"/a/b", "a/b"},
	    {"/a%2fb/", "a/b/"},
	    {"/a%20b", "a b"},
	    {"/100%25", "100%"},
	    {"/%2541", "%41"},
	    {"/a+b", "a+b"},
	    {"/a:b@c", "a:b@c"},
	    {"/%c3%a9", "\xc3\xa9"},
	};
	char text[64];
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		(void)snprintf(text, sizeof(text), "amqp://h%s", t[i].path);
		given(text, 1);
		cr_expect_str_eq(uri.addrs[0].vhost, t[i].vhost);
	}
}

Test(amqp_uri, decodes_user_and_password_once)
{
	given("amqp://a%40b%3Ac:p%2Fq%3f%3b%25@h", 1);
	cr_expect_str_eq(uri.addrs[0].user, "a@b:c");
	cr_expect_str_eq(uri.addrs[0].password, "p/q?;%");
}

Test(amqp_uri, takes_the_first_colon_and_the_last_at_for_the_ends)
{
	given("amqp://u:p:q@r@h:1/v@w", 1);
	expect_addr(0, &(struct amqp_addr){"h", "u", "p:q@r", "v@w", 1, false});
}

Test(amqp_uri, reads_ipv6_addresses_in_brackets)
{
	given("amqp://u:p@[::1]:5673/v;[fe80::1:2];[::ffff:127.0.0.1]:9", 3);
	cr_expect_str_eq(uri.addrs[0].host, "::1");
	cr_expect_eq(uri.addrs[0].port, 5673);
	cr_expect_str_eq(uri.addrs[1].host, "fe80::1:2");
	cr_expect_eq(uri.addrs[1].port, 5672);
	cr_expect_str_eq(uri.addrs[2].host, "::ffff:127.0.0.1");
	cr_expect_eq(uri.addrs[2].port, 9);
}

Test(amqp_uri, lets_later_addresses_share_what_the_first_says)
{
	given("amqps://u:p@a:1/v;b;c:2;d/w;x@e;amqp://f", 6);
	expect_addr(0, &(struct amqp_addr){"a", "u", "p", "v", 1, true});
	expect_addr(1, &(struct amqp_addr){"b", "u", "p", "v", 5671, true});
	expect_addr(2, &(struct amqp_addr){"c", "u", "p", "v", 2, true});
	expect_addr(3, &(struct amqp_addr){"d", "u", "p", "w", 5671, true});
	expect_addr(4, &(struct amqp_addr){"e", "x", "guest", "v", 5671, true});
	expect_addr(
	    5, &(struct amqp_addr){"f", "guest", "guest", "/", 5672, false});
}

Test(amqp_uri, allows_a_last_semicolon)
{
	given("amqp://a;b;", 2);
}

Test(amqp_uri, takes_eight_addresses_and_no_more)
{
	given("amqp://a;b;c;d;e;f;g;h", AMQP_URI_HOSTS_MAX);
	expect_refusal("amqp://a;b;c;d;e;f;g;h;i", 23, "more than eight");
}

Test(amqp_uri, tells_what_is_wrong_and_where)
{
	static const struct {
		const char *text;
		size_t at;
		const char *part;
	} t[] = {
	    {"localhost", 0, "no scheme"},
	    {"amqp:/h", 0, "no scheme"},
	    {"http://h", 0, "no scheme"},
	    {" amqp://h", 0, "no scheme"},
	    {"amqp://a;http://b", 9, "no scheme"},
	    {"amqp://a; amqp://b", 9, "no scheme"},
	    {";amqp://a", 0, "an empty address"},
	    {"amqp://a;;b", 9, "an empty address"},
	    {"amqp://@h", 7, "an empty user"},
	    {"amqp://:p@h", 7, "an empty user"},
	    {"amqp://u%4@h", 8, "percent"},
	    {"amqp://u:%zz@h", 9, "percent"},
	    {"amqp://h/a%", 10, "percent"},
	    {"amqp://h/a%2", 10, "percent"},
	    {"amqp://h/%;b", 9, "percent"},
	    {"amqp://h/%00", 9, "control"},
	    {"amqp://u%0a@h", 8, "control"},
	    {"amqp://u:p%7F@h", 10, "control"},
	    {"amqp://h/a\tb", 10, "control"},
	    {"amqp://h o", 8, "no host has"},
	    {"amqp://h%41", 8, "no host has"},
	    {"amqp://h\xc3\xa9", 8, "no host has"},
	    {"amqp://h#f", 8, "no host has"},
	    {"amqp://[::1", 7, "\"]\""},
	    {"amqp://[", 7, "\"]\""},
	    {"amqp://[]", 8, "an empty IPv6"},
	    {"amqp://[fe80::1%25eth0]", 15, "no host has"},
	    {"amqp://[g::1]", 8, "no host has"},
	    {"amqp://[::1]5672", 12, "between host and port"},
	    {"amqp://h:", 9, "no port"},
	    {"amqp://h:/v", 9, "no port"},
	    {"amqp://h:5x", 10, "no number"},
	    {"amqp://h:-1", 9, "no number"},
	    {"amqp://h: 1", 9, "no number"},
	    {"amqp://::1", 8, "no number"},
	    {"amqp://u:p/q@h", 9, "no number"},
	    {"amqp://h:0", 9, "port 0"},
	    {"amqp://h:65536", 13, "above 65535"},
	    {"amqp://h:99999999999999999999", 13, "above 65535"},
	    {"amqp://h?heartbeat=5", 8, "options"},
	    {"amqp://h/v?ssl=1", 10, "options"},
	    {"amqp://a;b/v?", 12, "options"},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++)
		expect_refusal(t[i].text, t[i].at, t[i].part);
}

/* A text of before, n times "x", and after. */
static const char *
with_long_part(const char *before, size_t n, const char *after)
{
	static char text[512];
	char part[300];

	cr_assert_lt(n, sizeof(part));
	memset(part, 'x', n);
	part[n] = '\0';
	(void)snprintf(text, sizeof(text), "%s%s%s", before, part, after);
	return text;
}

Test(amqp_uri, takes_parts_of_255_bytes_and_no_longer_ones)
{
	static const struct {
		const char *before, *after;
		size_t at;
		const char *part;
	} t[] = {
	    {"amqp://", "@h", 7 + 255, "255"},
	    {"amqp://u:", "@h", 9 + 255, "255"},
	    {"amqp://", ":1/v", 7, "255"},
	    {"amqp://h/", "", 9 + 255, "255"},
	};
	size_t i;

	for (i = 0; i < COUNT(t); i++) {
		given(with_long_part(t[i].before, 255, t[i].after), 1);
		expect_refusal(with_long_part(t[i].before, 256, t[i].after),
		    t[i].at, t[i].part);
	}
	cr_assert_eq(parse(with_long_part("amqp://h/", 255, "")), ERR_OK);
	cr_expect_eq(strlen(uri.addrs[0].vhost), 255);
}
