#ifndef FAULTS_H
#define FAULTS_H

#include <stdbool.h>

#include "arena.h"

/*
 * What is wrong with the fields of a body, gathered so that one reply names it
 * all.
 */

struct json_object;

struct faults {
	struct arena *arena;
	struct json_object *root; /* NULL while there are none */
	unsigned n;
};

/* Beyond so many none is noted: one is enough for a refusal, and a hostile body may
 * hold a million. */
#define FAULTS_MAX 100

void faults_init(struct faults *f, struct arena *a);
bool faults_any(const struct faults *f);

/* text at the path of keys, ended by NULL: faults_add(f, text, "tags", "1",
 * NULL) gives {"tags":{"1":["text"]}}. */
void faults_add(struct faults *f, const char *text, ...)
    __attribute__((sentinel));

/* {"tags":{"1":["text"]}} as JSON text of the arena; NULL without memory. */
const char *faults_json(const struct faults *f);

#endif /* !FAULTS_H */
