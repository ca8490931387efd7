/* docs/openapi.json and the rows of the responders tell of the same paths, methods and
 * roles. */

#include <criterion/criterion.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "agent/routes.h"
#include "app.h"
#include "auth/routes.h"
#include "dispatch/routes.h"
#include "event/routes.h"
#include "file/routes.h"
#include "job/routes.h"
#include "queue/routes.h"
#include "result/routes.h"
#include "status/routes.h"

static const struct route_table *const tables[] = {&agent_routes, &auth_routes,
    &dispatch_routes, &event_routes, &file_routes, &job_routes, &queue_routes,
    &result_routes, &status_routes};

#define N_TABLES (sizeof(tables) / sizeof(tables[0]))

/* What nginx serves itself. */
static const char by_nginx[] = "get /openapi.json";

static const struct {
	enum method method;
	const char *name;
} methods[] = {
    {METHOD_GET, "get"},
    {METHOD_POST, "post"},
    {METHOD_PUT, "put"},
    {METHOD_DELETE, "delete"},
};

#define N_METHODS (sizeof(methods) / sizeof(methods[0]))

/* In the order in which a refusal lists them. */
static const struct {
	enum role role;
	const char *name;
} roles[] = {
    {ROLE_ADMIN, "admin"},
    {ROLE_MANAGER, "manager"},
    {ROLE_CONTRIBUTOR, "contributor"},
    {ROLE_AGENT, "agent"},
};

#define N_ROLES (sizeof(roles) / sizeof(roles[0]))

#define TEXT_MAX 256

static struct json_object *
read_file(void)
{
	struct json_object *doc = json_object_from_file(TF_OPENAPI);

	cr_assert(doc != NULL, "%s", json_util_get_last_err());
	return doc;
}

static struct json_object *
member(struct json_object *o, const char *name)
{
	struct json_object *m = NULL;

	(void)json_object_object_get_ex(o, name, &m);
	return m;
}

static const char *
method_name(enum method m)
{
	size_t i;

	for (i = 0; i < N_METHODS; i++)
		if (methods[i].method == m)
			return methods[i].name;
	cr_assert(false, "a row with a method that the file has no word for");
	return NULL;
}

/* The roles of a row as the file lists them. */
static void
roles_of(const struct route *row, char *text)
{
	size_t i, k, n = 0;

	text[0] = '\0';
	for (i = 0; i < N_ROLES; i++) {
		k = (row->flags & ROUTE_ROLES_UPWARD) != 0 ? N_ROLES - 1 - i
							   : i;
		if ((row->roles & roles[k].role) != 0)
			n += (size_t)snprintf(
			    text + n, TEXT_MAX - n, " %s", roles[k].name);
	}
}

static void
roles_in(struct json_object *operation, char *text)
{
	struct json_object *list = member(operation, "x-permission-roles");
	size_t i, n = 0;

	text[0] = '\0';
	for (i = 0; list != NULL && i < json_object_array_length(list); i++)
		n += (size_t)snprintf(text + n, TEXT_MAX - n, " %s",
		    json_object_get_string(json_object_array_get_idx(list, i)));
}

static bool
is_text(const char *p, size_t n, const char *text)
{
	return strlen(text) == n && memcmp(p, text, n) == 0;
}

/* One segment of a path of the file and one of a row: the same, a placeholder of the same
 * name ({path} is {path...} in a row), or {log_type}, whose values are rows of their
 * own. */
static bool
same_segment(const char *file, size_t n, const char *row, size_t m)
{
	if (is_text(file, n, "{log_type}"))
		return is_text(row, m, "output") || is_text(row, m, "serial");
	if (m > 4 && memcmp(row + m - 4, "...}", 4) == 0)
		return n == m - 3 && memcmp(file, row, n - 1) == 0;
	return n == m && memcmp(file, row, n) == 0;
}

static bool
same_path(const char *file, const char *row)
{
	size_t n, m;

	while (*file == '/' && *row == '/') {
		n = strcspn(++file, "/");
		m = strcspn(++row, "/");
		if (!same_segment(file, n, row, m))
			return false;
		file += n;
		row += m;
	}
	return *file == *row;
}

/* The operation of a row, or NULL. */
static struct json_object *
operation_of(struct json_object *doc, const struct route *row)
{
	struct json_object_iter it;

	json_object_object_foreachC(member(doc, "paths"), it)
	{
		if (same_path(it.key, row->path))
			return member(it.val, method_name(row->method));
	}
	return NULL;
}

static bool
has_row(const char *method, const char *path)
{
	const struct route *row;
	size_t i, k;

	for (i = 0; i < N_TABLES; i++)
		for (k = 0; k < tables[i]->n; k++) {
			row = &tables[i]->routes[k];
			if ((row->flags & ROUTE_ELSEWHERE) == 0 &&
			    strcmp(method, method_name(row->method)) == 0 &&
			    same_path(path, row->path))
				return true;
		}
	return false;
}

Test(openapi, tells_of_every_row_with_its_roles_in_order)
{
	struct json_object *doc = read_file(), *operation;
	char wanted[TEXT_MAX], got[TEXT_MAX];
	const struct route *row;
	size_t i, k;

	for (i = 0; i < N_TABLES; i++)
		for (k = 0; k < tables[i]->n; k++) {
			row = &tables[i]->routes[k];
			if ((row->flags & ROUTE_ELSEWHERE) != 0)
				continue;
			operation = operation_of(doc, row);
			cr_expect(operation != NULL, "%s %s is not in the file",
			    method_name(row->method), row->path);
			roles_of(row, wanted);
			roles_in(operation, got);
			cr_expect_str_eq(got, wanted, "%s %s:%s",
			    method_name(row->method), row->path, got);
		}
	json_object_put(doc);
}

Test(openapi, tells_of_nothing_else)
{
	struct json_object *doc = read_file();
	struct json_object_iter path, operation;
	char both[TEXT_MAX];

	json_object_object_foreachC(member(doc, "paths"), path)
	{
		json_object_object_foreachC(path.val, operation)
		{
			(void)snprintf(both, sizeof(both), "%s %s",
			    operation.key, path.key);
			cr_expect(strcmp(both, by_nginx) == 0 ||
				      has_row(operation.key, path.key),
			    "%s is no row", both);
		}
	}
	json_object_put(doc);
}
