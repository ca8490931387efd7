#ifndef BLOB_TREE_H
#define BLOB_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "id.h"

/*
 * The directories of jobs as wholes: looked through a little at a time, and removed.
 * What is to go is moved to DATA_PATH/trash first, so that it goes at once and whole.
 * For one thread.
 */

struct blob_tree;
struct blob_gone; /* a directory that has been moved */

/* The tree under path, which blob_open() has made.  What dead processes left in
 * trash is removed.  ERR_IO (logged), ERR_NOMEM. */
enum err blob_tree_open(struct blob_tree **out, const char *path)
    __attribute__((warn_unused_result));
void blob_tree_close(struct blob_tree *t);

/*
 * Look through the directories, going on where the last call ended and round for
 * ever, until one has nothing in it that is as young as since_ms.  ERR_NOTFOUND after
 * *budget of them; it counts down.
 */
enum err blob_tree_next(struct blob_tree *t, int64_t since_ms, unsigned *budget,
    struct id *out) __attribute__((warn_unused_result));

/*
 * Move the directory of id away.  *out is NULL if there is none.  ERR_CONFLICT:
 * something in it is as young as since_ms, and it stays; ERR_IO (logged), ERR_NOMEM.
 * Then either blob_gone_remove(), or blob_gone_undo(), which puts back what nobody
 * has made anew since.
 */
enum err blob_tree_discard(struct blob_tree *t, const struct id *id,
    int64_t since_ms, struct blob_gone **out)
    __attribute__((warn_unused_result));
void blob_gone_remove(struct blob_gone *g);
void blob_gone_undo(struct blob_gone *g);

#endif /* !BLOB_TREE_H */
