/* The store is read alone: who is chosen has yet to take a job. */

#include "hold_look.h"

#include <stdlib.h>

#include "clock.h"
#include "eligible.h"

#define FEW 64 /* of those who wait in a queue, the first to be asked */
#define LOOK_MS 1000 /* between two looks at all queues */
#define SLICE 64 /* queues of such a look at a time */

struct hold_look {
	struct parked_set *set;
	struct eligible_asker *askers;
	struct parked **who; /* beside askers */
	size_t room; /* of both */
	int64_t due_ms; /* of the next look at all queues */
	bool walking; /* in the middle of one */
};

struct hold_look *
hold_look_new(struct parked_set *set)
{
	struct hold_look *l = calloc(1, sizeof(*l));

	if (l != NULL)
		l->set = set;
	return l;
}

void
hold_look_free(struct hold_look *l)
{
	if (l == NULL)
		return;
	free(l->askers);
	free(l->who);
	free(l);
}

static bool
make_room(struct hold_look *l, size_t n)
{
	struct eligible_asker *askers;
	struct parked **who;

	if (n <= l->room)
		return true;
	askers = realloc(l->askers, n * sizeof(*askers));
	if (askers == NULL)
		return false;
	l->askers = askers;
	who = realloc(l->who, n * sizeof(struct parked *));
	if (who == NULL)
		return false;
	l->who = who;
	l->room = n;
	return true;
}

/* The first most of those who wait in the queue; how many there are. */
static size_t
gather(struct hold_look *l, const struct parked_queue *q, size_t most)
{
	const struct parked_wait *w;
	size_t n = 0;

	for (w = q->first; w != NULL && n < most; w = w->next, n++) {
		if (n == l->room && !make_room(l, n == 0 ? FEW : 2 * n))
			break;
		l->who[n] = w->who;
		l->askers[n] = (struct eligible_asker){
		    .agent = w->who->agent,
		    .verified = w->who->client != NULL,
		};
	}
	return n;
}

/* Those of the first n of l->who for whom there is a job. */
static size_t
chosen(const struct hold_look *l, size_t n, struct parked **out)
{
	size_t i, m = 0;

	for (i = 0; i < n; i++)
		if (l->askers[i].chosen)
			out[m++] = l->who[i];
	return m;
}

size_t
hold_look_choose(struct hold_look *l, struct svc *svc,
    const struct parked_queue *q, struct parked *out[HOLD_LOOK_CHOSEN_MAX])
{
	size_t most = FEW, n, m;

	do {
		n = gather(l, q, most);
		if (n == 0 || eligible_choose(svc, q->name, l->askers, n,
				  HOLD_LOOK_CHOSEN_MAX) != ERR_OK)
			return 0;
		m = chosen(l, n, out);
		/* Without any there are only jobs that the first may not have. */
	} while (m == 0 && n == most && (most = SIZE_MAX) != 0);
	return m;
}

void
hold_look_all(struct hold_look *l)
{
	parked_walk(l->set);
	l->walking = true;
	l->due_ms = clock_mono_ms() + LOOK_MS;
}

static void
look_further(struct hold_look *l, struct svc *svc)
{
	struct parked_queue *q[SLICE];
	const char *names[SLICE];
	bool waits[SLICE];
	size_t n = 0, i;

	while (n < SLICE && (q[n] = parked_walked(l->set)) != NULL) {
		names[n] = q[n]->name;
		n++;
	}
	l->walking = n == SLICE;
	if (n == 0 || eligible_queues(svc, names, n, waits) != ERR_OK)
		return;
	for (i = 0; i < n; i++)
		if (waits[i])
			parked_mark(l->set, q[i]);
}

int64_t
hold_look_due_ms(const struct hold_look *l)
{
	if (l->walking)
		return 0;
	return parked_count(l->set) > 0 ? l->due_ms : INT64_MAX;
}

void
hold_look_on(struct hold_look *l, struct svc *svc)
{
	if (!l->walking && clock_mono_ms() >= hold_look_due_ms(l))
		hold_look_all(l);
	if (l->walking)
		look_further(l, svc);
}
