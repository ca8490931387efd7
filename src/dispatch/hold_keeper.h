#ifndef DISPATCH_HOLD_KEEPER_H
#define DISPATCH_HOLD_KEEPER_H

#include <stdbool.h>

#include "svc.h"

/* The thread that keeps the requests which hold_request() has taken, until each is
 * answered or its client has gone.  One for the process. */

/* Before the workers start, as prepare in struct app. */
bool hold_keeper_prepare(struct svc *svc);

/* Keep them until the process drains, then answer all that are left: after that none is
 * held.  As background in struct app. */
void hold_keeper_run(struct svc *svc);

#endif /* !DISPATCH_HOLD_KEEPER_H */
