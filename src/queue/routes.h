#ifndef QUEUE_ROUTES_H
#define QUEUE_ROUTES_H

#include "app.h"

/* tf-queue: queues, their agents, jobs and owners. */

extern const struct route_table queue_routes;

#endif /* !QUEUE_ROUTES_H */
