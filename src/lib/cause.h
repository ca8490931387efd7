#ifndef CAUSE_H
#define CAUSE_H

/* Who causes a change, and by which request: known to the thread that serves it, and carried
 * along to where the change is made, so that the journal can tell. */

struct cause {
	const char *request_id; /* "" or NULL: none */
	const char
	    *client; /* the client id of the caller's token; NULL: anonymous */
	const char
	    *agent; /* the agent's name that the request carries; NULL: none */
	const char *
	    connection; /* of the client to the web server, "" or NULL: unknown */
};

/* This thread acts for c from now on, which must live until the next call; NULL: for the
 * server itself. */
void cause_set(const struct cause *c);

/* For whom this thread acts; never NULL. */
const struct cause *cause_now(void);

#endif /* !CAUSE_H */
