/* Crashes: what the disk holds at one moment, and a server started on that. */

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "schema.h"
#include "sending.h"

TestSuite(
    outbox_crash, .init = sending_open, .fini = sending_close, .timeout = 120);

static int
lock_store(void)
{
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/state.db.lock", lab.dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	cr_assert_eq(flock(fd, LOCK_EX), 0);
	return fd;
}

static void
copy_file(const char *to_dir, const char *from_dir, const char *name)
{
	char path[128], chunk[65536];
	int from, to;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "%s/%s", from_dir, name);
	from = open(path, O_RDONLY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "%s/%s", to_dir, name);
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cr_assert(from != -1 && to != -1, "%s", name);
	while ((n = read(from, chunk, sizeof(chunk))) > 0)
		cr_assert_eq(write(to, chunk, (size_t)n), n);
	(void)close(from);
	(void)close(to);
}

static void
copy_store(const char *to_dir, const char *from_dir)
{
	copy_file(to_dir, from_dir, "state.db");
	copy_file(to_dir, from_dir, "state.db-wal");
}

/* Nobody writes meanwhile. */
static void
copy_disk(char to_dir[64])
{
	int fd = lock_store();

	fixture_mkdir(to_dir);
	copy_store(to_dir, lab.dir);
	(void)close(fd);
}

/* From now on f is the server that was started on disk after the crash. */
static void
restart_on(const char *disk)
{
	fixture_close(&lab);
	given_sender(PATIENT_MS);
	svc_close(&lab.svc);
	copy_store(lab.dir, disk);
	fixture_rmdir(disk);
	cr_assert_eq(svc_open(&lab.svc, lab.conf, &model_schema,
			 SVC_DB | SVC_BLOB | SVC_BROKER, "unit"),
	    ERR_OK);
}

static void
expect_sent_after_crash(const struct id *id, unsigned already)
{
	const struct fake_msg *m;

	cr_expect_eq(unconfirmed(), 1);
	cr_assert_eq(count(FAKE_MESSAGES), already);
	later(OUTBOX_FIRST_TRY_MS);
	cr_expect_eq(sweep_outbox(), 1);
	cr_assert_eq(count(FAKE_MESSAGES), already + 1);
	m = message(already);
	cr_expect_str_eq(m->message_id, id->text);
	cr_expect_str_eq(m->body, sent_body);
	cr_expect(m->routed);
	expect_nothing_left();
}

Test(outbox_crash, sends_a_job_whose_server_crashed_before_it_had_sent_it)
{
	struct submitter s;
	char disk[64];

	given_sender(HASTY_MS);
	fake_broker_order(fake, NULL, FAKE_HANG_DECLARE, 1);
	begin_submit(&s);
	eventually(count(FAKE_DECLARED) == 2);
	copy_disk(disk);
	(void)pthread_join(s.thread, NULL);
	restart_on(disk);
	expect_sent_after_crash(&s.id, 0);
}

Test(outbox_crash, sends_again_a_job_whose_server_crashed_before_the_confirm)
{
	struct submitter s;
	char disk[64];

	given_sender(PATIENT_MS);
	fake_broker_order(fake, NULL, FAKE_HOLD, 1);
	begin_submit(&s);
	eventually(count(FAKE_HELD) == 1);
	copy_disk(disk);
	fake_broker_release(fake);
	(void)pthread_join(s.thread, NULL);
	restart_on(disk);
	expect_sent_after_crash(&s.id, 1);
}

Test(outbox_crash,
    sends_again_a_job_whose_server_crashed_before_it_had_noted_the_confirm)
{
	struct submitter s;
	char disk[64];
	int fd;

	given_sender(PATIENT_MS);
	fake_broker_order(fake, NULL, FAKE_HOLD, 1);
	begin_submit(&s);
	eventually(count(FAKE_HELD) == 1);
	fixture_mkdir(disk);
	fd = lock_store();
	fake_broker_release(fake);
	(void)pthread_join(s.thread, NULL);
	copy_store(disk, lab.dir);
	(void)close(fd);
	restart_on(disk);
	expect_sent_after_crash(&s.id, 1);
}
