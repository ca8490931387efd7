/*
 * A submission is read from its members as spans.  What the server understands
 * is judged, and rewritten only where today's API stores another form than was
 * posted; all else goes through as the bytes that came.
 */

#include "job_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "field.h"
#include "queue.h"

#define EXCLUDED_MAX 1000
#define SECRETS_PER_JOB 1000

enum type { STRING, INTEGER, BOOLEAN, STRINGS, OBJECT, OBJECT_OR_NULL };

/* Every field that today's API knows, in both modes; strict mode checks the
 * type of each, open mode of those that the server reads. */
static const struct known {
	const char *name;
	enum type type;
	bool read; /* by the server */
} known[] = {
    {"job_queue", STRING, true},
    {"job_id", STRING, true},
    {"tags", STRINGS, true},
    {"job_priority", INTEGER, true},
    {"exclude_agents", STRINGS, true},
    {"parent_job_id", STRING, false},
    {"name", STRING, false},
    {"global_timeout", INTEGER, false},
    {"output_timeout", INTEGER, false},
    {"allocation_timeout", INTEGER, false},
    {"debug", BOOLEAN, false},
    {"job_status_webhook", STRING, false},
    {"provision_data", OBJECT_OR_NULL, false},
    {"firmware_update_data", OBJECT, false},
    {"allocate_data", OBJECT, false},
    {"test_data", OBJECT, false},
    {"reserve_data", OBJECT, false},
};

#define N_KNOWN (sizeof(known) / sizeof(known[0]))

/* Names that the server gives to what it manages itself. */
static const char *const forged[] = {
    "client_id",
    "attachments_status",
    "started_at",
    "created_at",
    "job_state",
    "result_data",
    "job_data",
};

struct reading {
	struct js_doc *doc;
	struct faults *f;
	struct job_new *job;
	bool strict;
	const struct js_member *last[N_KNOWN]; /* the one that counts */
	struct buf body; /* rewritten */
	bool first; /* no member is in body yet */
};

static const struct known *
find_known(const char *name)
{
	size_t i;

	for (i = 0; i < N_KNOWN; i++)
		if (strcmp(known[i].name, name) == 0)
			return &known[i];
	return NULL;
}

static bool
is_forged(const struct js_member *m)
{
	size_t i;

	if (m->key[0] == '$' || m->key[0] == '_')
		return true;
	for (i = 0; i < sizeof(forged) / sizeof(forged[0]); i++)
		if (strcmp(forged[i], m->key) == 0)
			return true;
	return false;
}

static bool
is_section(const struct js_member *m)
{
	return m->key_len > 5 && strcmp(m->key + m->key_len - 5, "_data") == 0;
}

static void
note(struct reading *r, const struct js_member *m, const char *why)
{
	if (why != NULL)
		faults_add(r->f, why, m->key, NULL);
}

static void
put_member(
    struct reading *r, const struct js_member *m, const char *value, size_t len)
{
	buf_char(&r->body, r->first ? '{' : ',');
	r->first = false;
	buf_add(&r->body, m->raw_key.p, m->raw_key.len);
	buf_char(&r->body, ':');
	buf_add(&r->body, value, len);
}

static void
put_int(struct reading *r, const struct js_member *m, int64_t n)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%lld", (long long)n);

	put_member(r, m, text, (size_t)len);
}

static void
put_as_is(struct reading *r, const struct js_member *m)
{
	put_member(r, m, m->value.p, m->value.len);
}

static void
read_string(struct reading *r, const struct js_member *m)
{
	const char *s = "", *why;
	size_t len = 0;

	why = field_string(r->doc, m, &s, &len);
	if (why == NULL && strcmp(m->key, "job_queue") == 0) {
		why = queue_name_fault(s, len);
		r->job->queue = s;
	}
	if (why == NULL && strcmp(m->key, "job_id") == 0 && len > 0) {
		r->job->id_given = true;
		r->job->id_text = s;
		r->job->id_len = len;
	}
	note(r, m, why);
	/* An empty job_id counts as absent; the one we make is added. */
	if (strcmp(m->key, "job_id") != 0 || len > 0)
		put_as_is(r, m);
}

static void
read_int(struct reading *r, const struct js_member *m)
{
	int64_t n = 0;

	note(r, m, field_int(r->doc, m, &n));
	if (strcmp(m->key, "job_priority") == 0)
		r->job->priority = n;
	put_int(r, m, n);
}

static void
read_bool(struct reading *r, const struct js_member *m)
{
	bool b = false;

	note(r, m, field_bool(r->doc, m, &b));
	put_member(r, m, b ? "true" : "false", b ? 4 : 5);
}

static void
read_strings(struct reading *r, const struct js_member *m)
{
	const char **s = NULL;
	size_t n = 0;

	if (field_strings(r->doc, m, m->key, r->f, &s, &n) &&
	    strcmp(m->key, "exclude_agents") == 0) {
		if (n > EXCLUDED_MAX)
			note(r, m, "Longer than maximum length 1000.");
		r->job->exclude = s;
		r->job->n_exclude = n;
	}
	put_as_is(r, m);
}

/* reserve_data with its time-out as whole seconds. */
static void
read_reserve(struct reading *r, const struct js_member *m, struct js_doc *in)
{
	const struct js_member *t = js_find(in, "timeout");
	struct buf whole = r->body;
	const char *why;
	bool none, first = r->first;
	int64_t seconds = JOB_RESERVE_ASSUMED_S;
	size_t i;

	r->job->reserve_s = seconds;
	if (t == NULL) {
		put_as_is(r, m);
		return;
	}
	why = field_duration(r->doc, t, &seconds, &none);
	if (why != NULL)
		faults_add(r->f, why, m->key, "timeout", NULL);
	r->job->reserve_s = seconds;
	if (why != NULL || none) {
		put_as_is(r, m);
		return;
	}
	buf_init(&r->body, r->doc->arena, m->value.len + 32);
	r->first = true;
	for (i = 0; i < in->n_members; i++)
		if (&in->members[i] == t)
			put_int(r, t, seconds);
		else if (strcmp(in->members[i].key, "timeout") != 0)
			put_as_is(r, &in->members[i]);
	buf_char(&r->body, '}');
	in->text = (struct js_span){r->body.p, r->body.len};
	whole.failed = whole.failed || !buf_ok(&r->body);
	r->body = whole;
	r->first = first;
	put_member(r, m, in->text.p, in->text.len);
}

/* One element of a list of attachments: a file's name with the agent, and perhaps the
 * device it is for.  The other members are the agent's. */
static void
read_attachment(struct reading *r, const char *section,
    const struct js_member *element, const char *index)
{
	static const char *const names[] = {"agent", "device"};
	const struct js_member *m;
	const char *why, *text;
	struct js_doc in;
	size_t i, len;

	if (field_object(r->doc, element, &in) != NULL) {
		faults_add(r->f, FIELD_WRONG_INPUT, section, "attachments",
		    index, "_schema", NULL);
		return;
	}
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		m = js_find(&in, names[i]);
		why = m != NULL ? field_string(r->doc, m, &text, &len) : NULL;
		if (m == NULL && i == 0)
			why = FIELD_MISSING;
		if (why != NULL)
			faults_add(r->f, why, section, "attachments", index,
			    names[i], NULL);
	}
}

static void
read_attachments(
    struct reading *r, const char *section, const struct js_member *list)
{
	struct js_span rest = list->value;
	struct js_member element;
	char index[24];
	size_t i;

	r->job->attachments = true;
	if (list->kind != JS_ARRAY) {
		faults_add(r->f,
		    list->kind == JS_NULL ? FIELD_NULL : FIELD_NOT_LIST,
		    section, "attachments", NULL);
		return;
	}
	for (i = 0; r->f->n < FAULTS_MAX && js_element(&rest, &element); i++) {
		(void)snprintf(index, sizeof(index), "%zu", i);
		read_attachment(r, section, &element, index);
	}
}

#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define WORD LETTERS "0123456789_"

/* A name that a shell takes for a variable. */
static bool
is_variable(const struct js_member *m)
{
	return m->key_len > 0 && strspn(m->key, LETTERS "_") > 0 &&
	       strspn(m->key, WORD) == m->key_len;
}

static int
by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The paths in order, each once. */
static void
sort_paths(struct job_new *job)
{
	size_t i, n = 0;

	qsort(job->secret_paths, job->n_secret_paths,
	    sizeof(*job->secret_paths), by_text);
	for (i = 0; i < job->n_secret_paths; i++)
		if (n == 0 ||
		    strcmp(job->secret_paths[n - 1], job->secret_paths[i]) != 0)
			job->secret_paths[n++] = job->secret_paths[i];
	job->n_secret_paths = n;
}

/* test_data.secrets: names of variables, each with the path of a secret. */
static void
read_secrets(
    struct reading *r, const char *section, const struct js_member *map)
{
	const char *why, *path = "";
	struct js_doc in;
	size_t i, len = 0;

	r->job->secrets = true;
	if ((why = field_object(r->doc, map, &in)) == NULL &&
	    in.n_members > SECRETS_PER_JOB)
		why = "Longer than maximum length 1000.";
	if (why == NULL && (r->job->secret_paths = arena_alloc(r->doc->arena,
				(in.n_members + 1) * sizeof(path))) == NULL)
		why = "Out of memory.";
	if (why != NULL) {
		faults_add(r->f, why, section, "secrets", NULL);
		return;
	}
	for (i = 0; r->f->n < FAULTS_MAX && i < in.n_members; i++) {
		if (!is_variable(&in.members[i]))
			faults_add(r->f, FIELD_NO_MATCH, section, "secrets",
			    in.members[i].key, "key", NULL);
		why = field_string(r->doc, &in.members[i], &path, &len);
		if (why == NULL && (len == 0 || strspn(path, WORD "/-") != len))
			why = FIELD_NO_MATCH;
		if (why != NULL)
			faults_add(r->f, why, section, "secrets",
			    in.members[i].key, "value", NULL);
		else
			r->job->secret_paths[r->job->n_secret_paths++] = path;
	}
	sort_paths(r->job);
}

/* A section: an object whose name ends in _data.  What it is about is the
 * agent's; attachments, secrets and the reservation are the server's. */
static void
read_section(struct reading *r, const struct js_member *m, bool checked)
{
	const struct js_member *inner;
	struct js_doc in;
	const char *why;

	if (m->kind != JS_OBJECT) {
		if (checked)
			note(r, m,
			    m->kind == JS_NULL ? FIELD_NULL : FIELD_NOT_MAP);
		put_as_is(r, m);
		return;
	}
	if ((why = field_object(r->doc, m, &in)) != NULL) {
		note(r, m, why);
		return;
	}
	if ((inner = js_find(&in, "attachments")) != NULL)
		read_attachments(r, m->key, inner);
	if (strcmp(m->key, "test_data") == 0 &&
	    (inner = js_find(&in, "secrets")) != NULL)
		read_secrets(r, m->key, inner);
	if (strcmp(m->key, "reserve_data") == 0)
		read_reserve(r, m, &in);
	else
		put_as_is(r, m);
}

static void
read_known(struct reading *r, const struct js_member *m, const struct known *k)
{
	switch (k->type) {
	case STRING:
		read_string(r, m);
		break;
	case INTEGER:
		read_int(r, m);
		break;
	case BOOLEAN:
		read_bool(r, m);
		break;
	case STRINGS:
		read_strings(r, m);
		break;
	case OBJECT_OR_NULL:
		read_section(r, m, r->strict && m->kind != JS_NULL);
		break;
	case OBJECT:
		/* The two that the server looks into must be objects. */
		read_section(r, m,
		    r->strict || strcmp(m->key, "test_data") == 0 ||
			strcmp(m->key, "reserve_data") == 0);
		break;
	}
}

static void
read_member(struct reading *r, const struct js_member *m)
{
	const struct known *k = find_known(m->key);

	if (is_forged(m) || (k == NULL && r->strict)) {
		note(r, m, FIELD_UNKNOWN);
		return;
	}
	if (k != NULL && r->last[k - known] != m)
		return; /* its key comes again */
	if (k != NULL && (k->read || r->strict || is_section(m)))
		read_known(r, m, k);
	else if (is_section(m))
		read_section(r, m, false);
	else
		put_as_is(r, m);
}

/* The id: the one given, in any spelling, or a new one. */
static void
settle_id(struct job_new *job)
{
	if (job->id_given) {
		if (!id_parse(job->id_text, job->id_len, &job->id))
			job->id.text[0] = '\0';
		return;
	}
	id_make(&job->id);
	job->id_text = job->id.text;
	job->id_len = ID_LEN;
}

/* The object as it came, but for what must be added at its end. */
static void
seed_body(struct reading *r)
{
	struct js_span t = r->doc->text;

	if (js_find(r->doc, "job_id") != NULL && !r->job->id_given)
		return; /* an empty job_id must go: the rewritten form */
	buf_init(&r->body, r->doc->arena, t.len + ID_LEN + 16);
	buf_add(&r->body, t.p, t.len - 1);
	r->first = r->doc->n_members == 0;
}

static void
finish_body(struct reading *r, bool seed)
{
	struct job_new *job = r->job;

	if (!seed && js_find(r->doc, "exclude_agents") == NULL)
		buf_str(&r->body, ",\"exclude_agents\":[]");
	if (!job->id_given)
		buf_printf(&r->body, ",\"job_id\":\"%s\"", job->id.text);
	buf_char(&r->body, '}');
	job->body = r->body.p;
	job->body_len = r->body.len;
}

enum err
job_fields_read(struct js_doc *doc, bool strict, bool token, struct faults *f,
    struct job_new *job)
{
	struct reading r = {
	    .doc = doc, .f = f, .job = job, .strict = strict, .first = true};
	const struct known *k;
	bool sections = false;
	size_t i;

	*job = (struct job_new){.queue = NULL};
	buf_init(&r.body, doc->arena, doc->text.len + 128);
	for (i = 0; i < doc->n_members; i++)
		if ((k = find_known(doc->members[i].key)) != NULL)
			r.last[k - known] = &doc->members[i];
	for (i = 0; i < doc->n_members; i++) {
		sections = sections || is_section(&doc->members[i]);
		read_member(&r, &doc->members[i]);
	}
	if (r.last[find_known("job_queue") - known] == NULL)
		faults_add(f, FIELD_MISSING, "job_queue", NULL);
	if (faults_any(f))
		return ERR_INVALID;
	settle_id(job);
	job->seed = !strict && !token && !sections;
	if (job->seed)
		seed_body(&r);
	finish_body(&r, job->seed);
	return buf_ok(&r.body) ? ERR_OK : ERR_NOMEM;
}
