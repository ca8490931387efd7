#ifndef SHAPE_H
#define SHAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "faults.h"
#include "js.h"

/*
 * Objects on the wire as tables of fields.  An object is judged by its shape
 * and written again in the form in which it is kept: what is understood in that
 * form, and all else, and an object in which nothing changes, byte for byte.
 * Of a key that comes twice the last counts, and it alone is kept.
 */

#define SHAPE_FIELDS_MAX 32

/* What one reading needs. */
struct shaping {
	struct arena *arena; /* lives as long as the reading */
	struct arena *scratch; /* emptied after each element of a list */
	struct faults *faults; /* NULL: the first fault ends it, unnoted */
	struct buf *out; /* fails without memory */
};

struct shape_field;

/*
 * Judge the member m, which stands at a place in the body, and append what is
 * kept of it to s->out: nothing to leave it out.  False after noting its faults,
 * and then what was appended counts for nothing.
 */
typedef bool shape_reader(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at);

struct shape_field {
	const char *name; /* NULL: of an element */
	shape_reader *read;
	bool required;
	/* Of a string that is one: what is wrong with it, or NULL. */
	const char *(*check)(const char *s, size_t len);
	const struct shape_field *each; /* of a list */
	size_t min, max; /* elements of a list; max 0: any number */
	const struct shape *shape; /* of an object */
};

struct shape {
	const struct shape_field *fields;
	size_t n; /* at most SHAPE_FIELDS_MAX */
	bool open; /* unknown fields are kept, but for those it refuses */
	bool (*refuses)(const struct js_member *m); /* may be NULL */
	/* Of an object whose fields are good; may be NULL. */
	bool (*rule)(const struct js_doc *in);
};

/* Rows of a table, and the table of a shape. */
#define FIELD(field_name, reader, ...)                                         \
	{                                                                      \
		.name = (field_name), .read = (reader), __VA_ARGS__            \
	}
#define SHAPE_OF(table)                                                        \
	.fields = (table), .n = sizeof(table) / sizeof((table)[0])

shape_reader shape_string, shape_url, shape_email, shape_int, shape_bool,
    shape_duration; /* without a duration it is left out */
shape_reader shape_any_object; /* of any content */
shape_reader shape_object; /* of field->shape */
shape_reader shape_list; /* of field->each; not within an element */

/* The members of in, an object; at is where it stands, NULL: the body. */
bool shape_members(struct shaping *s, const struct shape *shape,
    const struct js_doc *in, const struct fault_path *at);

/* Note a fault; always false. */
bool shape_fault(
    struct shaping *s, const struct fault_path *at, const char *text);

/* A member as it came; always true. */
bool shape_as_is(struct shaping *s, const struct js_member *m);

/* Scan an object; false without memory, which s->out remembers. */
bool shape_scan(
    struct shaping *s, struct js_doc *doc, const struct js_member *m);

/* Forget what was appended since s->out was from long. */
void shape_undo(struct shaping *s, size_t from);

#endif /* !SHAPE_H */
