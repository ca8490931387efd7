#ifndef PREFER_H
#define PREFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The Prefer header (RFC 7240). */

/* The seconds of wait=N in the header's value (section 4.3), at most INT32_MAX.  False
 * if there is none; a preference that cannot be read is none (section 2). */
bool prefer_wait(const char *value, int64_t *seconds);

/* text as delta-seconds (RFC 9111, section 1.2.2), at most INT32_MAX; false if it is
 * anything but digits. */
bool prefer_seconds(const char *text, size_t len, int64_t *seconds);

#endif /* !PREFER_H */
