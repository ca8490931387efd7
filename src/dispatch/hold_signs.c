/* A part of them at a time, so that nobody who waits for a job is held up. */

#include "hold_signs.h"

#include "clock.h"

#define PAUSE_MS 1000

static void
touch(const struct parked *p, void *arg)
{
	struct svc *svc = arg;

	seen_touch(svc->seen, SEEN_AGENT, p->agent, clock_now_ms());
}

int64_t
hold_signs_due_ms(const struct hold_signs *s)
{
	if (s->part > 0)
		return 0;
	return parked_count(s->set) > 0 ? s->due_ms : INT64_MAX;
}

void
hold_signs_on(struct hold_signs *s, struct svc *svc)
{
	int64_t now = clock_mono_ms();

	if (now < hold_signs_due_ms(s))
		return;
	if (s->part == 0)
		s->due_ms = now + PAUSE_MS;
	parked_each(s->set, s->part, touch, svc);
	s->part = (s->part + 1) % PARKED_PARTS;
}
