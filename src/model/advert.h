#ifndef ADVERT_H
#define ADVERT_H

#include <stdbool.h>
#include <stddef.h>

#include "arena.h"
#include "err.h"
#include "faults.h"
#include "js.h"
#include "queue.h"
#include "svc.h"

/* What agents advertise: descriptions of queues, and images known for them. */

/* The most queues in one request. */
#define ADVERT_MAX 1000

struct advert {
	const char *queue;
	const char *text; /* the description, or the images as a JSON object */
	size_t len;
};

struct adverts {
	struct advert *items;
	size_t n;
};

/* Judge doc, an object: a map of queues to descriptions, or to maps of image names to
 * texts.  ERR_INVALID with faults noted, ERR_NOMEM. */
enum err advert_read_queues(struct js_doc *doc, struct faults *f,
    struct adverts *out) __attribute__((warn_unused_result));
enum err advert_read_images(struct js_doc *doc, struct faults *f,
    struct adverts *out) __attribute__((warn_unused_result));

/* Keep the description of each queue, and that it was advertised now; a repetition
 * costs no write.  ERR_LIMIT if MAX_QUEUES others are known. */
enum err advert_put_queues(struct svc *s, const struct adverts *a)
    __attribute__((warn_unused_result));

/* Replace the images of each queue; likewise. */
enum err advert_put_images(struct svc *s, const struct adverts *a)
    __attribute__((warn_unused_result));

/* Append the next page of all advertised queues with their descriptions to b, members of
 * a JSON object. */
enum err advert_list_page(struct svc *s, struct name_page *p, struct buf *b)
    __attribute__((warn_unused_result));

/* The images of a queue, a JSON object, {} for none. */
enum err advert_images(struct svc *s, struct arena *a, const char *queue,
    const char **json, size_t *len) __attribute__((warn_unused_result));

/* Write down when queues were last advertised; with forget, advertise no more those that
 * were not for QUEUE_MAX_AGE, and drop their images. */
enum err advert_tidy(struct svc *s, bool forget)
    __attribute__((warn_unused_result));

#endif /* !ADVERT_H */
