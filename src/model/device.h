#ifndef DEVICE_H
#define DEVICE_H

#include "svc.h"

/* Sign-ins by device that have begun (RFC 8628): what the client asks by, and the provider's
 * code that stands for it, which the client never sees. */

#define DEVICE_ID_LEN 43
/* So many may be open at a time; anybody may begin one. */
#define DEVICES_MAX 10000

/* Keep the code for life_s seconds under a new random id.  ERR_BUSY if too many are open. */
enum err device_begin(struct svc *s, const char *code, int64_t life_s,
    char id[DEVICE_ID_LEN + 1]) __attribute__((warn_unused_result));

/* The code, in memory of a.  ERR_NOTFOUND: never begun, ended or expired. */
enum err device_code(struct svc *s, struct arena *a, const char *id,
    const char **code) __attribute__((warn_unused_result));

/* It is done; the code is forgotten, if not durably, then when it expires. */
void device_end(struct svc *s, const char *id);

/* Remove some of what has expired; *n how many. */
enum err device_sweep(struct svc *s, int64_t *n)
    __attribute__((warn_unused_result));

#endif /* !DEVICE_H */
