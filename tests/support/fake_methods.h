#ifndef FAKE_METHODS_H
#define FAKE_METHODS_H

#include "fake_state.h"

/* What the fake broker answers to each method of AMQP. */

/* A whole frame of that type has come; r: its payload.  The connection may be at its end
 * afterwards. */
void fake_methods_frame(struct fake_broker *b, struct fake_conn *c,
    unsigned type, unsigned channel, struct wire_reader *r);

/* Tell the client, once, that the broker is blocked. */
void fake_methods_blocked(struct fake_conn *c);

#endif /* !FAKE_METHODS_H */
