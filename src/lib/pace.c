/* Places for long replies, and how fast they must go. */

#include "pace.h"

#include <stdatomic.h>

static atomic_uint taken;

bool
pace_room(unsigned most)
{
	return atomic_load(&taken) < most;
}

static bool
take_place(unsigned most)
{
	if (atomic_fetch_add(&taken, 1) < most)
		return true;
	(void)atomic_fetch_sub(&taken, 1);
	return false;
}

bool
pace_go_on(struct pace *p, unsigned most, int64_t now_ms)
{
	int64_t late_ms;

	if (p->sent < PACE_FREE)
		return true;
	if (!p->place) {
		p->place = take_place(most);
		p->from = p->sent;
		p->since_ms = now_ms;
		return p->place;
	}
	late_ms = now_ms - p->since_ms - PACE_GRACE_MS;
	return late_ms <= 0 ||
	       (int64_t)(p->sent - p->from) >= late_ms * PACE_RATE / 1000;
}

void
pace_end(struct pace *p)
{
	if (p->place)
		(void)atomic_fetch_sub(&taken, 1);
	p->place = false;
}
