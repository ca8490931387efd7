#ifndef FORMAT_H
#define FORMAT_H

#include <stdbool.h>
#include <stddef.h>

/* Forms of texts, as today's API judges them. */

/*
 * An absolute address: scheme http, https, ftp or ftps; perhaps user and password; a
 * dotted name whose last label has two characters or more, or localhost, or four
 * numbers, or colons and hexadecimal digits in brackets; perhaps a port; then the end,
 * or "/" or "?" and no white space.
 */
bool format_url(const char *s, size_t len);

/* Where scheme and authority of such an address end. */
size_t format_url_origin(const char *s);

#endif /* !FORMAT_H */
