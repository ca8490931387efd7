#ifndef QUEUE_H
#define QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "svc.h"

/* Queues, and what names are allowed for them and for agents. */

#define NAME_LEN_MAX 200

/*
 * What is wrong with the len bytes at s as the name of a queue or an agent, a
 * sentence for the client; NULL: nothing.  1 to 200 bytes of UTF-8 without
 * control characters.
 */
const char *name_fault(const char *s, size_t len);

/* As name_fault(), and the names the broker keeps for itself (amq.…). */
const char *queue_name_fault(const char *s, size_t len);

/* In a change: know the queue from now on.  ERR_LIMIT if max others are known.
 */
enum err queue_know(struct db_conn *c, const char *name, int64_t max,
    int64_t now) __attribute__((warn_unused_result));

/* Forget, with their waits, queues that are known for longer than QUEUE_MAX_AGE and that
 * nobody needs: without jobs, agents, advertisement, images or restriction. */
enum err queue_forget_unused(struct svc *s) __attribute__((warn_unused_result));

/* Whether only its owners may submit to the queue. */
enum err queue_is_restricted(struct db_conn *c, const char *name, bool *out)
    __attribute__((warn_unused_result));

/* Whether consumers take messages of the queue and never claim (AMQP_UNCLAIMED_QUEUES), so that
 * nobody can tell which messages are of use. */
bool queue_is_unclaimed(const struct conf *c, const char *name);

/* Where a list in the order of names stands, of which one page is made after the other;
 * all zero before the first. */
struct name_page {
	char after[NAME_LEN_MAX + 1];
	bool any; /* there was an element */
	bool done;
};

/* Enough for one page; the element that reaches it is whole. */
#define NAME_PAGE_BYTES 65536

/* The next element is that of the name: a comma before each but the first. */
void name_page_add(struct name_page *p, struct buf *b, const char *name);

/* The page has ended with e, ERR_NOTFOUND after the last element: what its maker
 * returns. */
enum err name_page_end(struct name_page *p, const struct buf *b, enum err e)
    __attribute__((warn_unused_result));

#endif /* !QUEUE_H */
