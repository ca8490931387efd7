/* Which order holds: that for a queue goes before that for all others. */

#include "fake_state.h"

#include <string.h>

static enum fake_when
when_of(enum fake_act act)
{
	if (act >= FAKE_REFUSE_TAKE)
		return FAKE_TAKING;
	return act >= FAKE_REFUSE_DECLARE ? FAKE_DECLARING : FAKE_PUBLISHING;
}

struct fake_order *
fake_state_order(struct fake_broker *b, const char *queue)
{
	size_t i;

	for (i = 0; i < b->n_orders; i++)
		if (strcmp(b->orders[i].queue, queue) == 0)
			return &b->orders[i];
	return NULL;
}

enum fake_act
fake_state_act(struct fake_broker *b, const char *queue, enum fake_when when)
{
	struct fake_order *o = fake_state_order(b, queue);
	enum fake_act act;

	if (o == NULL)
		o = fake_state_order(b, "");
	if (o == NULL || when_of(o->act) != when)
		return FAKE_CONFIRM;
	act = o->act;
	if (o->left != FAKE_ALWAYS && --o->left == 0)
		o->act = FAKE_CONFIRM;
	return act;
}
