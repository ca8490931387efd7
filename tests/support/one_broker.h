#ifndef ONE_BROKER_H
#define ONE_BROKER_H

#include "fake_broker.h"

/* The fake broker of a case, which the case makes and frees. */
extern struct fake_broker *fake;

/* For what is not answered in time. */
#define HASTY_MS 400

unsigned count(enum fake_count what);

/* Message i that it has got, which there must be. */
const struct fake_msg *message(unsigned i);

#endif /* !ONE_BROKER_H */
