/* Logs: fragments of text, each there once and in its place. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "joblog.h"

#define SECOND INT64_C(1000000)

static struct fixture f;
static struct id id;

static void
setup(void)
{
	fixture_open(&f, "");
	id_make(&id);
}

static void
teardown(void)
{
	fixture_close(&f);
}

TestSuite(joblog, .init = setup, .fini = teardown);

static enum err
append(int64_t number, int64_t at, const char *text, size_t len)
{
	const struct joblog_fragment g = {
	    .number = number,
	    .at = at,
	    .phase = PHASE_TEST,
	    .text = text,
	    .len = len,
	};

	return joblog_append(&f.svc, &id, JOBLOG_OUTPUT, &g);
}

/* A fragment of the output of the test phase, made at as many seconds. */
static void
put(int64_t number, const char *text)
{
	cr_assert_eq(
	    append(number, number * SECOND, text, strlen(text)), ERR_OK);
}

static const char *
path_of_log(void)
{
	static char path[256];

	(void)snprintf(path, sizeof(path), "%s/jobs/%.2s/%s/log.output.test",
	    f.dir, id.text, id.text);
	return path;
}

static struct joblog_query
query(int64_t number, int64_t at)
{
	return (struct joblog_query){JOBLOG_OUTPUT, PHASE_TEST, number, at};
}

/* What is read, by pieces of n bytes; NULL if there is no such log. */
static const char *
read_by(struct joblog_query q, size_t n, int64_t *last)
{
	struct joblogs logs;
	struct buf b;
	char *piece;
	size_t got = 1;

	cr_assert_eq(joblog_list(&f.svc, &id, &q, &logs), ERR_OK);
	*last = -1;
	if (logs.n == 0)
		return NULL;
	cr_assert_eq(logs.n, 1);
	*last = logs.logs[0].last;
	buf_init(&b, f.arena, 64);
	buf_str(&b, "");
	piece = arena_alloc(f.arena, n);
	while (got > 0) {
		cr_assert_eq(
		    joblog_read(&f.svc, &logs, 0, piece, n, &got), ERR_OK);
		buf_add(&b, piece, got);
	}
	joblog_close(&logs);
	return b.p;
}

static void
expect_log(int64_t number, int64_t at, int64_t want_last, const char *want)
{
	static const size_t sizes[] = {1, 3, 65536};
	const char *text;
	int64_t last;
	size_t i;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		text = read_by(query(number, at), sizes[i], &last);
		cr_assert_eq(last, want_last, "last %lld", (long long)last);
		if (want == NULL)
			cr_assert_null(text);
		else
			cr_assert_str_eq(text, want);
	}
}

static void
expect_all(int64_t last, const char *want)
{
	expect_log(INT64_MIN, INT64_MIN, last, want);
}

static void
spoil(const char *bytes)
{
	int fd = open(path_of_log(), O_WRONLY | O_APPEND | O_CLOEXEC);

	cr_assert_neq(fd, -1);
	cr_assert_eq(write(fd, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
	(void)close(fd);
}

static off_t
size_of_log(void)
{
	struct stat st;

	cr_assert_eq(stat(path_of_log(), &st), 0);
	return st.st_size;
}

Test(joblog, of_an_unknown_job_is_kept_as_one_file)
{
	expect_all(-1, NULL);
	put(0, "one\n");
	put(1, "two\n");
	expect_all(1, "one\ntwo\n");
	cr_expect_eq(size_of_log(), 8);
}

Test(joblog, has_a_repeated_fragment_once)
{
	put(0, "a");
	put(1, "b");
	put(1, "b");
	put(0, "a");
	expect_all(1, "ab");
	cr_expect_eq(size_of_log(), 2);
}

Test(joblog, keeps_two_texts_of_one_number_in_the_order_they_came)
{
	put(0, "a");
	put(1, "x");
	put(1, "y");
	put(2, "z");
	put(1, "x");
	expect_all(2, "axyz");
	put(1, "w");
	expect_all(2, "axywz");
}

Test(joblog, puts_late_fragments_into_their_place)
{
	put(5, "five ");
	put(-3, "minus ");
	put(9, "nine ");
	put(7, "seven ");
	put(0, "zero ");
	expect_all(9, "minus zero five seven nine ");
	expect_log(0, INT64_MIN, 9, "zero five seven nine ");
	expect_log(8, INT64_MIN, 9, "nine ");
	expect_log(10, INT64_MIN, -1, NULL);
}

Test(joblog, is_read_from_a_number_and_from_a_time_on)
{
	put(2, "two ");
	put(4, "four ");
	put(8, "eight ");
	expect_log(2, INT64_MIN, 8, "two four eight ");
	expect_log(3, INT64_MIN, 8, "four eight ");
	expect_log(8, INT64_MIN, 8, "eight ");
	expect_log(9, INT64_MIN, -1, NULL);
	expect_log(0, 4 * SECOND, 8, "four eight ");
	expect_log(0, 4 * SECOND + 1, 8, "eight ");
	expect_log(0, 8 * SECOND + 1, -1, NULL);
	expect_log(3, 2 * SECOND, 8, "four eight ");
}

Test(joblog, tells_the_last_number_among_those_of_a_time)
{
	cr_assert_eq(append(1, 50, "new ", 4), ERR_OK);
	cr_assert_eq(append(2, 10, "old ", 4), ERR_OK);
	expect_log(0, 20, 1, "new ");
	expect_log(0, 10, 2, "new old ");
}

Test(joblog, may_have_empty_fragments)
{
	put(0, "");
	expect_all(0, "");
	put(0, "x");
	put(1, "");
	put(1, "");
	put(1, "y");
	put(2, "");
	put(0, "");
	expect_all(2, "xy");
	expect_log(2, INT64_MIN, 2, "");
	expect_log(2, 1, 2, "");
}

Test(joblog, keeps_every_byte)
{
	static const char text[] = "a\0b\xf0\x9f\x98\x80\n";
	struct joblog_query q = query(0, INT64_MIN);
	struct joblogs logs;
	char got[sizeof(text)];
	size_t n;

	cr_assert_eq(append(0, 0, text, sizeof(text)), ERR_OK);
	cr_assert_eq(joblog_list(&f.svc, &id, &q, &logs), ERR_OK);
	cr_assert_eq(
	    joblog_read(&f.svc, &logs, 0, got, sizeof(got), &n), ERR_OK);
	joblog_close(&logs);
	cr_expect_eq(n, sizeof(text));
	cr_expect_eq(memcmp(got, text, n), 0);
}

/* More rows than one page of extents, none beside the next. */
Test(joblog, walks_any_number_of_extents)
{
	char text[16], want[2000 * 6 + 1];
	size_t n = 0;
	int i;

	for (i = 1999; i >= 0; i--) {
		(void)snprintf(text, sizeof(text), "%05d\n", i);
		put(i, i % 3 == 0 ? "" : text);
	}
	for (i = 0; i < 2000; i++)
		if (i % 3 != 0)
			n += (size_t)snprintf(
			    want + n, sizeof(want) - n, "%05d\n", i);
	expect_all(1999, want);
	expect_log(500, 1500 * SECOND, 1999, strstr(want, "01501\n"));
}

/* What a process that dies before its commit leaves in the file. */
Test(joblog, does_not_show_what_was_never_committed)
{
	put(0, "good ");
	spoil("half of a fragm");
	expect_all(0, "good ");
	put(1, "next ");
	expect_all(1, "good next ");
	cr_expect_eq(size_of_log(), 10);
}

static enum err
forget(struct db_conn *c, void *arg)
{
	return joblog_forget(c, arg);
}

/* A crash before the first commit leaves a file that no row knows of. */
Test(joblog, begins_behind_no_leftover_of_a_first_append)
{
	put(0, "x");
	cr_assert_eq(db_write(f.svc.db, forget, &id), ERR_OK);
	spoil("y");
	expect_all(-1, NULL);
	put(3, "z");
	expect_all(3, "z");
	cr_expect_eq(size_of_log(), 1);
}

Test(joblog, that_is_forgotten_does_not_come_back)
{
	put(0, "old run ");
	put(1, "old run ");
	cr_assert_eq(db_write(f.svc.db, forget, &id), ERR_OK);
	expect_all(-1, NULL);
	put(5, "new");
	expect_all(5, "new");
	cr_expect_eq(size_of_log(), 3);
}

/* Its file is replaced, not written over. */
Test(joblog, is_read_to_its_end_by_who_has_it_open)
{
	struct joblog_query q = query(0, INT64_MIN);
	struct joblogs logs;
	char got[64] = "";
	size_t n;

	put(0, "of the former run");
	cr_assert_eq(joblog_list(&f.svc, &id, &q, &logs), ERR_OK);
	cr_assert_eq(db_write(f.svc.db, forget, &id), ERR_OK);
	put(0, "something else that is longer");
	cr_assert_eq(
	    joblog_read(&f.svc, &logs, 0, got, sizeof(got) - 1, &n), ERR_OK);
	joblog_close(&logs);
	cr_expect_str_eq(got, "of the former run");
}

Test(joblog, shows_a_reader_nothing_that_comes_after_its_opening)
{
	struct joblog_query q = query(0, INT64_MIN);
	struct joblogs logs;
	char got[64] = "";
	size_t n;

	put(2, "two ");
	put(1, "one ");
	cr_assert_eq(joblog_list(&f.svc, &id, &q, &logs), ERR_OK);
	put(0, "zero ");
	put(3, "three ");
	cr_assert_eq(
	    joblog_read(&f.svc, &logs, 0, got, sizeof(got) - 1, &n), ERR_OK);
	joblog_close(&logs);
	cr_expect_str_eq(got, "one two ");
}

Test(joblog, that_was_deleted_by_hand_is_none_and_begins_anew)
{
	put(0, "a");
	put(1, "b");
	cr_assert_eq(unlink(path_of_log()), 0);
	expect_all(-1, NULL);
	put(2, "c");
	expect_all(2, "c");
}

Test(joblog, that_was_cut_is_an_error_before_the_first_byte)
{
	struct joblog_query q = query(0, INT64_MIN);
	struct joblogs logs;

	put(0, "long enough");
	cr_assert_eq(truncate(path_of_log(), 3), 0);
	cr_expect_eq(joblog_list(&f.svc, &id, &q, &logs), ERR_IO);
}

/* Neither a look at the file nor at the rows of fragments. */
Test(joblog, needs_no_file_for_a_poll_at_its_end)
{
	put(0, "a");
	cr_assert_eq(truncate(path_of_log(), 0), 0);
	expect_log(1, INT64_MIN, -1, NULL);
}

/* A disk that refuses: a file may not grow beyond so many bytes. */
Test(joblog, keeps_nothing_of_a_fragment_that_the_disk_refuses)
{
	static char text[40000];
	struct rlimit old, small;

	memset(text, 'x', sizeof(text));
	put(0, "good ");
	/* The store must go on: let it have made room for itself before. */
	cr_assert_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = old;
	small.rlim_cur = 20000;
	(void)signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	cr_expect_eq(append(1, 0, text, sizeof(text)), ERR_IO);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
	expect_all(0, "good ");
	cr_expect_eq(size_of_log(), 5);
	put(1, "again");
	expect_all(1, "good again");
}

#define THREADS 8
#define EACH 40

static void *
append_many(void *arg)
{
	int t = *(const int *)arg, i;
	char text[32];

	for (i = 0; i < EACH; i++) {
		(void)snprintf(text, sizeof(text), "<%d.%d>", t, i);
		/* Each twice, as after a lost answer. */
		put(i * THREADS + t, text);
		put(i * THREADS + t, text);
	}
	return NULL;
}

/* Also two threads that repeat the same ones against each other. */
Test(joblog, takes_fragments_of_many_threads_once_each)
{
	char want[THREADS * EACH * 8 + 1];
	pthread_t threads[2 * THREADS];
	int numbers[THREADS], i, t;
	size_t n = 0;

	for (t = 0; t < THREADS; t++)
		numbers[t] = t;
	for (t = 0; t < 2 * THREADS; t++)
		cr_assert_eq(pthread_create(&threads[t], NULL, append_many,
				 &numbers[t % THREADS]),
		    0);
	for (t = 0; t < 2 * THREADS; t++)
		(void)pthread_join(threads[t], NULL);
	for (i = 0; i < EACH; i++)
		for (t = 0; t < THREADS; t++)
			n += (size_t)snprintf(
			    want + n, sizeof(want) - n, "<%d.%d>", t, i);
	expect_all(THREADS * EACH - 1, want);
	cr_expect_eq(size_of_log(), (off_t)n);
}

Test(joblog, keeps_types_and_phases_apart)
{
	static const struct joblog_query all = {
	    JOBLOG_TYPE__MAX, PHASE__MAX, INT64_MIN, INT64_MIN};
	struct joblog_fragment g = {.number = 1, .text = "x", .len = 1};
	struct joblogs logs;
	enum joblog_type t;
	bool seen[JOBLOG_TYPE__MAX][PHASE__MAX] = {{false}};
	enum phase p;
	size_t i;

	for (t = 0; t < JOBLOG_TYPE__MAX; t++)
		for (p = 0; p < PHASE__MAX; p++) {
			g.phase = p;
			cr_assert_eq(joblog_append(&f.svc, &id, t, &g), ERR_OK);
		}
	cr_assert_eq(joblog_list(&f.svc, &id, &all, &logs), ERR_OK);
	cr_expect_eq(logs.n, JOBLOG_TYPE__MAX * PHASE__MAX);
	for (i = 0; i < logs.n; i++)
		seen[logs.logs[i].type][logs.logs[i].phase] = true;
	joblog_close(&logs);
	for (t = 0; t < JOBLOG_TYPE__MAX; t++)
		for (p = 0; p < PHASE__MAX; p++)
			cr_expect(seen[t][p]);
}

Test(joblog, of_a_former_run_is_not_the_new_ones)
{
	static const char *const runs[] = {
	    "{\"job_queue\":\"q\",\"test_data\":{},\"n\":1,"
	    "\"job_id\":\"7be00000-0000-4000-8000-00000000000b\"}",
	    "{\"job_queue\":\"q\",\"test_data\":{},\"n\":2,"
	    "\"job_id\":\"7be00000-0000-4000-8000-00000000000b\"}"};

	(void)id_parse("7be0000000004000800000000000000b", 32, &id);
	put(0, "before the job ");
	cr_assert_eq(fixture_submit(&f, runs[0], &id), JOB_OK);
	put(1, "first run");
	expect_all(1, "before the job first run");
	cr_assert_eq(fixture_submit(&f, runs[0], &id), JOB_OK);
	cr_assert_eq(job_cancel(&f.svc, &id), ERR_OK);
	expect_all(1, "before the job first run");
	cr_assert_eq(fixture_submit(&f, runs[1], &id), JOB_OK);
	expect_all(-1, NULL);
	put(0, "second run");
	expect_all(0, "second run");
}
