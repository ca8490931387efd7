#ifndef SECRET_H
#define SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena.h"
#include "err.h"
#include "id.h"
#include "svc.h"

/*
 * Secrets: values of a client's own under paths, sealed in the store, told to nobody
 * but the agent that runs a job of that client which names them.
 */

#define SECRET_LEN_MAX 262144 /* bytes of a value */
#define SECRET_PATH_MAX 1024 /* bytes of the path of a new one */
#define SECRETS_MAX 1000 /* of one client */
#define SECRET_LIFE_S 31536000 /* unless told otherwise */

/* Words of letters, digits, "-" and "_", with a "/" between two. */
bool secret_path_ok(const char *path);

struct secret_new {
	const char *client;
	const char *path;
	const char *value;
	size_t len;
	bool ephemeral; /* gone once a job that names it has started */
	int64_t expires_at; /* milliseconds; 0: never */
};

/* Keep a secret durably, in place of a former one.  ERR_LIMIT if the client has
 * SECRETS_MAX others. */
enum err secret_put(struct svc *s, struct arena *a, const struct secret_new *n)
    __attribute__((warn_unused_result));

/* ERR_OK also if there is none. */
enum err secret_delete(struct svc *s, const char *client, const char *path)
    __attribute__((warn_unused_result));

/* Those of the n paths under which the client has no secret now, joined by ", " in
 * *missing; NULL: it has all.  Of one that lasts an ephemeral one is none.  In memory of the
 * arena. */
enum err secret_missing(struct svc *s, struct arena *a, const char *client,
    const char *const *paths, size_t n, bool lasting, const char **missing)
    __attribute__((warn_unused_result));

/*
 * The definition of a job, the len bytes of JSON at body, with the client's values in
 * place of the paths in test_data.secrets.  A value that cannot be had is "" and a
 * line in the log.  ERR_NOMEM; the store's silence is no failure.
 */
enum err secret_fill(struct svc *s, struct arena *a, const struct id *id,
    const char *client, const char *body, size_t len, const char **out,
    size_t *out_len) __attribute__((warn_unused_result));

/* In a change: a sign of the job has come, or its end, so the ephemeral secrets that it
 * names are gone, once.  While nobody has taken it nothing happens: anybody can name a
 * job. */
enum err secret_spend(struct db_conn *c, const char *job_id)
    __attribute__((warn_unused_result));

/* Remove what has expired, at most a few hundred at a time; *n how many. */
enum err secret_purge(struct svc *s, int64_t *n)
    __attribute__((warn_unused_result));

#endif /* !SECRET_H */
