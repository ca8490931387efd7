/* What most cases ask the broker for. */

#include "one_broker.h"

#include <criterion/criterion.h>

struct fake_broker *fake;

unsigned
count(enum fake_count what)
{
	return fake_broker_count(fake, what);
}

const struct fake_msg *
message(unsigned i)
{
	const struct fake_msg *m = fake_broker_message(fake, i);

	cr_assert_not_null(m, "message %u", i);
	return m;
}
