/* Lists for the order of arrival, hashes for names, a heap for the ends. */

#include "parked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096 /* a power of two */

struct parked_set {
	uint64_t last_number;
	struct parked *agents[BUCKETS];
	struct parked_queue *queues[BUCKETS];
	struct parked_queue *ring; /* any of them; NULL: none */
	struct parked_queue *walk; /* the next; NULL: not walking */
	size_t walk_left;
	size_t n_queues;
	struct parked_queue *dirty, *last_dirty;
	struct parked **heap; /* the first to end at 0 */
	size_t n, room;
};

/* FNV-1a. */
static size_t
bucket(const char *name)
{
	uint32_t h = 2166136261U;

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 16777619U;
	return (h ^ (h >> 16)) & (BUCKETS - 1);
}

struct parked_set *
parked_set_new(void)
{
	return calloc(1, sizeof(struct parked_set));
}

void
parked_set_free(struct parked_set *s)
{
	if (s == NULL)
		return;
	free(s->heap);
	free(s);
}

static bool
named_before(const char *const *queues, size_t i)
{
	size_t k;

	for (k = 0; k < i; k++)
		if (strcmp(queues[k], queues[i]) == 0)
			return true;
	return false;
}

/* Until it is in a set, the names of its queues lie behind it. */
struct parked *
parked_new(const char *agent, const char *const *queues, size_t n)
{
	size_t len = strlen(agent) + 1, bytes = sizeof(struct parked) + len, i;
	struct parked *p;
	char *text;

	for (i = 0; i < n && bytes <= PARKED_BYTES_MAX; i++)
		bytes += sizeof(struct parked_wait) +
			 sizeof(struct parked_queue) + strlen(queues[i]) + 1;
	if (bytes > PARKED_BYTES_MAX)
		return NULL;
	p = calloc(1, sizeof(*p) + n * sizeof(p->on[0]) + len);
	if (p == NULL)
		return NULL;
	text = (char *)&p->on[n];
	memcpy(text, agent, len);
	p->agent = text;
	p->applied_s = -1;
	for (i = 0; i < n; i++) {
		struct parked_queue *q;

		if (named_before(queues, i))
			continue;
		len = strlen(queues[i]) + 1;
		q = calloc(1, sizeof(*q) + len);
		if (q == NULL) {
			parked_free(NULL, p);
			return NULL;
		}
		memcpy(q->text, queues[i], len);
		q->name = q->text;
		p->on[p->n].who = p;
		p->on[p->n++].queue = q;
	}
	return p;
}

static void
unmark(struct parked_set *s, struct parked_queue *q)
{
	struct parked_queue **at = &s->dirty, *before = NULL;

	if (!q->dirty)
		return;
	for (; *at != q; at = &(*at)->next_dirty)
		before = *at;
	*at = q->next_dirty;
	if (s->last_dirty == q)
		s->last_dirty = before;
	q->dirty = false;
}

static void
queue_free(struct parked_set *s, struct parked_queue *q)
{
	struct parked_queue **at = &s->queues[bucket(q->name)];

	/* It is in its bucket. */
	while (*at != NULL && *at != q)
		at = &(*at)->hash_next;
	if (*at != NULL)
		*at = q->hash_next;
	unmark(s, q);
	if (s->walk == q)
		s->walk = q->next;
	if (s->ring == q)
		s->ring = q->next;
	if (q->next == q)
		s->ring = s->walk = NULL;
	q->prev->next = q->next;
	q->next->prev = q->prev;
	s->n_queues--;
	free(q);
}

void
parked_free(struct parked_set *s, struct parked *p)
{
	size_t i;

	for (i = 0; i < p->n; i++)
		if (p->number == 0)
			free(p->on[i].queue);
		else if (--p->on[i].queue->refs == 0)
			queue_free(s, p->on[i].queue);
	free(p->client);
	free(p);
}

const char *
parked_name(const struct parked *p, size_t i)
{
	return p->on[i].queue->name;
}

struct parked_queue *
parked_queue(const struct parked_set *s, const char *name)
{
	struct parked_queue *q = s->queues[bucket(name)];

	while (q != NULL && strcmp(q->name, name) != 0)
		q = q->hash_next;
	return q;
}

/* A queue that others name too is one. */
static void
know_queue(struct parked_set *s, struct parked_wait *w)
{
	struct parked_queue *q = parked_queue(s, w->queue->name), **at;

	if (q != NULL) {
		free(w->queue);
		w->queue = q;
		q->refs++;
		return;
	}
	q = w->queue;
	at = &s->queues[bucket(q->name)];
	q->hash_next = *at;
	*at = q;
	q->refs = 1;
	q->next = s->ring != NULL ? s->ring : q;
	q->prev = s->ring != NULL ? s->ring->prev : q;
	q->prev->next = q;
	q->next->prev = q;
	s->ring = q;
	s->n_queues++;
}

/* Who comes back has arrived earlier than most; new ones go behind the last at once. */
static void
wait_on(struct parked_wait *w)
{
	struct parked_queue *q = w->queue;
	struct parked_wait *after = q->last;

	if (after != NULL && after->who->number > w->who->number) {
		after = NULL;
		while ((after != NULL ? after->next : q->first)->who->number <
		       w->who->number)
			after = after != NULL ? after->next : q->first;
	}
	w->prev = after;
	w->next = after != NULL ? after->next : q->first;
	*(after != NULL ? &after->next : &q->first) = w;
	*(w->next != NULL ? &w->next->prev : &q->last) = w;
}

static void
wait_no_more(struct parked_wait *w)
{
	*(w->prev != NULL ? &w->prev->next : &w->queue->first) = w->next;
	*(w->next != NULL ? &w->next->prev : &w->queue->last) = w->prev;
}

static void
heap_set(struct parked_set *s, size_t i, struct parked *p)
{
	s->heap[i] = p;
	p->heap_at = i;
}

/* Find the place of p, for which there is a gap at i. */
static void
heap_place(struct parked_set *s, size_t i, struct parked *p)
{
	size_t child;

	while (i > 0 && s->heap[(i - 1) / 2]->until_ms > p->until_ms) {
		heap_set(s, i, s->heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	while ((child = 2 * i + 1) < s->n) {
		if (child + 1 < s->n &&
		    s->heap[child + 1]->until_ms < s->heap[child]->until_ms)
			child++;
		if (s->heap[child]->until_ms >= p->until_ms)
			break;
		heap_set(s, i, s->heap[child]);
		i = child;
	}
	heap_set(s, i, p);
}

static bool
heap_grow(struct parked_set *s)
{
	size_t room = s->room == 0 ? 64 : 2 * s->room;
	struct parked **heap;

	if (s->n < s->room)
		return true;
	heap = realloc(s->heap, room * sizeof(struct parked *));
	if (heap == NULL)
		return false;
	s->heap = heap;
	s->room = room;
	return true;
}

bool
parked_put(struct parked_set *s, struct parked *p)
{
	struct parked **at = &s->agents[bucket(p->agent)];
	size_t i;

	if (!heap_grow(s))
		return false;
	if (p->number == 0) {
		p->number = ++s->last_number;
		for (i = 0; i < p->n; i++)
			know_queue(s, &p->on[i]);
	}
	for (i = 0; i < p->n; i++)
		wait_on(&p->on[i]);
	p->agent_next = *at;
	*at = p;
	s->n++;
	heap_place(s, s->n - 1, p);
	return true;
}

void
parked_out(struct parked_set *s, struct parked *p)
{
	struct parked **at = &s->agents[bucket(p->agent)], *last;
	size_t i;

	while (*at != p)
		at = &(*at)->agent_next;
	*at = p->agent_next;
	for (i = 0; i < p->n; i++)
		wait_no_more(&p->on[i]);
	last = s->heap[--s->n];
	if (last != p)
		heap_place(s, p->heap_at, last);
}

size_t
parked_count(const struct parked_set *s)
{
	return s->n;
}

static bool
is_of(const struct parked *p, const char *agent, const char *client)
{
	if (strcmp(p->agent, agent) != 0)
		return false;
	if (p->client == NULL || client == NULL)
		return p->client == client;
	return strcmp(p->client, client) == 0;
}

struct parked *
parked_of(const struct parked_set *s, const char *agent, const char *client)
{
	struct parked *p = s->agents[bucket(agent)];

	while (p != NULL && !is_of(p, agent, client))
		p = p->agent_next;
	return p;
}

struct parked *
parked_named(const struct parked_set *s, const char *agent)
{
	struct parked *p = s->agents[bucket(agent)];

	while (p != NULL && strcmp(p->agent, agent) != 0)
		p = p->agent_next;
	return p;
}

struct parked *
parked_next(const struct parked_set *s)
{
	return s->n > 0 ? s->heap[0] : NULL;
}

void
parked_each(const struct parked_set *s, size_t part,
    void (*each)(const struct parked *p, void *arg), void *arg)
{
	const size_t n = BUCKETS / PARKED_PARTS;
	const struct parked *p;
	size_t i;

	for (i = part * n; i < (part + 1) * n; i++)
		for (p = s->agents[i]; p != NULL; p = p->agent_next)
			each(p, arg);
}

void
parked_mark(struct parked_set *s, struct parked_queue *q)
{
	if (q->dirty)
		return;
	q->dirty = true;
	q->next_dirty = NULL;
	if (s->dirty == NULL)
		s->dirty = q;
	else
		s->last_dirty->next_dirty = q;
	s->last_dirty = q;
}

struct parked_queue *
parked_marked(struct parked_set *s)
{
	struct parked_queue *q = s->dirty;

	if (q != NULL)
		unmark(s, q);
	return q;
}

void
parked_walk(struct parked_set *s)
{
	s->walk = s->ring;
	s->walk_left = s->n_queues;
}

/* Those that come meanwhile are looked at anyway; those that go leave fewer. */
struct parked_queue *
parked_walked(struct parked_set *s)
{
	struct parked_queue *q = s->walk;

	if (q == NULL || s->walk_left == 0)
		return NULL;
	s->walk_left--;
	s->walk = q->next;
	return q;
}

void
parked_append(struct parked_list *l, struct parked *p)
{
	p->next = NULL;
	*(l->first != NULL ? &l->last->next : &l->first) = p;
	l->last = p;
}

struct parked *
parked_shift(struct parked_list *l)
{
	struct parked *p = l->first;

	if (p != NULL)
		l->first = p->next;
	return p;
}
