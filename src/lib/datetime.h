#ifndef DATETIME_H
#define DATETIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A date and time as text (ISO 8601), the len bytes at s: "2026-11-25T08:30:00.25+01:00".  One
 * space may stand for the T, seconds and their fraction may be missing, and no offset means UTC.
 * *us: microseconds since 1970-01-01 UTC; digits beyond them are cut off.  False, and *us as it
 * was, for anything else.
 */
bool datetime_read(const char *s, size_t len, int64_t *us);

#endif /* !DATETIME_H */
