#ifndef FAKE_CONN_H
#define FAKE_CONN_H

#include "fake_state.h"

/* Connections to the fake broker, from their first byte to their end. */

/* A socket on the port of loopback, 0: any. */
int fake_conn_bound(int port);

/* Listen, unless it does; and cut all connections and refuse new ones. */
void fake_conn_listen(struct fake_broker *b);
void fake_conn_stop(struct fake_broker *b);

/* The thread: until b->ending.  It takes the lock itself. */
void *fake_conn_serve(void *b);

/* At once, though the thread may hold it in its poll; what it has got is back. */
void fake_conn_end(struct fake_broker *b, struct fake_conn *c);
void fake_conn_cut_all(struct fake_broker *b);

/* Send what there is to say, as far as the client reads. */
void fake_conn_flush(struct fake_broker *b, struct fake_conn *c);

/* Do what the frames say that are there and may be read. */
void fake_conn_input(struct fake_broker *b, struct fake_conn *c);

#endif /* !FAKE_CONN_H */
