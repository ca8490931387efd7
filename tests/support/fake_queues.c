/* Messages of all queues in one row, in which those that are gone stay. */

#include "fake_queues.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire.h"

void
fake_queues_settle(struct fake_queues *s, unsigned holder, uint64_t tag,
    bool multiple, bool gone)
{
	struct fake_queued *q;
	size_t i;

	for (i = 0; i < s->n_queued; i++) {
		q = s->queued[i];
		if (q->holder != holder ||
		    (q->tag != tag && (!multiple || q->tag > tag)))
			continue;
		q->holder = 0;
		q->gone |= gone; /* a queue deleted since takes nothing back */
	}
}

struct fake_binding *
fake_queues_route(struct fake_queues *s, const char *exchange, const char *key)
{
	size_t i;

	for (i = 0; i < s->n_bindings; i++)
		if (strcmp(s->bindings[i].exchange, exchange) == 0 &&
		    strcmp(s->bindings[i].key, key) == 0)
			return &s->bindings[i];
	return NULL;
}

struct fake_binding *
fake_queues_of(struct fake_queues *s, const char *queue)
{
	size_t i;

	for (i = 0; i < s->n_bindings; i++)
		if (strcmp(s->bindings[i].queue, queue) == 0)
			return &s->bindings[i];
	return NULL;
}

unsigned
fake_queues_depth(struct fake_queues *s, const char *queue, bool all)
{
	const struct fake_queued *q;
	unsigned n = 0;
	size_t i;

	for (i = 0; i < s->n_queued; i++) {
		q = s->queued[i];
		n += !q->gone && (all || q->holder == 0) &&
		     strcmp(q->queue, queue) == 0;
	}
	return n;
}

void
fake_queues_add(
    struct fake_queues *s, const char *queue, const char *id, size_t len)
{
	struct fake_queued *q = calloc(1, sizeof(*q));

	wire_must(q != NULL, "memory");
	(void)snprintf(q->queue, sizeof(q->queue), "%s", queue);
	(void)snprintf(q->id, sizeof(q->id), "%s", id);
	q->len = len;
	s->queued =
	    wire_grow(s->queued, (s->n_queued + 1) * sizeof(*s->queued));
	s->queued[s->n_queued++] = q;
}

void
fake_queues_put_back(struct fake_queues *s, unsigned holder)
{
	fake_queues_settle(s, holder, UINT64_MAX, true, false);
}

void
fake_queues_bind(struct fake_queues *s, const struct fake_binding *to)
{
	wire_must(s->n_bindings < FAKE_QUEUES_MAX, "too many queues");
	s->bindings[s->n_bindings++] = *to;
}

struct fake_queued *
fake_queues_first(const struct fake_queues *s, const char *queue)
{
	size_t i;

	for (i = 0; i < s->n_queued; i++)
		if (!s->queued[i]->gone && s->queued[i]->holder == 0 &&
		    strcmp(s->queued[i]->queue, queue) == 0)
			return s->queued[i];
	return NULL;
}

const char *
fake_queues_at(const struct fake_queues *s, const char *queue, unsigned i)
{
	size_t k;

	for (k = 0; k < s->n_queued; k++)
		if (!s->queued[k]->gone &&
		    strcmp(s->queued[k]->queue, queue) == 0 && i-- == 0)
			return s->queued[k]->id;
	return "";
}

void
fake_queues_delete(struct fake_queues *s, const char *queue)
{
	size_t i = 0;

	while (i < s->n_bindings) {
		if (strcmp(s->bindings[i].queue, queue) == 0)
			s->bindings[i] = s->bindings[--s->n_bindings];
		else
			i++;
	}
	for (i = 0; i < s->n_queued; i++)
		if (strcmp(s->queued[i]->queue, queue) == 0)
			s->queued[i]->gone = true;
}

void
fake_queues_free(struct fake_queues *s)
{
	size_t i;

	for (i = 0; i < s->n_queued; i++)
		free(s->queued[i]);
	free(s->queued);
}
