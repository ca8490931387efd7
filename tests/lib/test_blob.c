/* Files that are whole or not there. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "blob.h"
#include "fixture.h"
#include "log.h"
#include "loglines.h"

#define MANY ((size_t)1 << 20)

static char dir[64];
static struct blob *blob;
static struct arena *arena;
static struct id id;

static void
setup(void)
{
	log_setup("unit", LOG_LVL_ERROR);
	fixture_mkdir(dir);
	cr_assert_eq(blob_open(&blob, dir), ERR_OK);
	arena = arena_new();
	id_make(&id);
}

static void
teardown(void)
{
	arena_free(arena);
	blob_close(blob);
	fixture_rmdir(dir);
}

TestSuite(blob, .init = setup, .fini = teardown);

static int n_files;

static int
count_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)path;
	(void)st;
	(void)ftw;
	n_files += type == FTW_F;
	return 0;
}

static int
count_tmp(void)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/tmp", dir);
	n_files = 0;
	cr_assert_eq(nftw(path, count_file, 8, FTW_PHYS), 0);
	return n_files;
}

static int
make_tmp(const char *name)
{
	char path[192];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/tmp/%s", dir, name);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	cr_assert_neq(fd, -1);
	return fd;
}

Test(blob, gives_back_the_bytes_that_were_put)
{
	const char bytes[] = "{\"a\":\0001.10}";
	const char *p;
	size_t n;

	cr_assert_eq(
	    blob_put(blob, &id, BLOB_RESULT, bytes, sizeof(bytes)), ERR_OK);
	cr_assert_eq(
	    blob_get(blob, &id, BLOB_RESULT, arena, MANY, &p, &n), ERR_OK);
	cr_expect_eq(n, sizeof(bytes));
	cr_expect_eq(memcmp(p, bytes, n), 0);
	cr_expect_eq(count_tmp(), 0);
}

Test(blob, replaces_a_file_whole)
{
	const char *p;
	size_t n;

	cr_assert_eq(blob_put(blob, &id, BLOB_RESULT, "long old", 8), ERR_OK);
	cr_assert_eq(blob_put(blob, &id, BLOB_RESULT, "new", 3), ERR_OK);
	cr_assert_eq(
	    blob_get(blob, &id, BLOB_RESULT, arena, MANY, &p, &n), ERR_OK);
	cr_expect_str_eq(p, "new");
	cr_expect_eq(n, 3);
}

/* When the file of id was changed, in seconds. */
static int64_t
time_of(const char *name)
{
	char path[192];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s/jobs/%.2s/%s/%s", dir, id.text,
	    id.text, name);
	cr_assert_eq(stat(path, &st), 0);
	return st.st_mtim.tv_sec;
}

/* nginx makes the ETag of size and second: a range of one file must not go on with
 * the rest of another. */
Test(blob, replaces_a_file_by_one_of_a_later_second)
{
	struct blob_file *f;
	int64_t before;
	int i;

	cr_assert_eq(blob_put(blob, &id, BLOB_RESULT, "old", 3), ERR_OK);
	for (i = 0; i < 5; i++) {
		before = time_of("result.json");
		cr_assert_eq(
		    blob_put(blob, &id, BLOB_RESULT, "new", 3), ERR_OK);
		cr_expect_gt(time_of("result.json"), before);
	}
	cr_expect_lt(time_of("result.json"), (int64_t)time(NULL) + 7);
	for (i = 0; i < 2; i++) {
		before = i > 0 ? time_of("artifact.tar.gz") : 0;
		cr_assert_eq(blob_begin(blob, &id, BLOB_ARTIFACT, &f), ERR_OK);
		cr_assert_eq(blob_write(f, "new", 3), ERR_OK);
		cr_assert_eq(blob_sync(f), ERR_OK);
		cr_assert_eq(blob_publish(f, &id, BLOB_ARTIFACT), ERR_OK);
		blob_end(f);
		cr_expect_gt(time_of("artifact.tar.gz"), before);
	}
}

Test(blob, reads_no_file_of_more_bytes_than_asked_for)
{
	const char *p;
	size_t n;

	cr_assert_eq(blob_put(blob, &id, BLOB_RESULT, "12345", 5), ERR_OK);
	cr_expect_eq(
	    blob_get(blob, &id, BLOB_RESULT, arena, 4, &p, &n), ERR_TOOBIG);
	cr_expect_eq(
	    blob_get(blob, &id, BLOB_RESULT, arena, 5, &p, &n), ERR_OK);
}

Test(blob, keeps_an_empty_file_apart_from_none)
{
	const char *p;
	size_t n = 9;

	cr_expect_eq(blob_get(blob, &id, BLOB_RESULT, arena, MANY, &p, &n),
	    ERR_NOTFOUND);
	cr_assert_eq(blob_put(blob, &id, BLOB_RESULT, "", 0), ERR_OK);
	cr_assert_eq(
	    blob_get(blob, &id, BLOB_RESULT, arena, MANY, &p, &n), ERR_OK);
	cr_expect_eq(n, 0);
}

Test(blob, lies_where_an_operator_looks_for_it)
{
	char path[192];
	struct stat st;

	(void)id_parse("0123456789abcdef0123456789ABCDEF", 32, &id);
	cr_assert_eq(blob_put(blob, &id, BLOB_RESULT, "{}", 2), ERR_OK);
	(void)snprintf(path, sizeof(path),
	    "%s/jobs/01/01234567-89ab-cdef-0123-456789abcdef/result.json", dir);
	cr_assert_eq(stat(path, &st), 0);
	cr_expect_eq(st.st_mode & 07, 0, "others may not read it");
}

Test(blob, removes_a_file_and_does_not_mind_none)
{
	const char *p;
	size_t n;

	cr_assert_eq(blob_put(blob, &id, BLOB_RESULT, "{}", 2), ERR_OK);
	cr_assert_eq(blob_remove(blob, &id, BLOB_RESULT), ERR_OK);
	cr_expect_eq(blob_get(blob, &id, BLOB_RESULT, arena, MANY, &p, &n),
	    ERR_NOTFOUND);
	cr_expect_eq(blob_remove(blob, &id, BLOB_RESULT), ERR_OK);
}

Test(blob, gives_a_file_to_another_job_and_survives_the_first)
{
	struct id other;
	const char *buf;
	size_t len;

	id_make(&other);
	cr_expect_eq(
	    blob_link(blob, &id, &other, BLOB_ATTACHMENTS), ERR_NOTFOUND);
	cr_assert_eq(blob_put(blob, &id, BLOB_ATTACHMENTS, "tar", 3), ERR_OK);
	cr_assert_eq(blob_link(blob, &id, &other, BLOB_ATTACHMENTS), ERR_OK);
	/* A new file in the place of the first is no news of the second. */
	cr_assert_eq(blob_put(blob, &id, BLOB_ATTACHMENTS, "new", 3), ERR_OK);
	cr_assert_eq(blob_remove(blob, &id, BLOB_ATTACHMENTS), ERR_OK);
	cr_assert_eq(
	    blob_get(blob, &other, BLOB_ATTACHMENTS, arena, 10, &buf, &len),
	    ERR_OK);
	cr_expect_eq(len, 3);
	cr_expect_str_eq(buf, "tar");
}

Test(blob, sweeps_what_the_dead_left_and_not_what_the_living_write)
{
	struct blob *second;
	int dead, alive;

	dead = make_tmp("0/dead");
	alive = make_tmp("f/alive");
	cr_assert_eq(flock(alive, LOCK_EX | LOCK_NB), 0);
	(void)close(dead);
	cr_assert_eq(blob_open(&second, dir), ERR_OK);
	cr_expect_eq(count_tmp(), 1);
	(void)close(alive);
	blob_close(second);
}

Test(blob, leaves_nothing_behind_when_it_cannot_publish)
{
	char path[192];

	/* A file where the job's directory would be. */
	(void)snprintf(
	    path, sizeof(path), "%s/jobs/%.2s/%s", dir, id.text, id.text);
	(void)close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	cr_expect_eq(blob_put(blob, &id, BLOB_RESULT, "{}", 2), ERR_IO);
	cr_expect_eq(count_tmp(), 0);
}

Test(blob, does_not_follow_a_link_out_of_its_tree)
{
	char path[192], target[128];
	const char *p;
	size_t n;

	cr_assert_eq(blob_put(blob, &id, BLOB_RESULT, "{}", 2), ERR_OK);
	(void)snprintf(path, sizeof(path), "%s/jobs/%.2s/%s/result.json", dir,
	    id.text, id.text);
	(void)snprintf(target, sizeof(target), "%s/secret", dir);
	(void)close(open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	cr_assert_eq(unlink(path), 0);
	cr_assert_eq(symlink(target, path), 0);
	cr_expect_eq(
	    blob_get(blob, &id, BLOB_RESULT, arena, MANY, &p, &n), ERR_IO);
}

/* Whose file did not fit, for who looks for room. */
Test(blob, tells_the_job_of_an_upload_that_does_not_fit)
{
	struct rlimit before, none;
	char text[4096], what[128];
	struct blob_file *f;

	(void)signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
	none = before;
	none.rlim_cur = 0;
	cr_assert_eq(blob_begin(blob, &id, BLOB_ARTIFACT, &f), ERR_OK);
	loglines_catch();
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
	cr_expect_neq(blob_write(f, "new", 3), ERR_OK);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	loglines_release(text, sizeof(text));
	blob_end(f);
	(void)snprintf(
	    what, sizeof(what), "artifact.tar.gz of %s: write: ", id.text);
	cr_expect_eq(loglines_count(text, what), 1, "%s", text);
}
