#ifndef LIST_H
#define LIST_H

#include "app.h"
#include "job_list.h"
#include "queue.h"

/* Lists as replies, sent a page at a time, for the responders that have them. */

/* 200 with all of the jobs; empty: the status if there is
 * nothing in it, 200 or 204. */
int list_reply(struct worker *w, struct req *r, struct job_list *l, int empty);

/* 200 with all that page makes, between brackets, "[]" or "{}". */
typedef enum err (*list_page)(
    struct svc *s, struct name_page *p, struct buf *b);
int list_names(
    struct worker *w, struct req *r, const char *brackets, list_page page);

#endif /* !LIST_H */
