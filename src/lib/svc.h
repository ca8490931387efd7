#ifndef SVC_H
#define SVC_H

#include "blob.h"
#include "broker.h"
#include "conf.h"
#include "db.h"
#include "jwt.h"
#include "oidc.h"
#include "seal.h"
#include "seen.h"
#include "wake.h"

/* The services of one process, opened once and shared by its threads: what the
 * domain stands on. */

enum svc_need {
	SVC_DB = 1 << 0,
	SVC_BLOB = 1 << 1,
	SVC_BROKER = 1 << 2,
	SVC_SEAL = 1 << 3,
	SVC_SEEN = 1 << 4,
	SVC_OIDC = 1 << 5
};

struct svc {
	const struct conf *conf;
	struct db *db;
	struct blob *blob;
	struct broker *broker; /* NULL without one, or not needed here */
	bool has_broker; /* AMQP_URI is not empty */
	struct jwt_keys *jwt; /* NULL without a key: there are no tokens */
	struct oidc *oidc; /* NULL without a provider, or not needed here */
	struct seal *seal; /* NULL without a key, or not needed here */
	struct seen *seen; /* NULL: not needed here, or it cannot be had */
	struct wake
	    *wake; /* to tell other processes of changes; NULL: nobody */
	bool has_secrets; /* there is a key for secrets */
	bool strict; /* JOB_FIELDS = 'strict' */
};

/* Open the services that needs names (enum svc_need).  name: the program.  conf
 * and schema must outlive them.  An error has been logged. */
enum err svc_open(struct svc *s, const struct conf *conf,
    const struct db_schema *schema, unsigned needs, const char *name)
    __attribute__((warn_unused_result));
void svc_close(struct svc *s);

/* Judge addresses and paths in conf without opening anything.  ERR_INVALID with
 * a sentence for the operator. */
enum err svc_check(const struct conf *conf, struct conf_fault *fault)
    __attribute__((warn_unused_result));

#endif /* !SVC_H */
