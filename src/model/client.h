#ifndef CLIENT_H
#define CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "err.h"
#include "faults.h"
#include "js.h"
#include "svc.h"

/* Clients: who may log in, in what role, and what else they may. */

/* No HTTP request may change or remove the client of this name. */
#define CLIENT_SYSTEM "testflinger-admin"

struct client {
	const char *id;
	const char *hash; /* bcrypt; NULL: it has no secret */
	const char *role_name;
	unsigned role; /* one of enum role */
	bool oidc; /* made by a sign-in elsewhere */
	/* What others may see, and what a token carries: client_id and role, and as far as
	 * they are stored allowed_queues, email, max_priority and max_reservation_time. */
	const char *json;
	size_t json_len;
};

/* What is to be set; NULL and 0: stays as it is. */
struct client_change {
	const char *secret;
	const char
	    *max_priority; /* JSON: a map, which replaces the former one */
	const char *max_reservation_time;
	unsigned role; /* one of enum role */
	const char *email;
};

/* How client_put() ended, in the order of the checks. */
enum client_verdict {
	CLIENT_FAILED, /* see *failure */
	CLIENT_OIDC, /* a sign-in elsewhere has neither email nor secret here */
	CLIENT_NO_SECRET, /* a new client needs one */
	CLIENT_ABOVE, /* its role is above that of who asks */
	CLIENT_ROLE_ABOVE, /* the role to be given is */
	CLIENT_CREATED,
	CLIENT_UPDATED
};

/* The client, in memory of a.  ERR_NOTFOUND. */
enum err client_read(struct svc *s, struct arena *a, const char *id,
    struct client *out) __attribute__((warn_unused_result));

/* All clients by id, a JSON list. */
enum err client_list(struct svc *s, struct arena *a, const char **json,
    size_t *len) __attribute__((warn_unused_result));

/*
 * Make or change a client, by order of somebody with that role.  *role_name: its role
 * afterwards, or now where it was refused; "contributor" for one that does not exist.  A
 * secret is hashed before the store is asked for anything.
 */
enum client_verdict client_put(struct svc *s, const char *id,
    const struct client_change *ch, unsigned by_role, const char **role_name,
    enum err *failure) __attribute__((warn_unused_result));

/* Remove a client, its refresh tokens, its secrets and what it owns of restricted
 * queues.  ERR_NOTFOUND. */
enum err client_remove(struct svc *s, const char *id)
    __attribute__((warn_unused_result));

/* The same in a change. */
enum err client_erase(struct db_conn *c, const char *id)
    __attribute__((warn_unused_result));

/* In a change, for a name that nobody has or will have: secrets under it go, and jobs that
 * have not ended are told none of whoever has it next.  A token of a client that was
 * removed may have left some. */
enum err client_disown(struct db_conn *c, const char *id)
    __attribute__((warn_unused_result));

/* What is wrong with id as that of a new client, a sentence; NULL: nothing. */
const char *client_id_fault(const char *id);
/* Likewise of the len bytes of a secret, in the words of a field's fault. */
const char *client_secret_fault(const char *secret, size_t len);

/* Judge doc, an object, as a change.  ERR_INVALID with faults noted. */
enum err client_change_read(struct js_doc *doc, struct faults *f,
    struct client_change *out) __attribute__((warn_unused_result));

#endif /* !CLIENT_H */
