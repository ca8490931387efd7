#ifndef PACE_H
#define PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Long replies.  The web server takes the begin of a reply at once, however slow its
 * client is; for what is beyond that a thread of ours waits.  So only some may do that at
 * a time, and none for a client that takes less than PACE_RATE.
 */

/* Bytes that the web server has room for; a little less than fastcgi_buffers in
 * nginx/testflinger.conf, a test compares them. */
#define PACE_FREE ((size_t)1100 * 1024)

/* Bytes in a second that a client must take, on the whole, after PACE_GRACE_MS: nginx and
 * the kernel pass them on in lumps. */
#define PACE_RATE 16384
#define PACE_GRACE_MS 60000

/* What one reply has come to; all zero at its begin. */
struct pace {
	size_t sent; /* bytes, for the sender to add to */
	size_t from; /* bytes that were sent when it became a long one */
	int64_t since_ms; /* when that was */
	bool place;
};

/* Whether a long reply that begins now would find one of most places. */
bool pace_room(unsigned most);

/* Before more is sent, at now_ms of clock_mono_ms(): false if it may not be, for want of
 * a place or because the client is too slow.  Then break the reply off. */
bool pace_go_on(struct pace *p, unsigned most, int64_t now_ms);

/* The reply has ended; may be called again. */
void pace_end(struct pace *p);

#endif /* !PACE_H */
