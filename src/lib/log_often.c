/* A few of them, by their hash. */

#include "log_often.h"

#include <pthread.h>
#include <string.h>

#include "clock.h"
#include "hash.h"

#define KINDS 32
#define PAUSE_MS 60000

struct kind {
	uint64_t hash; /* 0: free */
	int64_t told_ms; /* monotonic */
	unsigned missed;
};

static struct kind kinds[KINDS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static uint64_t
hash_of(const char *what, const char *why)
{
	return hash_end(hash_add(
	    hash_add(UINT64_C(0xcbf29ce484222325), what, strlen(what) + 1), why,
	    strlen(why)));
}

/* Its place, or the one to be given up for it: a free one, or that of the longest silence. */
static struct kind *
place_of(uint64_t hash)
{
	struct kind *k, *oldest = kinds;

	for (k = kinds; k < kinds + KINDS; k++) {
		if (k->hash == hash)
			return k;
		if (k->hash == 0 ||
		    (oldest->hash != 0 && k->told_ms < oldest->told_ms))
			oldest = k;
	}
	return oldest;
}

bool
log_often(const char *what, const char *why, unsigned *missed)
{
	uint64_t hash = hash_of(what, why);
	int64_t now = clock_mono_ms();
	struct kind *k;
	bool due;

	*missed = 0;
	(void)pthread_mutex_lock(&mutex);
	k = place_of(hash);
	due = k->hash != hash || now - k->told_ms >= PAUSE_MS;
	if (due) {
		*missed = k->hash == hash ? k->missed : 0;
		*k = (struct kind){.hash = hash, .told_ms = now};
	} else {
		k->missed++;
	}
	(void)pthread_mutex_unlock(&mutex);
	return due;
}
