/* The fields of a report, and how long each may be. */

#include "agent_report.h"

#include <string.h>

#include "field.h"
#include "queue.h"

#define QUEUES_MAX 1000
#define QUEUES_BYTES 262144
/* Lists of agents show the texts of thousands. */
#define TEXT_MAX 4096

static const char *const text_names[AGENT_TEXT__MAX] = {
    [AGENT_STATE] = "state",
    [AGENT_COMMENT] = "comment",
    [AGENT_IDENTIFIER] = "identifier",
    [AGENT_JOB_ID] = "job_id",
    [AGENT_LOCATION] = "location",
    [AGENT_PROVISION_TYPE] = "provision_type",
};

static void
read_queues(struct js_doc *doc, const struct js_member *m, struct faults *f,
    struct agent_report *out)
{
	const char *why = NULL;
	size_t i;

	if (!field_names(doc, m, m->key, f, &out->queue_names, &out->n_queues))
		return;
	if (m->value.len > QUEUES_BYTES)
		why = "Longer than 262144 bytes as JSON.";
	else if (out->n_queues > QUEUES_MAX)
		why = "Longer than maximum length 1000.";
	for (i = 0; i < out->n_queues && why == NULL; i++)
		if (strlen(out->queue_names[i]) > NAME_LEN_MAX)
			why = "Longer than maximum length 200.";
	if (why != NULL)
		faults_add(f, why, m->key, NULL);
	out->queues = m->value;
}

static void
read_text(struct js_doc *doc, const struct js_member *m, struct faults *f,
    struct agent_report *out)
{
	struct agent_text_value *v;
	const char *why;
	size_t i;

	for (i = 0; i < AGENT_TEXT__MAX; i++)
		if (strcmp(text_names[i], m->key) == 0)
			break;
	if (i == AGENT_TEXT__MAX) {
		faults_add(f, FIELD_UNKNOWN, m->key, NULL);
		return;
	}
	v = &out->texts[i];
	why = field_string(doc, m, &v->p, &v->len);
	if (why == NULL && v->len > TEXT_MAX)
		why = "Longer than maximum length 4096.";
	if (why != NULL)
		faults_add(f, why, m->key, NULL);
}

enum err
agent_report_read(
    struct js_doc *doc, struct faults *f, struct agent_report *out)
{
	const struct js_member *m;
	size_t i;
	enum err e;

	*out = (struct agent_report){.n_log = 0};
	if ((e = js_last_wins(doc)) != ERR_OK)
		return e;
	for (i = 0; i < doc->n_members; i++) {
		m = &doc->members[i];
		if (strcmp(m->key, "queues") == 0)
			read_queues(doc, m, f, out);
		else if (strcmp(m->key, "log") == 0)
			(void)field_strings(
			    doc, m, m->key, f, &out->log, &out->n_log);
		else
			read_text(doc, m, f, out);
	}
	return faults_any(f) ? ERR_INVALID : ERR_OK;
}
