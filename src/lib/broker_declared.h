#ifndef BROKER_DECLARED_H
#define BROKER_DECLARED_H

#include <stdbool.h>
#include <stddef.h>

/* The queues that were declared since the broker may last have lost some; a bounded set of
 * their names.  One thread at a time. */

struct broker_declared {
	char **slots;
	size_t n;
};

/* An empty set; false without memory.  d is zero before. */
bool broker_declared_init(struct broker_declared *d);

/* Also of one that was not made. */
void broker_declared_free(struct broker_declared *d);

bool broker_declared_has(const struct broker_declared *d, const char *queue);

/* One that is full forgets all others first; without memory nothing is added. */
void broker_declared_add(struct broker_declared *d, const char *queue);
void broker_declared_forget(struct broker_declared *d);

#endif /* !BROKER_DECLARED_H */
