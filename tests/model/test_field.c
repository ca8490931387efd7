/* Dates, times and numbers as the wire has them. */

#include <criterion/criterion.h>
#include <string.h>

#include "field.h"

static void
expect_time(const char *text, int64_t us)
{
	int64_t got = -1;

	cr_expect_null(
	    field_datetime_text(text, strlen(text), &got), "%s", text);
	cr_expect_eq(got, us, "%s: %lld", text, (long long)got);
}

Test(field, reads_every_form_of_a_time)
{
	static const int64_t t = INT64_C(1795594200) * 1000000;

	expect_time("1970-01-01T00:00:00Z", 0);
	expect_time("1970-1-1 0:0", 0);
	expect_time("2026-11-25T08:10:00", t);
	expect_time("2026-11-25 08:10:00Z", t);
	expect_time("2026-11-25T8:10Z", t);
	expect_time("2026-11-25T09:10:00+01", t);
	expect_time("2026-11-25T09:40:00+0130", t);
	expect_time("2026-11-25T02:40:00.000000-05:30", t);
	expect_time("2026-11-25T08:10:00.5", t + 500000);
	expect_time("2026-11-25T08:10:00.000001234567+00:00", t + 1);
	expect_time("2024-02-29T00:00", INT64_C(1709164800) * 1000000);
	expect_time("2000-02-29T00:00", INT64_C(951782400) * 1000000);
	expect_time("0001-01-01T00:00:00+23:59",
	    (INT64_C(-62135596800) - 86340) * 1000000);
	expect_time("9999-12-31T23:59:59.999999",
	    INT64_C(253402300799) * 1000000 + 999999);
}

Test(field, refuses_what_is_no_time)
{
	static const char *const bad[] = {"", "2026", "2026-11-25",
	    "2026-11-25T", "2026-11-25T08", "2026-11-25t08:10",
	    "2026-11-25  08:10", "2026-11-25T08:10z", "2026-11-25T08:10 Z",
	    "2026-11-25T08:10:", "2026-11-25T08:10:00.", "2026-11-25T08:10+1",
	    "2026-11-25T08:10+01:", "2026-11-25T08:10+24:00",
	    "2026-11-25T08:10+01:000", "2026-11-25T08:10 +01:00",
	    "2026-11-25T24:00", "2026-11-25T08:60", "2026-11-25T08:10:60",
	    "2026-13-01T00:00", "2026-00-01T00:00", "2026-01-00T00:00",
	    "2026-01-32T00:00", "2026-02-29T00:00", "1900-02-29T00:00",
	    "0000-01-01T00:00", "26-11-25T08:10", "02026-11-25T08:10",
	    "2026-011-25T08:10", " 2026-11-25T08:10", "2026-11-25T08:10Z ",
	    "1795594200", "now"};
	int64_t got;
	size_t i;

	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_str_eq(
		    field_datetime_text(bad[i], strlen(bad[i]), &got),
		    "Not a valid datetime.", "%s", bad[i]);
	cr_expect_not_null(
	    field_datetime_text("2026-11-25T08:10\0Z", 18, &got));
}

/* White space of any script stands around a number, as it comes from a web page. */
Test(field, reads_a_number_with_white_space_around)
{
	static const char *const good[] = {"5", " +5\n", "\302\2405\302\205",
	    "\342\200\203\034 5\343\200\200"};
	static const char *const bad[] = {
	    "", " ", "\302\240", "5\342\200\213", "- 5", "5 5", "5\0", "\302"};
	int64_t got = 0;
	size_t i;

	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		got = 0;
		cr_expect_null(field_int_text(good[i], strlen(good[i]), &got));
		cr_expect_eq(got, 5, "'%s'", good[i]);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_str_eq(
		    field_int_text(bad[i], i == 6 ? 2 : strlen(bad[i]), &got),
		    FIELD_NOT_INT, "'%s'", bad[i]);
}
