#ifndef FIXTURE_H
#define FIXTURE_H

#include "app.h"
#include "handout.h"

/* An empty server in a directory of its own, without sockets. */

struct fake_broker;

struct fixture {
	char dir[64];
	struct conf *conf;
	struct svc svc;
	struct worker worker;
	struct arena *arena;
	struct arena *texts; /* of statements, until the store is closed */
};

/* Open all services.  more: further lines of configuration, or "". */
void fixture_open(struct fixture *f, const char *more);

/* Likewise, with fake for the broker; every time-out is PATIENT_MS but that for confirms. */
void fixture_open_broker(struct fixture *f, const struct fake_broker *fake,
    int confirm_ms, const char *more);

void fixture_close(struct fixture *f);

/* A directory for one test, empty; removed by fixture_rmdir(). */
void fixture_mkdir(char dir[64]);
void fixture_rmdir(const char *dir);

/* Submit body as an anonymous caller would; the verdict.  *id: its id. */
enum job_verdict fixture_submit(
    struct fixture *f, const char *body, struct id *id);

/* A job for queue that was accepted so; its id. */
struct id fixture_given(struct fixture *f, const char *queue);

/* The job under id, which must exist. */
struct job fixture_job(struct fixture *f, const struct id *id);

/* Take from one queue, and give a sign of it; ERR_NOTFOUND: nothing was there. */
enum err fixture_take(
    struct fixture *f, const char *queue, const char *agent, struct job *out);

/* A statement of a case's own on the store, whose text need not stay, and the number that a query of one row
 * gives; -1: NULL. */
void fixture_sql(struct fixture *f, const char *sql);
int64_t fixture_number(struct fixture *f, const char *query);

#endif /* !FIXTURE_H */
