/* The fields of a client, as they come over the wire. */

#include <json-c/json.h>
#include <string.h>

#include "address.h"
#include "auth.h"
#include "client.h"
#include "field.h"
#include "queue.h"

/* A token carries the maps and travels in a header, so they are bounded. */
#define MAP_BYTES_MAX 4096

/* One entry of a map of queues to numbers, noted in o: of a key that comes twice the last
 * counts. */
static void
read_entry(struct js_doc *map, const struct js_member *m, const char *key,
    struct faults *f, struct json_object *o)
{
	const char *why;
	int64_t n;

	if (m->key_len > NAME_LEN_MAX)
		faults_add(
		    f, "Longer than maximum length 200.", key, "_schema", NULL);
	else if ((why = field_int(map, m, &n)) != NULL)
		faults_add(f, why, key, m->key, "value", NULL);
	else
		(void)json_object_object_add(
		    o, m->key, json_object_new_int64(n));
}

static void
put_object(void *o)
{
	(void)json_object_put(o);
}

static const char *
read_map(struct js_doc *doc, const struct js_member *m, struct faults *f,
    const char **out)
{
	struct json_object *o;
	struct js_doc map;
	const char *why;
	unsigned before = f->n;
	size_t i;

	if ((why = field_object(doc, m, &map)) != NULL)
		return why;
	o = json_object_new_object();
	if (o == NULL || !arena_defer(doc->arena, put_object, o))
		return "Out of memory.";
	for (i = 0; i < map.n_members; i++)
		read_entry(&map, &map.members[i], m->key, f, o);
	*out = json_object_to_json_string_ext(
	    o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	if (*out == NULL)
		return "Out of memory.";
	return f->n == before && strlen(*out) > MAP_BYTES_MAX
		   ? "Longer than 4096 bytes as JSON."
		   : NULL;
}

typedef const char *(*field_reader)(struct js_doc *doc,
    const struct js_member *m, struct faults *f, struct client_change *out);

static const char *
secret(struct js_doc *doc, const struct js_member *m, struct faults *f,
    struct client_change *out)
{
	const char *s, *why;
	size_t len;

	(void)f;
	if ((why = field_string(doc, m, &s, &len)) == NULL &&
	    (why = client_secret_fault(s, len)) == NULL)
		out->secret = s;
	return why;
}

static const char *
email(struct js_doc *doc, const struct js_member *m, struct faults *f,
    struct client_change *out)
{
	const char *s, *why;
	size_t len;

	(void)f;
	if ((why = field_string(doc, m, &s, &len)) != NULL)
		return why;
	if (!address_is_email(s, len))
		return "Not a valid email address.";
	out->email = s;
	return NULL;
}

static const char *
role(struct js_doc *doc, const struct js_member *m, struct faults *f,
    struct client_change *out)
{
	static const char *const names[] = {
	    "admin", "manager", "contributor", "agent"};
	const char *s, *why;
	size_t i, len;

	(void)f;
	if ((why = field_string(doc, m, &s, &len)) != NULL)
		return why;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (len == strlen(names[i]) && strcmp(s, names[i]) == 0)
			out->role = auth_role(s);
	return out->role != 0
		   ? NULL
		   : "Must be one of: admin, manager, contributor, agent.";
}

static const char *
priority(struct js_doc *doc, const struct js_member *m, struct faults *f,
    struct client_change *out)
{
	return read_map(doc, m, f, &out->max_priority);
}

static const char *
reservation(struct js_doc *doc, const struct js_member *m, struct faults *f,
    struct client_change *out)
{
	return read_map(doc, m, f, &out->max_reservation_time);
}

static const struct {
	const char *key;
	field_reader read;
} fields[] = {
    {"client_secret", secret},
    {"email", email},
    {"max_priority", priority},
    {"max_reservation_time", reservation},
    {"role", role},
};

#define N_FIELDS (sizeof(fields) / sizeof(fields[0]))

static bool
known(const char *key)
{
	size_t i;

	for (i = 0; i < N_FIELDS; i++)
		if (strcmp(fields[i].key, key) == 0)
			return true;
	return false;
}

enum err
client_change_read(
    struct js_doc *doc, struct faults *f, struct client_change *out)
{
	const struct js_member *m;
	const char *why;
	size_t i;

	*out = (struct client_change){.role = 0};
	for (i = 0; i < doc->n_members; i++)
		if (!known(doc->members[i].key))
			faults_add(f, FIELD_UNKNOWN, doc->members[i].key, NULL);
	for (i = 0; i < N_FIELDS; i++) {
		m = js_find(doc, fields[i].key);
		why = m != NULL ? fields[i].read(doc, m, f, out) : NULL;
		if (why != NULL)
			faults_add(f, why, m->key, NULL);
	}
	return faults_any(f) ? ERR_INVALID : ERR_OK;
}
