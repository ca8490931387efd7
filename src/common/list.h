#ifndef LIST_H
#define LIST_H

#include "app.h"
#include "job_list.h"

/* Lists of jobs as replies, for the responders that have them. */

/* 200 with all of the list, sent a page at a time; empty: the status if there is
 * nothing in it, 200 or 204. */
int list_reply(struct worker *w, struct req *r, struct job_list *l, int empty);

#endif /* !LIST_H */
