/* Forms: read the same however they are cut, refused when they are none. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "multipart.h"

#define TYPE "multipart/form-data; boundary=xyz"
#define PART(more) "Content-Disposition: form-data; " more "\r\n\r\n"

static char got[4096];
static size_t got_len;
static struct arena *arena;

static void
setup(void)
{
	arena = arena_new();
}

static void
teardown(void)
{
	arena_free(arena);
}

TestSuite(multipart, .init = setup, .fini = teardown);

static enum err
take(void *arg, const char *p, size_t n)
{
	(void)arg;
	cr_assert_leq(got_len + n, sizeof(got));
	memcpy(got + got_len, p, n);
	got_len += n;
	return ERR_OK;
}

/* The form in pieces: n bytes, m bytes, the rest. */
static enum err
read_cut(const char *type, const char *body, size_t len, size_t n, size_t m)
{
	struct multipart *form;
	enum err e;

	arena_reset(arena);
	got_len = 0;
	if ((e = multipart_new(&form, arena, type, take, NULL)) != ERR_OK ||
	    (e = multipart_feed(form, body, n)) != ERR_OK ||
	    (e = multipart_feed(form, body + n, m)) != ERR_OK ||
	    (e = multipart_feed(form, body + n + m, len - n - m)) != ERR_OK)
		return e;
	return multipart_end(form);
}

static enum err
read_form(const char *body)
{
	return read_cut(TYPE, body, strlen(body), 0, 0);
}

static void
expect_file(const char *body, const char *file)
{
	cr_expect_eq(read_form(body), ERR_OK, "%s", body);
	cr_expect_eq(got_len, strlen(file));
	cr_expect_eq(memcmp(got, file, got_len), 0);
}

Test(multipart, reads_the_same_at_every_two_cuts)
{
	static const char file[] =
	    "\r\n--xy\r\r\n--\r\n-\0\r\n\r\n--xYz--\r\n--";
	char body[512];
	size_t len, n, m;

	len = (size_t)snprintf(body, sizeof(body),
	    "preamble\r\n--xy\r\n--xyz \t\r\n" PART(
		"name=\"a\"") "field\r\n--xyz\r\n" PART("name=\"file\"; "
							"filename=\"x.tar."
							"gz\""));
	memcpy(body + len, file, sizeof(file) - 1);
	len += sizeof(file) - 1;
	len += (size_t)snprintf(body + len, sizeof(body) - len,
	    "\r\n--xyz--\r\nepilogue\r\n--xyz\r\n");
	for (n = 0; n <= len; n++)
		for (m = 0; n + m <= len; m++) {
			cr_assert_eq(read_cut(TYPE, body, len, n, m), ERR_OK);
			cr_assert_eq(got_len, sizeof(file) - 1);
			cr_assert_eq(memcmp(got, file, got_len), 0);
		}
}

Test(multipart, is_whole_only_at_its_last_boundary)
{
	static const char body[] =
	    "--xyz\r\n" PART("name=file; filename=x") "data\r\n--xyz--";
	size_t len = sizeof(body) - 1, n;

	for (n = 0; n < len; n++)
		cr_expect_eq(read_cut(TYPE, body, n, 0, 0), ERR_INVALID);
	cr_expect_eq(read_cut(TYPE, body, len, 0, 0), ERR_OK);
}

Test(multipart, takes_the_first_file_of_that_name)
{
	expect_file(
	    "--xyz\r\n" PART(
		"name=\"other\"; filename=\"a\"") "1\r\n"
						  "--xyz\r\n" PART(
						      "name=\"file\"") "2\r\n"
								       "--"
								       "xyz\r"
								       "\n" PART(
									   "nam"
									   "e="
									   "\"f"
									   "ile"
									   "\";"
									   " fi"
									   "len"
									   "ame"
									   "=\""
									   "b"
									   "\"") "3\r\n"
										 "--xyz\r\n" PART(
										     "name=\"file\"; filename=\"c\"") "4\r\n"
														      "--xyz--\r\n",
	    "3");
}

Test(multipart, takes_any_file_name_and_an_empty_file)
{
	expect_file(
	    "--xyz\r\n" PART("name=\"file\"; filename=\"\"") "\r\n--xyz--", "");
	expect_file("--xyz\r\nCONTENT-disposition:Form-Data;NAME=file"
		    ";filename*=utf-8''%e2%82%ac\r\n\r\n1\r\n--xyz--",
	    "1");
	expect_file(
	    "--xyz\r\n" PART(
		"filename=\"a\\\"; name=\\\"b\"; name=\"file\"") "1\r\n--xyz--",
	    "1");
	expect_file("--xyz\r\nContent-Disposition: form-data;\r\n"
		    " name=\"file\";\r\n\tfilename=\"C:\\a.gz\"\r\n"
		    "Content-Type: application/x-gzip\r\n\r\n1\r\n--xyz--",
	    "1");
}

Test(multipart, refuses_what_is_no_form)
{
	static const char *const bodies[] = {
	    "",
	    "file",
	    "--xyz--",
	    "--xyz\r\n\r\n1\r\n--xyz--",
	    "--xyz\r\n" PART("name=\"file\"") "1\r\n--xyz--",
	    "--xyz\r\n" PART("name=\"File\"; filename=a") "1\r\n--xyz--",
	    "--xyz\r\n" PART("filename=a") "1\r\n--xyz--",
	    "--xyz\r\n" PART("name=\"file; filename=a") "1\r\n--xyz--",
	    "--xyz\r\n" PART("name=file filename=a") "1\r\n--xyz--",
	    "--xyzz\r\n" PART("name=file; filename=a") "1\r\n--xyz--",
	    "--xyz\n" PART("name=file; filename=a") "1\r\n--xyz--",
	    "--xyz-\r\n" PART("name=file; filename=a") "1\r\n--xyz--",
	    "--xyz\r\nContent-Disposition: form-data; name=file; "
	    "filename=a\n\n1\r\n--xyz--",
	    "--xyz\r\nContent-Disposition: attachment; name=file; "
	    "filename=a\r\n\r\n1\r\n--xyz--",
	    "--xyz\r\nA: \rContent-Disposition: form-data; name=file; "
	    "filename=a\r\n\r\n1\r\n--xyz--",
	};
	size_t i;

	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		cr_expect_eq(
		    read_form(bodies[i]), ERR_INVALID, "%s", bodies[i]);
}

Test(multipart, knows_the_boundary_in_each_of_its_spellings)
{
	static const char *const good[] = {
	    "multipart/form-data; boundary=a b",
	    "multipart/form-data; boundary=\"a b\"",
	    "Multipart/Form-Data ; charset=x; BOUNDARY=\"a b\";",
	};
	static const char *const bad[] = {NULL, "", "multipart/form-data",
	    "multipart/form-data; boundary=", "multipart/form-data; boundary",
	    "multipart/form-data; boundary=\"a", "multipart/mixed; boundary=a",
	    "multipart/form-data2; boundary=a", "application/json",
	    "multipart/form-data; boundary=\"a\rb\""};
	struct multipart *m;
	size_t i;

	cr_expect_eq(
	    multipart_new(&m, arena, good[0], take, NULL), ERR_INVALID);
	for (i = 1; i < sizeof(good) / sizeof(good[0]); i++)
		cr_expect_eq(
		    multipart_new(&m, arena, good[i], take, NULL), ERR_OK);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(multipart_new(&m, arena, bad[i], take, NULL),
		    ERR_INVALID, "%s", bad[i]);
}

Test(multipart, bounds_fields_and_headers_but_no_file)
{
	static char many[100000];
	struct multipart *m;
	const char *field = "--xyz\r\n" PART("name=a");
	const char *other = "--xyz\r\n" PART("name=a; filename=b");
	int i;

	memset(many, 'x', sizeof(many));
	cr_assert_eq(multipart_new(&m, arena, TYPE, take, NULL), ERR_OK);
	cr_assert_eq(multipart_feed(m, field, strlen(field)), ERR_OK);
	for (i = 0; i < 5; i++)
		cr_expect_eq(multipart_feed(m, many, sizeof(many)), ERR_OK);
	cr_expect_eq(multipart_feed(m, "x", 1), ERR_LIMIT);
	cr_assert_eq(multipart_new(&m, arena, TYPE, take, NULL), ERR_OK);
	cr_assert_eq(multipart_feed(m, other, strlen(other)), ERR_OK);
	for (i = 0; i < 50; i++)
		cr_expect_eq(multipart_feed(m, many, sizeof(many)), ERR_OK);
	cr_assert_eq(multipart_new(&m, arena, TYPE, take, NULL), ERR_OK);
	cr_assert_eq(multipart_feed(m, "--xyz\r\nA: ", 10), ERR_OK);
	cr_expect_eq(multipart_feed(m, many, 10000), ERR_INVALID);
}
