/* One copy of a text. */

#include "column.h"

const char *
column_text(
    struct arena *a, struct db_stmt *s, int i, size_t *len, bool *failed)
{
	size_t n;
	const char *p = db_text(s, i, &n);

	if (p == NULL)
		return NULL;
	if ((p = arena_dup(a, p, n)) == NULL)
		*failed = true;
	if (len != NULL)
		*len = n;
	return p;
}
