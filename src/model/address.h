#ifndef ADDRESS_H
#define ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

/* Addresses in fields, as far as they are judged by their looks.  s is valid
 * UTF-8. */

/*
 * scheme://host with a scheme among http, https, ftp, ftps.  The host is a
 * dotted name whose last label has two characters or more, localhost, four
 * numbers, or an IPv6 address in brackets; a user may stand before it, a port
 * and a path without white space or NUL behind.
 */
bool address_is_url(const char *s, size_t len);

/* local@domain, where the domain is a dotted name (letters of any script),
 * localhost, or an IPv4 address in brackets. */
bool address_is_email(const char *s, size_t len);

/* How many bytes of white space of any script the len bytes at p begin with: those of
 * one character, 0 if they begin with something else.  len is not 0. */
size_t address_space_len(const char *p, size_t len);

/* True if white space of any script is in s. */
bool address_has_space(const char *s, size_t len);

#endif /* !ADDRESS_H */
