/* A hash set with open addressing; it holds copies. */

#include "broker_declared.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A power of two, filled to a half. */
#define SLOTS 32768

bool
broker_declared_init(struct broker_declared *d)
{
	d->slots = calloc(SLOTS, sizeof(d->slots[0]));
	return d->slots != NULL;
}

void
broker_declared_free(struct broker_declared *d)
{
	if (d->slots != NULL)
		broker_declared_forget(d);
	free(d->slots);
}

/* FNV-1a, for names that were checked before. */
static size_t
hash(const char *s)
{
	uint64_t h = 14695981039346656037U;

	for (; *s != '\0'; s++)
		h = (h ^ (unsigned char)*s) * 1099511628211U;
	return (size_t)h;
}

static char **
slot_of(const struct broker_declared *d, const char *queue)
{
	size_t i = hash(queue) & (SLOTS - 1);

	while (d->slots[i] != NULL && strcmp(d->slots[i], queue) != 0)
		i = (i + 1) & (SLOTS - 1);
	return &d->slots[i];
}

bool
broker_declared_has(const struct broker_declared *d, const char *queue)
{
	return *slot_of(d, queue) != NULL;
}

void
broker_declared_add(struct broker_declared *d, const char *queue)
{
	char **slot;

	if (d->n == SLOTS / 2)
		broker_declared_forget(d);
	slot = slot_of(d, queue);
	if (*slot == NULL && (*slot = strdup(queue)) != NULL)
		d->n++;
}

void
broker_declared_forget(struct broker_declared *d)
{
	size_t i;

	if (d->n == 0)
		return;
	for (i = 0; i < SLOTS; i++) {
		free(d->slots[i]);
		d->slots[i] = NULL;
	}
	d->n = 0;
}
