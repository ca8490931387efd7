#ifndef FAULTS_H
#define FAULTS_H

#include <stdbool.h>
#include <stddef.h>

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

/* A place in a body, from the inside out: usually on the stack of whoever goes
 * down into it. */
struct fault_path {
	const struct fault_path *up; /* NULL: a field of the body itself */
	const char *key; /* NULL: an element of a list */
	size_t index; /* of that element */
};

/* As faults_add(), at a path; the same text at the same place only once. */
void faults_at(struct faults *f, const struct fault_path *at, const char *text);

/* The text by itself in place of a list, as clients know a few. */
void faults_bare(
    struct faults *f, const struct fault_path *at, const char *text);

/* {"tags":{"1":["text"]}} as JSON text of the arena; NULL without memory. */
const char *faults_json(const struct faults *f);

#endif /* !FAULTS_H */
