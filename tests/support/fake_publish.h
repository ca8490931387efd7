#ifndef FAKE_PUBLISH_H
#define FAKE_PUBLISH_H

#include "fake_state.h"

/* Messages that come to the fake broker: noted, put on their queues, confirmed or not as it was
 * ordered.  r: what is left of the frame to be read. */

/* basic.publish on that channel. */
void fake_publish_begin(struct fake_broker *b, struct fake_conn *c,
    unsigned channel, struct wire_reader *r);

/* The header, and a part of the body, of the message under way; with the last of these it has
 * come whole. */
void fake_publish_header(
    struct fake_broker *b, struct fake_conn *c, struct wire_reader *r);
void fake_publish_body(
    struct fake_broker *b, struct fake_conn *c, struct wire_reader *r);

/* Confirm all that was held on this connection. */
void fake_publish_release(struct fake_broker *b, struct fake_conn *c);

/* NULL is allowed. */
void fake_publish_free(struct fake_msg *m);

#endif /* !FAKE_PUBLISH_H */
