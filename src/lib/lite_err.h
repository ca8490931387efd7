#ifndef LITE_ERR_H
#define LITE_ERR_H

#include "err.h"
#include "lite.h"

/*
 * What the code that SQLite has returned means; what: the statement, or whatever failed.
 * ERR_OK also for a row and the end of them.  A failure is logged, where no request
 * is served at most once a minute; an answer (ERR_CONFLICT) and ERR_NOMEM are not.  ERR_DAMAGED: the word was given to all.  l->failed is set where
 * the disk has failed.
 */
enum err lite_err(struct lite *l, int rc, const char *what);

#endif /* !LITE_ERR_H */
