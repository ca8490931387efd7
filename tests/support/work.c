/* Connections make themselves known when they are opened, as extensions are loaded. */

#include "work.h"

#include <criterion/criterion.h>
#include <sqlite3.h>

#define CONNECTIONS_MAX 64

static sqlite3 *known[CONNECTIONS_MAX];
static size_t n_known;

static int
on_open(sqlite3 *db, const char **fault, const struct sqlite3_api_routines *api)
{
	(void)fault;
	(void)api;
	cr_assert_lt(n_known, CONNECTIONS_MAX);
	known[n_known++] = db;
	return SQLITE_OK;
}

void
work_count(void)
{
	n_known = 0;
	cr_assert_eq(
	    sqlite3_auto_extension((void (*)(void))on_open), SQLITE_OK);
}

int64_t
work_done(void)
{
	sqlite3_stmt *st;
	int64_t n = 0;
	size_t i;

	for (i = 0; i < n_known; i++)
		for (st = sqlite3_next_stmt(known[i], NULL); st != NULL;
		     st = sqlite3_next_stmt(known[i], st))
			n += sqlite3_stmt_status(
			    st, SQLITE_STMTSTATUS_VM_STEP, 1);
	return n;
}
