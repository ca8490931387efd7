/* Submissions, and sweeps by hand. */

#include "sending.h"

#include <criterion/criterion.h>
#include <string.h>

#include "clock.h"
#include "log.h"

/* The time, which stands still unless a case lets it pass. */
static int64_t now = 1800000000000;

void
sending_open(void)
{
	log_setup("unit", LOG_LVL_ERROR);
	fake = fake_broker_new();
	clock_set_for_test(now);
}

void
sending_close(void)
{
	fixture_close(&lab);
	fake_broker_free(fake);
}

void
given_sender(int confirm_ms)
{
	fixture_open_broker(&lab, fake, confirm_ms, "");
}

void
later(int64_t ms)
{
	now += ms;
	clock_set_for_test(now);
}

const char sent_body[] = "{\"job_queue\":\"q\",\"x\":1.10}";

struct id
submit_to(const char *queue)
{
	const struct auth_caller caller = {.token = false};
	struct job_refusal more;
	struct job_new job = {
	    .queue = queue,
	    .body = sent_body,
	    .body_len = strlen(sent_body),
	};

	id_make(&job.id);
	cr_assert_eq(
	    job_submit(&lab.svc, lab.arena, &job, &caller, "r-1", &more),
	    JOB_OK);
	return job.id;
}

static void *
submit_once(void *arg)
{
	((struct submitter *)arg)->id = submit_to("q");
	return NULL;
}

void
begin_submit(struct submitter *s)
{
	cr_assert_eq(pthread_create(&s->thread, NULL, submit_once, s), 0);
}

static enum err
change_nothing(struct db_conn *c, void *arg)
{
	(void)c;
	(void)arg;
	return ERR_OK;
}

/* Outcomes are noted without waiting, with the next change at the latest. */
static void
let_outcomes_be_noted(void)
{
	cr_assert_eq(db_write(lab.svc.db, change_nothing, NULL), ERR_OK);
}

int64_t
unconfirmed(void)
{
	let_outcomes_be_noted();
	return outbox_waiting(&lab.svc);
}

void
given_left_over(struct id *ids, const char *const *queues, size_t n)
{
	size_t i;

	fake_broker_stop(fake);
	for (i = 0; i < n; i++) {
		ids[i] = submit_to(queues == NULL ? "q" : queues[i]);
		later(1);
	}
	cr_assert_eq(unconfirmed(), (int64_t)n);
}

void
given_broker_is_back(void)
{
	fake_broker_start(fake);
	eventually(broker_state(lab.svc.broker) == BROKER_UP);
}

int
sweep_outbox(void)
{
	int sent;

	let_outcomes_be_noted();
	sent = outbox_sweep(&lab.svc, lab.arena);
	arena_reset(lab.arena);
	let_outcomes_be_noted();
	return sent;
}

int
arrivals(const struct id *id)
{
	unsigned i;
	int n = 0;

	for (i = 0; i < count(FAKE_MESSAGES); i++)
		if (message(i)->routed &&
		    strcmp(message(i)->message_id, id->text) == 0)
			n++;
	return n;
}

void
expect_nothing_left(void)
{
	cr_expect_eq(unconfirmed(), 0);
	later(3 * (int64_t)OUTBOX_FIRST_TRY_MS);
	cr_expect_eq(sweep_outbox(), 0);
}
