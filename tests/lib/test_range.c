/* The Range header, as nginx reads it. */

#include <criterion/criterion.h>

#include "range.h"

Test(range, knows_what_is_behind_the_end_of_a_file)
{
	static const struct {
		const char *text;
		int64_t size;
		bool beyond;
	} rows[] = {
	    {"bytes=0-", 10, false},
	    {"bytes=9-", 10, false},
	    {"bytes=10-", 10, true},
	    {"BYTES=10-", 10, true},
	    {"bytes=10-20", 10, true},
	    {"bytes=9-20", 10, false},
	    {"bytes=-1", 10, false},
	    {"bytes=-11", 10, false},
	    {"bytes=-0", 10, true},
	    {"bytes=5-4", 10, true},
	    {"bytes=0-0,20-", 10, false},
	    {"bytes=20-,0-0", 10, false},
	    {"bytes=20-,30-40", 10, true},
	    {"bytes= 1 - 2 , 3-4", 10, false},
	    {"bytes=99999999999999999999999999-", 10, true},
	    {"bytes=0-99999999999999999999999999", 10, true},
	    {"bytes=", 10, false},
	    {"bytes=-", 10, true},
	    {"bytes=a-b", 10, true},
	    {"bytes=1", 10, true},
	    {"bytes=0-1,", 10, true},
	    {"bytes=0-1;", 10, true},
	    {"bytes=0-1-2", 10, true},
	    {"bytes=0-", 0, false},
	    {"bytes=-5", 0, false},
	    {"bytes=1-", 0, true},
	    {"lines=99-", 10, false},
	    {"", 10, false},
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		cr_expect_eq(range_is_beyond(rows[i].text, rows[i].size),
		    rows[i].beyond, "'%s' of %lld", rows[i].text,
		    (long long)rows[i].size);
}
