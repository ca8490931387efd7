#ifndef FIELD_H
#define FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "faults.h"
#include "js.h"

/*
 * The types of fields on the wire, what each accepts and what it says
 * otherwise. Each function judges the member m of doc and returns NULL, or the
 * fault as clients know it and leaves *out alone.  Results live with the arena
 * of doc.
 */

#define FIELD_MISSING "Missing data for required field."
#define FIELD_UNKNOWN "Unknown field."
#define FIELD_NULL "Field may not be null."
#define FIELD_NOT_STRING "Not a valid string."
#define FIELD_NOT_INT "Not a valid integer."
#define FIELD_INT_TOO_LARGE "Number too large."
#define FIELD_NOT_BOOL "Not a valid boolean."
#define FIELD_NOT_LIST "Not a valid list."
#define FIELD_NOT_DATETIME "Not a valid datetime."
#define FIELD_NOT_MAP "Not a valid mapping type."
#define FIELD_NO_MATCH "String does not match expected pattern."
#define FIELD_WRONG_INPUT "Invalid input type."

/* A string, ended by NUL; it may hold others. */
const char *field_string(struct js_doc *doc, const struct js_member *m,
    const char **out, size_t *len);

/* A number, its fraction cut off, or a string of sign and digits. */
const char *field_int(
    struct js_doc *doc, const struct js_member *m, int64_t *out);

/* As field_int(), of the len bytes at s. */
const char *field_int_text(const char *s, size_t len, int64_t *out);

/* A date and time, as datetime_read() takes it: microseconds since 1970-01-01 UTC. */
const char *field_datetime(
    struct js_doc *doc, const struct js_member *m, int64_t *out);
const char *field_datetime_text(const char *s, size_t len, int64_t *out);

/* A boolean in one of the spellings that are taken for one. */
const char *field_bool(
    struct js_doc *doc, const struct js_member *m, bool *out);

/* An object, scanned into *out. */
const char *field_object(
    struct js_doc *doc, const struct js_member *m, struct js_doc *out);

/*
 * A duration in whole seconds: a number of them, or text such as "90", "1h30m"
 * or "2d 5h".  null counts as absent: *none.
 */
const char *field_duration(
    struct js_doc *doc, const struct js_member *m, int64_t *out, bool *none);

/* A list of strings.  False after noting the faults under key, those of an
 * element under its index. */
bool field_strings(struct js_doc *doc, const struct js_member *m,
    const char *key, struct faults *f, const char ***out, size_t *n);

/* Likewise of names, without those that hold a NUL: nobody has such a name, and cut there
 * it would be another one. */
bool field_names(struct js_doc *doc, const struct js_member *m, const char *key,
    struct faults *f, const char ***out, size_t *n);

#endif /* !FIELD_H */
