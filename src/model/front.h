#ifndef FRONT_H
#define FRONT_H

#include "queue.h"

/*
 * The fronts of queues (best.h), looked at in the background: triggers keep them right, but a row
 * that was removed or changed by hand hides the jobs of its queue until its next change.
 */

/* Queues of one look, of which each costs two look-ups. */
#define FRONT_QUEUES 200

/*
 * Look at the next queues behind the name *after, which goes on, on which a job waits that anybody
 * may have, and set each front anew that does not name the first of them (logged).
 * ERR_NOTFOUND: that were the last.
 */
enum err front_look(struct svc *s, char after[NAME_LEN_MAX + 1])
    __attribute__((warn_unused_result));

#endif /* !FRONT_H */
