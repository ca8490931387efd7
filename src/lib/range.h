#ifndef RANGE_H
#define RANGE_H

#include <stdbool.h>
#include <stdint.h>

/* The Range header (RFC 9110, section 14.2), as nginx reads it. */

/*
 * True if nginx will answer a Range of this text, for a file of size bytes, with 416: it
 * asks for bytes, but for none that are there, or is badly written.
 */
bool range_is_beyond(const char *text, int64_t size);

#endif /* !RANGE_H */
