#ifndef FILE_ROUTES_H
#define FILE_ROUTES_H

#include "app.h"

/* tf-file: archives of jobs: artifacts and attachments. */

extern const struct route_table file_routes;

#endif /* !FILE_ROUTES_H */
