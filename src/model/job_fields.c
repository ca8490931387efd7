/*
 * A submission is judged by one of two tables: in strict mode by that of every field,
 * in open mode by that of what the server itself reads.  Both keep the same
 * forms, and what strict mode accepts open mode does.
 */

#include "job_fields.h"

#include <string.h>

#include "address.h"
#include "field.h"
#include "job_secrets.h"
#include "lost_policy.h"
#include "provision.h"
#include "queue.h"
#include "shape.h"

#define STRINGS_MAX 1000
#define QUEUE_TIMEOUT_MAX_S 315360000

#define NEEDED .required = true
#define SECRETS FIELD("secrets", job_secrets_read)
#define TIMEOUT FIELD("timeout", shape_duration)

/* Names that the server gives to what it manages itself. */
static const char *const forged[] = {
    "client_id",
    "attachments_status",
    "started_at",
    "created_at",
    "job_state",
    "result_data",
    "job_data",
    "retry_of",
    "retried_as",
};

/* The sections that today's API knows; attachments count in any of them. */
static const char *const sections[] = {
    "provision_data",
    "firmware_update_data",
    "allocate_data",
    "test_data",
    "reserve_data",
};

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

/* An empty id counts as absent; the one we make is added. */
static bool
read_id(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at)
{
	if (m->kind == JS_STRING && m->value.len == strlen("\"\""))
		return true;
	return shape_string(s, field, m, at);
}

/* A launchpad or github account. */
static const char *
ssh_key_check(const char *s, size_t len)
{
	if (len > 3 && (memcmp(s, "lp:", 3) == 0 || memcmp(s, "gh:", 3) == 0) &&
	    !address_has_space(s + 3, len - 3))
		return NULL;
	return "String does not match expected pattern.";
}

static const char *
queue_timeout_fault(int64_t s)
{
	return s < 1 || s > QUEUE_TIMEOUT_MAX_S
		   ? "Must be greater than or equal to 1 and less than or "
		     "equal "
		     "to 315360000."
		   : NULL;
}

static bool
read_queue_timeout(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at)
{
	struct js_doc doc = {.arena = s->arena};
	const char *why;
	int64_t seconds;

	if (!shape_int(s, field, m, at))
		return false;
	if ((why = field_int(&doc, m, &seconds)) == NULL)
		why = queue_timeout_fault(seconds);
	return why == NULL || shape_fault(s, at, why);
}

static const char *
lost_policy_fault(const char *s, size_t len)
{
	return lost_policy_word(s, len) != NULL
		   ? NULL
		   : "Must be one of: wait, fail, retry.";
}

/* Open mode looks into a provisioning that is an object, for its attachments. */
static bool
read_open_provision(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at)
{
	return m->kind == JS_OBJECT ? shape_object(s, field, m, at)
				    : shape_as_is(s, m);
}

static const struct shape_field a_string = FIELD(NULL, shape_string);
static const struct shape_field an_ssh_key =
    FIELD(NULL, shape_string, .check = ssh_key_check);

static const struct shape_field test_fields[] = {
    FIELD("test_cmds", shape_string),
    FIELD("test_username", shape_string),
    FIELD("test_password", shape_string),
    FIELD("attachments", shape_list, .each = &provision_attachment),
    SECRETS,
};
static const struct shape_field open_test_fields[] = {
    FIELD("attachments", shape_list, .each = &provision_attachment_open),
    SECRETS,
};
static const struct shape_field reserve_fields[] = {
    FIELD("ssh_keys", shape_list, .each = &an_ssh_key),
    TIMEOUT,
};
static const struct shape_field open_reserve_fields[] = {TIMEOUT};
static const struct shape_field open_provision_fields[] = {
    FIELD("attachments", shape_list, .each = &provision_attachment_open),
};

static const struct shape test = {SHAPE_OF(test_fields)};
static const struct shape open_test = {
    SHAPE_OF(open_test_fields), .open = true};
static const struct shape reserve = {SHAPE_OF(reserve_fields)};
static const struct shape open_reserve = {
    SHAPE_OF(open_reserve_fields), .open = true};
static const struct shape open_provision = {
    SHAPE_OF(open_provision_fields), .open = true};

/* What the server reads in either mode. */
#define READ_FIELDS                                                            \
	FIELD("job_queue", shape_string, NEEDED, .check = queue_name_fault),   \
	    FIELD("job_id", read_id),                                          \
	    FIELD("tags", shape_list, .each = &a_string, .max = STRINGS_MAX),  \
	    FIELD("job_priority", shape_int),                                  \
	    FIELD("exclude_agents", shape_list, .each = &a_string,             \
		.max = STRINGS_MAX)

static const struct shape_field open_fields[] = {
    READ_FIELDS,
    FIELD("provision_data", read_open_provision, .shape = &open_provision),
    FIELD("test_data", shape_object, .shape = &open_test),
    FIELD("reserve_data", shape_object, .shape = &open_reserve),
};

static const struct shape_field strict_fields[] = {
    READ_FIELDS,
    FIELD("parent_job_id", shape_string),
    FIELD("name", shape_string),
    FIELD("global_timeout", shape_int),
    FIELD("output_timeout", shape_int),
    FIELD("allocation_timeout", shape_int),
    FIELD("debug", shape_bool),
    FIELD("job_status_webhook", shape_string),
    FIELD("queue_timeout", read_queue_timeout),
    FIELD("agent_lost_policy", shape_string, .check = lost_policy_fault),
    FIELD("provision_data", provision_read),
    FIELD("firmware_update_data", shape_any_object),
    FIELD("allocate_data", shape_any_object),
    FIELD("test_data", shape_object, .shape = &test),
    FIELD("reserve_data", shape_object, .shape = &reserve),
};

static const struct shape open_job = {
    SHAPE_OF(open_fields), .open = true, .refuses = is_forged};
static const struct shape strict_job = {SHAPE_OF(strict_fields)};

/* A section by whose presence a job is an ordinary one. */
static bool
is_section(const struct js_member *m)
{
	return m->key_len > 5 && strcmp(m->key + m->key_len - 5, "_data") == 0;
}

static bool
has_section(const struct js_doc *doc)
{
	size_t i;

	for (i = 0; i < doc->n_members; i++)
		if (is_section(&doc->members[i]))
			return true;
	return false;
}

/* From here on the fields are known to be good, and only memory may fail. */

static enum err
take_list(struct js_doc *doc, const char *key, const char ***list, size_t *n)
{
	const struct js_member *m = js_find(doc, key);
	struct faults f;

	if (m == NULL)
		return ERR_OK;
	faults_init(&f, doc->arena);
	return field_names(doc, m, key, &f, list, n) ? ERR_OK : ERR_NOMEM;
}

static enum err
take_fields(struct js_doc *doc, struct job_new *job)
{
	const struct js_member *m = js_find(doc, "job_queue");
	const char *word;
	size_t len;
	enum err e;

	if ((job->queue = js_string(doc->arena, m, &len)) == NULL)
		return ERR_NOMEM;
	if ((m = js_find(doc, "job_priority")) != NULL)
		(void)field_int(doc, m, &job->priority);
	/* In open mode it may be something else that is only passed along. */
	if ((m = js_find(doc, "queue_timeout")) != NULL &&
	    (field_int(doc, m, &job->queue_timeout_s) != NULL ||
		queue_timeout_fault(job->queue_timeout_s) != NULL))
		job->queue_timeout_s = 0;
	if ((m = js_find(doc, "agent_lost_policy")) != NULL &&
	    m->kind == JS_STRING) {
		if ((word = js_string(doc->arena, m, &len)) == NULL)
			return ERR_NOMEM;
		job->lost_policy = lost_policy_word(word, len);
	}
	e = take_list(doc, "tags", &job->tags, &job->n_tags);
	if (e == ERR_OK)
		e = take_list(
		    doc, "exclude_agents", &job->exclude, &job->n_exclude);
	if (e == ERR_OK)
		best_word(job->exclude, job->n_exclude, job->exclude_word);
	return e;
}

/* The id: the one given, in any spelling, or a new one. */
static enum err
take_id(struct js_doc *doc, struct job_new *job)
{
	const struct js_member *m = js_find(doc, "job_id");

	if (m != NULL) {
		job->id_text = js_string(doc->arena, m, &job->id_len);
		if (job->id_text == NULL)
			return ERR_NOMEM;
	}
	job->id_given = job->id_len > 0;
	if (job->id_given) {
		if (!id_parse(job->id_text, job->id_len, &job->id))
			job->id.text[0] = '\0';
		return ERR_OK;
	}
	id_make(&job->id);
	job->id_text = job->id.text;
	job->id_len = ID_LEN;
	return ERR_OK;
}

/* What the server reads in one section, in, that is an object. */
static enum err
take_section(
    struct arena *a, const char *name, struct js_doc *in, struct job_new *job)
{
	const struct js_member *m;
	bool none;

	if (js_find(in, "attachments") != NULL)
		job->attachments = true;
	if (strcmp(name, "test_data") == 0 &&
	    (m = js_find(in, "secrets")) != NULL) {
		job->secrets = true;
		return job_secrets_paths(
		    a, m, &job->secret_paths, &job->n_secret_paths);
	}
	if (strcmp(name, "reserve_data") == 0) {
		job->reserve_s = JOB_RESERVE_ASSUMED_S;
		if ((m = js_find(in, "timeout")) != NULL)
			(void)field_duration(in, m, &job->reserve_s, &none);
	}
	return ERR_OK;
}

static enum err
take_sections(struct js_doc *doc, struct arena *scratch, struct job_new *job)
{
	const struct js_member *m;
	struct js_fault fault;
	struct js_doc in;
	enum err e = ERR_OK;
	size_t i;

	for (i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		m = js_find(doc, sections[i]);
		if (m == NULL || m->kind != JS_OBJECT)
			continue;
		e = js_scan(&in, scratch, m->value.p, m->value.len, &fault);
		if (e == ERR_OK)
			e = take_section(doc->arena, sections[i], &in, job);
		arena_reset(scratch);
		if (e != ERR_OK)
			break;
	}
	return e;
}

static enum err
take(struct js_doc *doc, struct arena *scratch, struct job_new *job)
{
	enum err e;

	if ((e = take_fields(doc, job)) != ERR_OK ||
	    (e = take_id(doc, job)) != ERR_OK)
		return e;
	return take_sections(doc, scratch, job);
}

/* What is kept, in b, and behind it what must be added.  A seed job is kept as it
 * came, unless it has an empty id that must go. */
static enum err
finish_body(struct js_doc *doc, struct buf *b, struct job_new *job)
{
	bool whole = job->id_given || js_find(doc, "job_id") == NULL;

	if (job->seed && whole) {
		b->len = 0;
		buf_add(b, doc->text.p, doc->text.len);
	}
	if (!buf_ok(b))
		return ERR_NOMEM;
	b->len--; /* the brace */
	if (!job->seed && js_find(doc, "exclude_agents") == NULL)
		buf_str(b, ",\"exclude_agents\":[]");
	if (!job->id_given)
		buf_printf(b, ",\"job_id\":\"%s\"", job->id.text);
	buf_char(b, '}');
	job->body = b->p;
	job->body_len = b->len;
	return buf_ok(b) ? ERR_OK : ERR_NOMEM;
}

static void
free_scratch(void *p)
{
	arena_free(p);
}

enum err
job_fields_read(struct js_doc *doc, bool strict, bool token, struct faults *f,
    struct job_new *job)
{
	struct buf body;
	struct shaping s = {
	    .arena = doc->arena,
	    .scratch = arena_new(),
	    .faults = f,
	    .out = &body,
	};
	bool good;
	enum err e;

	if (s.scratch == NULL ||
	    !arena_defer(doc->arena, free_scratch, s.scratch))
		return ERR_NOMEM;
	*job = (struct job_new){.queue = NULL};
	buf_init(&body, doc->arena, doc->text.len + 128);
	good = shape_members(&s, strict ? &strict_job : &open_job, doc, NULL);
	if (!buf_ok(&body))
		return ERR_NOMEM;
	if (!good)
		return ERR_INVALID;
	if ((e = take(doc, s.scratch, job)) != ERR_OK)
		return e;
	job->seed = !strict && !token && !has_section(doc);
	return finish_body(doc, &body, job);
}

bool
job_fields_known(const char *name)
{
	size_t i;

	for (i = 0; i < strict_job.n; i++)
		if (strcmp(strict_fields[i].name, name) == 0)
			return true;
	return false;
}
