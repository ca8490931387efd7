/* A list of names, walked from its end in each round. */

#include "trim_consumed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "trim_mark.h"

/* How often to see whether consumers have gone. */
#define CONSUMERS_MS INT64_C(60000)

void
trim_consumed_await(struct trim_consumed *w, const char *queue)
{
	size_t i, room = w->room == 0 ? 16 : 2 * w->room;
	void *names;

	for (i = 0; i < w->n; i++)
		if (strcmp(w->names[i], queue) == 0)
			return;
	if (w->n == w->room) {
		names = realloc(w->names, room * sizeof(*w->names));
		if (names == NULL)
			return;
		w->names = names;
		w->room = room;
	}
	if (w->n == 0)
		w->next_ms = clock_mono_ms() + CONSUMERS_MS;
	(void)snprintf(w->names[w->n++], sizeof(w->names[0]), "%s", queue);
}

/* Look whether the queue has consumers yet; else it is forgotten here and marked. */
static enum err
look_at_consumers(
    struct trim_consumed *w, size_t i, struct db *db, struct broker_tap *tap)
{
	int64_t messages, consumers = 0;
	enum err e;

	e = broker_tap_look(tap, w->names[i], &messages, &consumers);
	if (e == ERR_BROKER || (e == ERR_OK && consumers > 0))
		return e;
	if (e == ERR_OK)
		e = trim_mark_queue(db, w->names[i]);
	/* One that is not there, or not to be looked at, has none that are told. */
	if (e == ERR_OK || e == ERR_NOTFOUND || e == ERR_CONFLICT)
		memmove(w->names[i], w->names[--w->n], sizeof(w->names[i]));
	return e;
}

enum err
trim_consumed_look(struct trim_consumed *w, struct db *db,
    struct broker_tap *tap, int64_t until_ms, bool *more)
{
	enum err e = ERR_OK;
	unsigned i;

	if (w->left == 0 && w->n > 0 && clock_mono_ms() >= w->next_ms) {
		w->left = w->n;
		w->next_ms = clock_mono_ms() + CONSUMERS_MS;
	}
	/* From the last to the first, so that one that was looked at takes the place of
	 * each that goes. */
	for (i = 0; i < TRIM_QUEUES_MAX && w->left > 0 && e != ERR_BROKER &&
		    clock_mono_ms() < until_ms;
	     i++)
		e = look_at_consumers(w, --w->left, db, tap);
	*more = e != ERR_BROKER && w->left > 0;
	return e;
}

void
trim_consumed_forget(struct trim_consumed *w)
{
	w->n = w->left = 0;
}

void
trim_consumed_free(struct trim_consumed *w)
{
	free(w->names);
}
