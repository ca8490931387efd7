#ifndef LOG_OFTEN_H
#define LOG_OFTEN_H

#include <stdbool.h>

/* What comes again with each turn of a loop, and would fill the log. */

/*
 * Whether it is to be told now that what failed, for the reason why: the first time, and when a
 * minute has passed since it was told.  *missed: how many times it was not told since.  It
 * remembers the 32 that were told last, of the whole process.
 */
bool log_often(const char *what, const char *why, unsigned *missed);

#endif /* !LOG_OFTEN_H */
