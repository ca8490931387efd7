#ifndef JOBLOG_H
#define JOBLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "blob_log.h"
#include "err.h"
#include "faults.h"
#include "id.h"
#include "js.h"
#include "phase.h"
#include "svc.h"

/*
 * Logs of jobs: numbered fragments of text, by type and phase.  The text of all
 * fragments of one type and phase is one file, in the order in which they came; rows
 * tell where each of them stands.  The job need not exist.
 */

enum joblog_type { JOBLOG_OUTPUT, JOBLOG_SERIAL, JOBLOG_TYPE__MAX };

/* A constant. */
const char *joblog_type_name(enum joblog_type t);

/* The file of a type and phase. */
enum blob_name joblog_file(enum joblog_type t, enum phase p);

/* Its rows, in SQL: after job, type and phase as $1, $2, $3. */
#define JOBLOG_ONE "WHERE job = $1 AND type = $2 AND phase = $3 "

struct joblog_fragment {
	int64_t number;
	int64_t at; /* the agent's time, microseconds */
	enum phase phase;
	const char *text;
	size_t len;
};

/*
 * Judge doc, an object.  The text is decoded where it stands, so the body of the
 * request is no JSON afterwards.  ERR_INVALID with faults noted.
 */
enum err joblog_fragment_read(struct js_doc *doc, struct faults *f,
    struct joblog_fragment *out) __attribute__((warn_unused_result));

/*
 * Keep a fragment, durably.  One of the same number and text as one of the last
 * eight of that number is a repeat, and changes nothing.
 */
enum err joblog_append(struct svc *s, const struct id *id, enum joblog_type t,
    const struct joblog_fragment *fragment) __attribute__((warn_unused_result));

/* Within a change: there is no log of this job any more, and what comes goes into
 * files of its own. */
enum err joblog_forget(struct db_conn *c, const struct id *id)
    __attribute__((warn_unused_result));

/* Which fragments to show. */
struct joblog_query {
	enum joblog_type type; /* JOBLOG_TYPE__MAX: all */
	enum phase phase; /* PHASE__MAX: all */
	int64_t number; /* from this number on; INT64_MIN: all */
	int64_t at; /* from this time on; INT64_MIN: all */
};

/* What a reader has of one type and phase. */
struct joblog {
	enum joblog_type type;
	enum phase phase;
	int64_t last; /* number of the last fragment shown */
	int64_t size; /* bytes that count */
	bool ordered; /* the file has the fragments in their order */
	struct blob_log file; /* fd -1: not open */
	int64_t left; /* bytes of text to be read */
	int64_t from, to; /* the extent in hand */
	int64_t next_number, next_start; /* the next one is behind this */
};

#define JOBLOG_EXTENTS 64

/* The logs of one job, as they stood when they were opened.  A reader goes through
 * them one after the other. */
struct joblogs {
	const struct id *id;
	struct joblog_query query;
	size_t n;
	struct joblog logs[JOBLOG_TYPE__MAX * PHASE__MAX + 1];
	struct joblog_extent {
		int64_t start, end;
	} extents[JOBLOG_EXTENTS]; /* of the log that is being read */
	size_t n_extents, next_extent;
};

/* Find which logs a job has, on a connection that is borrowed already: one look-up.
 * id must outlive out. */
enum err joblog_find(struct db_conn *c, const struct id *id,
    struct joblogs *out) __attribute__((warn_unused_result));

/*
 * Open the logs that were found, for q; those of which no fragment fits are left
 * out.  ERR_IO (logged) if a file is not what the rows tell; one that is gone
 * has been deleted by somebody, and is no log.  After any success close them with
 * joblog_close().
 */
enum err joblog_open(struct svc *s, struct joblogs *l,
    const struct joblog_query *q) __attribute__((warn_unused_result));

/* Both, on a connection of its own. */
enum err joblog_list(struct svc *s, const struct id *id,
    const struct joblog_query *q, struct joblogs *out)
    __attribute__((warn_unused_result));
void joblog_close(struct joblogs *l);

/* Up to n bytes of the i-th log; *got = 0 at its end.  ERR_IO (logged) also if the log
 * has been forgotten meanwhile. */
enum err joblog_read(struct svc *s, struct joblogs *l, size_t i, char *buf,
    size_t n, size_t *got) __attribute__((warn_unused_result));

#endif /* !JOBLOG_H */
