/* Waits of queues: percentiles, and lists of any length in pages. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "fixture.h"
#include "wait.h"

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

TestSuite(wait, .init = setup, .fini = teardown);

/* 250 queues of one sample. */
static enum err
note_many(struct db_conn *c, void *arg)
{
	char queue[16];
	enum err e = ERR_OK;
	int i;

	(void)arg;
	for (i = 0; i < 250 && e == ERR_OK; i++) {
		(void)snprintf(queue, sizeof(queue), "q%03d", i);
		e = wait_note(c, queue, i);
	}
	return e;
}

/* A thousand and ten samples, of which the first ten give way. */
static enum err
note_samples(struct db_conn *c, void *arg)
{
	enum err e = ERR_OK;
	int64_t i;

	(void)arg;
	for (i = 0; i < 1010 && e == ERR_OK; i++)
		e = wait_note(c, "q", i < 10 ? 1000000 : 2009 - i);
	return e;
}

Test(wait, tells_percentiles_of_the_last_thousand)
{
	static const char *const queues[] = {"q", "none", "q"};
	const char *json;
	size_t len;

	cr_assert_eq(db_write(f.svc.db, note_samples, NULL), ERR_OK);
	cr_assert_eq(
	    wait_read(&f.svc, f.arena, queues, 3, &json, &len), ERR_OK);
	cr_expect_str_eq(json,
	    "{\"q\":{\"5\":1049.95,\"10\":1099.9,\"50\":1499.5,\"90\":1899.1,"
	    "\"95\":1949.05}}\n");
}

Test(wait, list_comes_in_pages)
{
	struct name_page p = {.any = false};
	int pages = 0, found = 0;
	const char *at;
	char want[16];
	struct buf b;

	cr_assert_eq(db_write(f.svc.db, note_many, NULL), ERR_OK);
	buf_init(&b, f.arena, 64);
	for (; !p.done; pages++)
		cr_assert_eq(wait_list_page(&f.svc, &p, &b), ERR_OK);
	cr_expect_eq(pages, 3);
	for (at = b.p; (at = strstr(at, "\"q")) != NULL; at++, found++) {
		(void)snprintf(want, sizeof(want), "\"q%03d\":{", found);
		cr_assert_eq(strncmp(at, want, strlen(want)), 0);
	}
	cr_expect_eq(found, 250);
	cr_expect_null(strstr(b.p, ",,"));
	cr_expect_eq(b.p[0], '"');
}
