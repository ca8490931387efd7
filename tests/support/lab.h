#ifndef LAB_H
#define LAB_H

#include "fixture.h"

/* One server, what agents tell it of their jobs, and what is seen of these, in the words of the
 * cases. */

/* Opened and closed by the case. */
extern struct fixture lab;

/* From now on the agent of that name posts; NULL: somebody without a name. */
void posts_as(const char *agent);

/* It posts that state of the job. */
enum err reports(struct id id, const char *agent, const char *state);

void expect_state(struct id id, const char *state);

/* How many events of that kind the journal has of the job. */
unsigned events_of(struct id id, const char *kind);

/* This text stands somewhere in the events of the job. */
void expect_event(struct id id, const char *text);

#endif /* !LAB_H */
