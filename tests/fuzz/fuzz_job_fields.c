/*
 * Submissions, in both modes.  What is accepted is kept as JSON that holds its
 * job_id and is accepted again, by the same mode, as the same bytes; what
 * strict mode accepts open mode does.  What is refused says why.
 */

#include "job_fields.h"

#include <stdlib.h>
#include <string.h>

#define NEED(what)                                                             \
	do {                                                                   \
		if (!(what))                                                   \
			abort();                                               \
	} while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
scan(struct js_doc *doc, struct arena *a, const char *p, size_t len)
{
	struct js_fault fault;

	return js_scan(doc, a, p, len, &fault) == ERR_OK &&
	       doc->kind == JS_OBJECT;
}

static enum err
read_as(struct js_doc *doc, bool strict, struct job_new *job)
{
	struct faults f;
	enum err e;

	faults_init(&f, doc->arena);
	e = job_fields_read(doc, strict, false, &f, job);
	NEED(e == ERR_OK || e == ERR_INVALID);
	NEED(faults_any(&f) == (e == ERR_INVALID));
	NEED(f.n <= FAULTS_MAX);
	if (e == ERR_INVALID)
		NEED(faults_json(&f) != NULL);
	return e;
}

static void
check_paths(const struct job_new *job)
{
	size_t i;

	NEED(job->secrets || job->n_secret_paths == 0);
	for (i = 1; i < job->n_secret_paths; i++)
		NEED(
		    strcmp(job->secret_paths[i - 1], job->secret_paths[i]) < 0);
}

static void
check_kept(struct arena *a, bool strict, const struct job_new *job)
{
	const struct js_member *m;
	struct js_doc doc;
	struct job_new again;
	const char *id;
	size_t len;

	NEED(scan(&doc, a, job->body, job->body_len));
	m = js_find(&doc, "job_id");
	NEED(m != NULL && m->kind == JS_STRING);
	id = js_string(a, m, &len);
	NEED(len == job->id_len && memcmp(id, job->id_text, len) == 0);
	NEED(job->queue != NULL && job->queue[0] != '\0');
	NEED(job->reserve_s >= 0);
	check_paths(job);

	NEED(read_as(&doc, strict, &again) == ERR_OK);
	NEED(again.id_given && again.seed == job->seed);
	NEED(again.body_len == job->body_len);
	NEED(memcmp(again.body, job->body, job->body_len) == 0);
	NEED(strcmp(again.queue, job->queue) == 0);
	NEED(again.priority == job->priority);
	NEED(again.reserve_s == job->reserve_s);
	NEED(again.attachments == job->attachments);
	NEED(again.secrets == job->secrets);
	NEED(again.n_secret_paths == job->n_secret_paths);
	NEED(again.n_tags == job->n_tags && again.n_exclude == job->n_exclude);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	char *text = malloc(size > 0 ? size : 1);
	struct job_new job;
	struct js_doc doc;
	bool open;

	/* No byte behind the body, so that reading one shows. */
	NEED(a != NULL && text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	if (scan(&doc, a, text, size)) {
		open = read_as(&doc, false, &job) == ERR_OK;
		if (open)
			check_kept(a, false, &job);
		if (read_as(&doc, true, &job) == ERR_OK) {
			NEED(open);
			check_kept(a, true, &job);
		}
	}
	arena_free(a);
	free(text);
	return 0;
}
