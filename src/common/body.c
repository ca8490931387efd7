/* One field, and the fault of each way in which it may be wrong. */

#include "body.h"

#include <string.h>

#include "field.h"
#include "reply.h"

/* For a text that would be cut at its NUL: neither is anybody's name. */
#define NO_NAME "\001"

const char *
body_not_empty(const char *s, size_t len)
{
	(void)s;
	return len > 0 ? NULL : "Shorter than minimum length 1.";
}

const char *
body_string(struct req *r, const char *name,
    const char *(*check)(const char *s, size_t len))
{
	const struct js_member *m;
	const char *s = NULL, *why = FIELD_MISSING;
	struct js_doc doc;
	struct faults f;
	size_t i, len = 0;
	enum err e;

	faults_init(&f, r->arena);
	if ((e = req_json_object(r, &doc, &f)) != ERR_OK) {
		if (e != ERR_INVALID)
			(void)reply_err(r, e);
		return NULL;
	}
	for (i = 0; i < doc.n_members; i++)
		if (strcmp(doc.members[i].key, name) != 0)
			faults_add(&f, FIELD_UNKNOWN, doc.members[i].key, NULL);
	if ((m = js_find(&doc, name)) != NULL)
		why = field_string(&doc, m, &s, &len);
	if (why == NULL && check != NULL)
		why = check(s, len);
	if (why != NULL)
		faults_add(&f, why, name, NULL);
	if (s == NULL || faults_any(&f)) {
		(void)reply_faults(r, &f);
		return NULL;
	}
	return strlen(s) == len ? s : NO_NAME;
}
