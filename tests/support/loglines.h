#ifndef LOGLINES_H
#define LOGLINES_H

#include <stddef.h>

/* Between these two, what the process writes to its log comes into a pipe, also where files
 * cannot grow: up to 64 KiB. */
void loglines_catch(void);

/* All of it, as much as has room, ended by NUL. */
void loglines_release(char *text, size_t room);

/* How often s is in text. */
unsigned loglines_count(const char *text, const char *s);

#endif /* !LOGLINES_H */
