#ifndef CLOCK_H
#define CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* The only source of time; tests set it. */

#define CLOCK_TEXT_LEN sizeof("2026-11-24T10:00:00Z")

/* Wall clock, milliseconds since 1970-01-01 UTC. */
int64_t clock_now_ms(void);

/* Monotonic clock, milliseconds, for time-outs and intervals. */
int64_t clock_mono_ms(void);

/* Whether somebody sets the wall clock; begins as {0}. */
struct clock_watch {
	bool begun;
	int64_t offset_ms; /* of the wall clock to the monotonic one */
	int64_t set_ms; /* when it was set last, monotonic; 0: not so far */
};

/* By how much the wall clock was set since the last look; 0 at the first, and for less
 * than 10 seconds. */
int64_t clock_was_set(struct clock_watch *w);

/* The clock has run evenly for an hour, or since the first look: what is old by it is old.  A
 * clock that was set wrong is right again by then, or somebody has seen it. */
bool clock_is_settled(const struct clock_watch *w);

/* ms as RFC 3339 in UTC with whole seconds and Z, as clients parse it. */
void clock_text(int64_t ms, char out[CLOCK_TEXT_LEN]);

/* From now on the wall clock stands at ms; 0 lets it run again.  For tests. */
void clock_set_for_test(int64_t ms);

/* The monotonic clock goes on ms further than it is.  For tests. */
void clock_skip_for_test(int64_t ms);

#endif /* !CLOCK_H */
