/* What tf-agent does beside requests. */

#include "advert.h"
#include "agent_times.h"
#include "clock.h"
#include "log.h"
#include "queue.h"
#include "routes.h"

#define PAUSE_MS 60000
/* Who could not say anything because no server ran gets so much time, or the shorter
 * age if that is less. */
#define GRACE_MS 300000

static int64_t
grace_ms(const struct conf *c)
{
	const int64_t ages[] = {conf_int(c, CONF_AGENT_MAX_AGE) * 1000,
	    conf_int(c, CONF_QUEUE_MAX_AGE) * 1000};
	int64_t ms = GRACE_MS;
	size_t i;

	for (i = 0; i < sizeof(ages) / sizeof(ages[0]); i++)
		if (ages[i] > 0 && ages[i] < ms)
			ms = ages[i];
	return ms;
}

static enum err
tidy(struct svc *s, bool forget)
{
	enum err e = agent_times_write(s);

	if (e == ERR_OK && forget)
		e = agent_times_forget_silent(s);
	if (e == ERR_OK)
		e = advert_tidy(s, forget);
	return e == ERR_OK && forget ? queue_forget_unused(s) : e;
}

void
tidy_run(struct svc *s, bool (*stopping)(void), void (*sleep_ms)(int))
{
	int64_t grace = grace_ms(s->conf), begun = clock_mono_ms();
	int64_t pause = grace / 2 < PAUSE_MS ? grace / 2 : PAUSE_MS;
	struct clock_watch watch = {.begun = false};
	bool last;

	do {
		sleep_ms((int)pause);
		/* Once more at the end, for the time until the next start. */
		last = stopping();
		(void)clock_was_set(&watch);
		if (tidy(s, !last && clock_is_settled(&watch) &&
				clock_mono_ms() - begun >= grace) != ERR_OK)
			log_warn("the times of agents and queues could not be "
				 "written down; the next minute tries again");
	} while (!last);
}

void
agent_background(struct svc *s)
{
	tidy_run(s, app_stopping, app_sleep_ms);
}
