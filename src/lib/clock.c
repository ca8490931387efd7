/* Time, and its RFC 3339 text. */

#include "clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Two clocks are not read at one moment; what took longer is read again. */
#define MOMENT_MS 1000
#define BOOT_FILE "/proc/sys/kernel/random/boot_id"
#define SETTLED_MS (INT64_C(60) * 60 * 1000)

static _Atomic int64_t set_ms, skipped_ms;
static _Atomic(const char *) test_boot;
static pthread_once_t boot_once = PTHREAD_ONCE_INIT;
static char boot[64];

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
clock_ahead_ms(int64_t *now_ms)
{
	int64_t before, mono = clock_mono_ms();

	do {
		before = mono;
		*now_ms = clock_now_ms();
		mono = clock_mono_ms();
	} while (mono - before > MOMENT_MS);
	return *now_ms - mono;
}

static void
read_boot(void)
{
	int fd = open(BOOT_FILE, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, boot, sizeof(boot) - 1) : 0;

	boot[n > 0 ? n : 0] = '\0';
	boot[strcspn(boot, "\n")] = '\0';
	if (fd >= 0)
		(void)close(fd);
}

const char *
clock_boot(void)
{
	const char *test = atomic_load(&test_boot);

	(void)pthread_once(&boot_once, read_boot);
	return test != NULL ? test : boot;
}

void
clock_boot_for_test(const char *as)
{
	atomic_store(&test_boot, as);
}

int64_t
clock_was_set(struct clock_watch *w)
{
	int64_t now, offset = clock_ahead_ms(&now);
	int64_t by = w->begun ? offset - w->offset_ms : 0;

	w->begun = true;
	w->offset_ms = offset;
	if (by > -CLOCK_STEP_MS && by < CLOCK_STEP_MS)
		return 0;
	w->set_ms = now - offset;
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
