/* Texts of a row. */

#include "column.h"

#include <string.h>

#include "js_escape.h"

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

bool
column_is(struct db_stmt *s, int i, const char *word)
{
	size_t len;
	const char *p = db_text(s, i, &len);

	return p != NULL && len == strlen(word) && memcmp(p, word, len) == 0;
}

void
column_put(struct buf *b, const char *key, struct db_stmt *s, int i)
{
	size_t len;
	const char *p = db_text(s, i, &len);

	if (p == NULL)
		return;
	buf_printf(b, "\"%s\":", key);
	js_put_string(b, p, len);
	buf_char(b, ',');
}
