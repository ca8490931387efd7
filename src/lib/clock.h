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

/* How far the wall clock is ahead of the monotonic one, milliseconds.  That changes when it is
 * set, or as a host goes on that was asleep, and when the host starts; *now_ms: the wall clock. */
int64_t clock_ahead_ms(int64_t *now_ms);

/* Less than this is no step. */
#define CLOCK_STEP_MS 10000

/* The host's start by which the monotonic clock counts, as a text; "" if it is not told.  The
 * first call reads a file. */
const char *clock_boot(void);

/* Whether somebody sets the wall clock; begins as {0}. */
struct clock_watch {
	bool begun;
	int64_t offset_ms; /* of the wall clock to the monotonic one */
	int64_t set_ms; /* when it was set last, monotonic; 0: not so far */
};

/* By how much the wall clock was set since the last look; 0 at the first, and for less
 * than CLOCK_STEP_MS. */
int64_t clock_was_set(struct clock_watch *w);

/* The clock has run evenly for an hour, or since the first look: what is old by it is old.  A
 * clock that was set wrong is right again by then, or somebody has seen it. */
bool clock_is_settled(const struct clock_watch *w);

/* ms as RFC 3339 in UTC with whole seconds and Z, as clients parse it. */
void clock_text(int64_t ms, char out[CLOCK_TEXT_LEN]);

/* From now on the wall clock stands at ms; 0 lets it run again.  For tests. */
void clock_set_for_test(int64_t ms);

/* The host was started anew, as this, or "" where it does not tell; NULL: it was not.  For
 * tests. */
void clock_boot_for_test(const char *boot);

/* The monotonic clock goes on ms further than it is.  For tests. */
void clock_skip_for_test(int64_t ms);

#endif /* !CLOCK_H */
