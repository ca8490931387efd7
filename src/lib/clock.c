/* Time, and its RFC 3339 text. */

#include "clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#define STEP_MS 10000
#define SETTLED_MS (INT64_C(60) * 60 * 1000)

static _Atomic int64_t set_ms, skipped_ms;

static int64_t
read_ms(clockid_t which)
{
	struct timespec t;

	/* Cannot fail for these two clocks. */
	(void)clock_gettime(which, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t
clock_now_ms(void)
{
	int64_t ms = atomic_load(&set_ms);

	return ms != 0 ? ms : read_ms(CLOCK_REALTIME);
}

int64_t
clock_mono_ms(void)
{
	return read_ms(CLOCK_MONOTONIC) + atomic_load(&skipped_ms);
}

void
clock_skip_for_test(int64_t ms)
{
	(void)atomic_fetch_add(&skipped_ms, ms);
}

int64_t
clock_was_set(struct clock_watch *w)
{
	int64_t mono = clock_mono_ms(), offset = clock_now_ms() - mono;
	int64_t by = w->begun ? offset - w->offset_ms : 0;

	w->begun = true;
	w->offset_ms = offset;
	if (by > -STEP_MS && by < STEP_MS)
		return 0;
	w->set_ms = mono;
	return by;
}

bool
clock_is_settled(const struct clock_watch *w)
{
	return w->set_ms == 0 || clock_mono_ms() - w->set_ms > SETTLED_MS;
}

void
clock_text(int64_t ms, char out[CLOCK_TEXT_LEN])
{
	time_t s = (time_t)(ms / 1000);
	struct tm t;

	if (gmtime_r(&s, &t) == NULL ||
	    strftime(out, CLOCK_TEXT_LEN, "%Y-%m-%dT%H:%M:%SZ", &t) == 0)
		(void)snprintf(out, CLOCK_TEXT_LEN, "1970-01-01T00:00:00Z");
}

void
clock_set_for_test(int64_t ms)
{
	atomic_store(&set_ms, ms);
}
