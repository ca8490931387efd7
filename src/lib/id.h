#ifndef ID_H
#define ID_H

#include <stdbool.h>
#include <stddef.h>

/* UUIDs (RFC 9562): made at random, read in the spellings clients use, kept in
 * one: 36 characters, lower case, dashed. */

#define ID_LEN 36

struct id {
	char text[ID_LEN + 1];
};

/* A new random one (version 4). */
void id_make(struct id *out);

/*
 * Read the len bytes at s: 32 hexadecimal digits of either case, dashes
 * anywhere among them, in braces or not, after "urn:uuid:", "urn:" or "uuid:"
 * or not.  Version and variant are not looked at.  False if it is none
 * of these; out is then untouched.
 */
bool id_parse(const char *s, size_t len, struct id *out);

#endif /* !ID_H */
