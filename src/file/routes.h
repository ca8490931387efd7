#ifndef FILE_ROUTES_H
#define FILE_ROUTES_H

#include "app.h"
#include "blob.h"

/* tf-file: archives of jobs: artifacts and attachments. */

extern const struct route_table file_routes;

int artifact_post(struct worker *w, struct req *r);
int artifact_get(struct worker *w, struct req *r);
int attachments_post(struct worker *w, struct req *r);
int attachments_get(struct worker *w, struct req *r);

/*
 * Receive the file named "file" of the form that r brings, which is to be that
 * file of the job r->id.  True: it came whole, and
 * *out is to be published and ended.  False: nothing is left of it, and the reply has
 * been sent.
 */
bool upload_receive(struct worker *w, struct req *r, enum blob_name name,
    struct blob_file **out);

#endif /* !FILE_ROUTES_H */
