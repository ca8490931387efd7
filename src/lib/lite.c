#include "lite.h"

#include <stdio.h>

struct lite *
lite_of(struct db_conn *c)
{
	return (struct lite *)c;
}

const char *
lite_beside(const struct lite *l, const char *suffix, char out[LITE_PATH_LEN])
{
	(void)snprintf(out, LITE_PATH_LEN, "%s%s", l->where, suffix);
	return out;
}
