/* testflingerctl client …: who may log in, and what for. */

#include <getopt.h>
#include <json-c/json.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth.h"
#include "bcrypt.h"
#include "client.h"
#include "ctl.h"
#include "queue.h"
#include "rand_text.h"

#define MADE_LEN 40 /* letters and digits of a secret made here */
#define ROLES "admin, manager, contributor, agent"

struct given {
	struct client_change change;
	struct json_object *maps[2]; /* of --max-priority, --max-reservation */
	char secret[BCRYPT_SECRET_MAX + 2];
	bool from_stdin, make, made, json;
};

static const struct option options[] = {
    {"role", required_argument, NULL, 'r'},
    {"email", required_argument, NULL, 'e'},
    {"max-priority", required_argument, NULL, 'p'},
    {"max-reservation", required_argument, NULL, 't'},
    {"secret-stdin", no_argument, NULL, 's'},
    {"make-secret", no_argument, NULL, 'm'},
    {"json", no_argument, NULL, 'j'},
    {NULL, 0, NULL, 0},
};

/* QUEUE=N into the map; an empty text makes an empty map. */
static const char *
read_limit(struct json_object **map, const char *text)
{
	const char *equals = strrchr(text, '=');
	char queue[NAME_LEN_MAX + 1], *end;
	long long n;

	if (*map == NULL)
		*map = json_object_new_object();
	if (text[0] == '\0')
		return NULL;
	if (equals == NULL || equals == text ||
	    (size_t)(equals - text) > NAME_LEN_MAX)
		return "write QUEUE=NUMBER, with * for every queue";
	n = strtoll(equals + 1, &end, 10);
	if (equals[1] == '\0' || *end != '\0')
		return "behind the = stands a whole number";
	(void)snprintf(
	    queue, sizeof(queue), "%.*s", (int)(equals - text), text);
	(void)json_object_object_add(*map, queue, json_object_new_int64(n));
	return NULL;
}

static const char *
read_option(struct given *g, int option)
{
	switch (option) {
	case 'r':
		g->change.role = client_role(optarg);
		return g->change.role != 0 ? NULL : "the roles are " ROLES;
	case 'e':
		g->change.email = optarg;
		return client_email_ok(optarg, strlen(optarg))
			   ? NULL
			   : "write an address such as lab@example.com";
	case 'p':
		return read_limit(&g->maps[0], optarg);
	case 't':
		return read_limit(&g->maps[1], optarg);
	case 's':
		g->from_stdin = true;
		return NULL;
	case 'm':
		g->make = true;
		return NULL;
	case 'j':
		g->json = true;
		return NULL;
	default:
		return "";
	}
}

static const char *
map_text(struct json_object *map)
{
	return map != NULL ? json_object_to_json_string_ext(
				 map, JSON_C_TO_STRING_PLAIN |
					  JSON_C_TO_STRING_NOSLASHESCAPE)
			   : NULL;
}

/* The options and n words; their first is argv[optind] then. */
static int
read_words(struct ctl *c, int argc, char **argv, int n, struct given *g)
{
	const char *why;
	int option;

	*g = (struct given){.change = {.role = 0}};
	optind = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		why = read_option(g, option);
		if (why != NULL && why[0] != '\0')
			return ctl_usage(c, "%s: %s", optarg, why);
		if (why != NULL)
			return ctl_usage(c, "see testflingerctl --help");
	}
	if (argc - optind != n)
		return ctl_usage(c,
		    argc - optind < n ? "a word is missing" : "too many words");
	g->change.max_priority = map_text(g->maps[0]);
	g->change.max_reservation_time = map_text(g->maps[1]);
	return CTL_DONE;
}

static void
forget(struct given *g)
{
	(void)json_object_put(g->maps[0]);
	(void)json_object_put(g->maps[1]);
	sodium_memzero(g->secret, sizeof(g->secret));
}

/* One line of standard input; one byte more than is allowed shows that it is too long. */
static size_t
read_line(char *out, size_t size)
{
	size_t n = 0;
	int ch;

	while ((ch = getchar()) != EOF && ch != '\n')
		if (n < size - 1)
			out[n++] = (char)ch;
	if (n > 0 && out[n - 1] == '\r')
		n--;
	out[n] = '\0';
	return n;
}

/* From standard input, or made: wanted says that there must be one. */
static int
get_secret(struct given *g, bool wanted)
{
	const char *why;
	size_t n = 0;

	if (g->from_stdin || (wanted && !g->make && isatty(STDIN_FILENO) == 0))
		n = read_line(g->secret, sizeof(g->secret));
	else if (!wanted && !g->make)
		return CTL_DONE;
	if (n == 0 && g->from_stdin)
		return ctl_fail("Write it as one line, or leave out "
				"--secret-stdin: then one is made.",
		    "no secret came on standard input");
	if (n == 0) {
		if (rand_text(g->secret, MADE_LEN) != ERR_OK)
			return ctl_err(ERR_IO);
		g->made = true;
	} else if ((why = client_secret_fault(g->secret, n)) != NULL) {
		return ctl_fail("A secret has 15 to 72 bytes.",
		    "the secret on standard input: %s", why);
	}
	g->change.secret = g->secret;
	return CTL_DONE;
}

static void
tell_next(struct ctl *c, const struct given *g, const char *id)
{
	const char *file = conf_file(c->svc->conf);

	if (g->made)
		(void)printf("Its secret, shown this once: %s\n", g->secret);
	if (conf_str(c->svc->conf, CONF_JWT_SIGNING_KEY)[0] == '\0')
		(void)printf("Next: nobody can log in yet: set JWT_SIGNING_KEY "
			     "in %s and "
			     "restart the server.\n",
		    file != NULL ? file : "the configuration");
	else
		(void)printf(
		    "Next: it logs in by POST /v1/oauth2/token, as in\n"
		    "  curl --user %s URL/v1/oauth2/token -X POST\n",
		    id);
}

static int
put(struct ctl *c, struct given *g, const char *id)
{
	const char *role;
	enum client_verdict v;
	enum err e = ERR_OK;

	v = client_put(c->svc, id, &g->change, ROLE_ADMIN, &role, &e);
	switch (v) {
	case CLIENT_CREATED:
	case CLIENT_UPDATED:
		(void)printf("Client %s %s, role %s.\n", id,
		    v == CLIENT_CREATED ? "made" : "changed", role);
		if (g->change.secret != NULL)
			tell_next(c, g, id);
		else
			(void)printf(
			    "Next: it takes effect with its next access "
			    "token, in ten minutes at most.\n");
		return CTL_DONE;
	case CLIENT_OIDC:
		return ctl_fail("Leave out --email, --secret-stdin and "
				"--make-secret.",
		    "%s signs in elsewhere and has no secret here", id);
	case CLIENT_FAILED:
		return ctl_err(e);
	default:
		return ctl_fail("testflingerctl client add makes one.",
		    "there is no client %s", id);
	}
}

static int
add_words(struct ctl *c, struct given *g, const char *id)
{
	const char *why = client_id_fault(id);
	struct client known;
	enum err e;
	int status;

	if (why != NULL)
		return ctl_usage(c, "ID: %s", why);
	e = client_read(c->svc, c->arena, id, &known);
	if (e == ERR_OK)
		return ctl_fail("testflingerctl client set changes it.",
		    "the client %s exists already", id);
	if (e != ERR_NOTFOUND)
		return ctl_err(e);
	status = get_secret(g, true);
	return status == CTL_DONE ? put(c, g, id) : status;
}

static int
set_words(struct ctl *c, struct given *g, const char *id)
{
	const struct client_change *ch = &g->change;
	struct client known;
	enum err e;
	int status;

	e = client_read(c->svc, c->arena, id, &known);
	if (e == ERR_NOTFOUND)
		return ctl_fail("testflingerctl client add makes one.",
		    "there is no client %s", id);
	if (e != ERR_OK)
		return ctl_err(e);
	if ((status = get_secret(g, false)) != CTL_DONE)
		return status;
	if (ch->role == 0 && ch->email == NULL && ch->max_priority == NULL &&
	    ch->max_reservation_time == NULL && ch->secret == NULL)
		return ctl_usage(c, "nothing is to be set");
	return put(c, g, id);
}

static int
client_add(struct ctl *c, int argc, char **argv)
{
	struct given g;
	int status = read_words(c, argc, argv, 1, &g);

	if (status == CTL_DONE)
		status = add_words(c, &g, argv[optind]);
	forget(&g);
	return status;
}

static int
client_set(struct ctl *c, int argc, char **argv)
{
	struct given g;
	int status = read_words(c, argc, argv, 1, &g);

	if (status == CTL_DONE)
		status = set_words(c, &g, argv[optind]);
	forget(&g);
	return status;
}

/* The object of a client, one member a line. */
static void
show(struct json_object *o)
{
	struct json_object_iterator i = json_object_iter_begin(o);
	struct json_object_iterator end = json_object_iter_end(o);
	struct json_object *v;

	for (; !json_object_iter_equal(&i, &end); json_object_iter_next(&i)) {
		v = json_object_iter_peek_value(&i);
		(void)printf("%-20s  %s\n", json_object_iter_peek_name(&i),
		    json_object_is_type(v, json_type_string)
			? json_object_get_string(v)
			: json_object_to_json_string_ext(
			      v, JSON_C_TO_STRING_PLAIN |
				     JSON_C_TO_STRING_NOSLASHESCAPE));
	}
}

static const char *
text_of(struct json_object *o, const char *key)
{
	return json_object_get_string(json_object_object_get(o, key));
}

static int
list_words(struct ctl *c, const struct given *g)
{
	struct json_object *list, *o;
	const char *json;
	size_t i, len;
	enum err e;

	if ((e = client_list(c->svc, c->arena, &json, &len)) != ERR_OK)
		return ctl_err(e);
	if (g->json) {
		(void)fputs(json, stdout);
		return CTL_DONE;
	}
	if ((list = json_tokener_parse(json)) == NULL)
		return ctl_err(ERR_NOMEM);
	for (i = 0; i < json_object_array_length(list); i++) {
		o = json_object_array_get_idx(list, i);
		(void)printf(
		    "%-12s  %s\n", text_of(o, "role"), text_of(o, "client_id"));
	}
	if (i == 0)
		(void)printf("There are no clients.\nNext: testflingerctl "
			     "client add --role admin ID\n");
	(void)json_object_put(list);
	return CTL_DONE;
}

static int
list_clients(struct ctl *c, int argc, char **argv)
{
	struct given g;
	int status = read_words(c, argc, argv, 0, &g);

	if (status == CTL_DONE)
		status = list_words(c, &g);
	forget(&g);
	return status;
}

static int
show_words(struct ctl *c, const struct given *g, const char *id)
{
	struct json_object *o;
	struct client known;
	enum err e;

	e = client_read(c->svc, c->arena, id, &known);
	if (e == ERR_NOTFOUND)
		return ctl_fail("testflingerctl client list names all.",
		    "there is no client %s", id);
	if (e != ERR_OK)
		return ctl_err(e);
	if (g->json) {
		(void)puts(known.json);
		return CTL_DONE;
	}
	if ((o = json_tokener_parse(known.json)) == NULL)
		return ctl_err(ERR_NOMEM);
	show(o);
	(void)printf("%-20s  %s\n", "secret",
	    known.hash != NULL ? "set" : "none, signs in elsewhere");
	(void)json_object_put(o);
	return CTL_DONE;
}

static int
show_client(struct ctl *c, int argc, char **argv)
{
	struct given g;
	int status = read_words(c, argc, argv, 1, &g);

	if (status == CTL_DONE)
		status = show_words(c, &g, argv[optind]);
	forget(&g);
	return status;
}

static int
remove_client(struct ctl *c, int argc, char **argv)
{
	struct given g;
	int status = read_words(c, argc, argv, 1, &g);
	const char *id = argv[optind];
	enum err e;

	forget(&g);
	if (status != CTL_DONE)
		return status;
	e = client_remove(c->svc, id);
	if (e == ERR_NOTFOUND)
		return ctl_fail("testflingerctl client list names all.",
		    "there is no client %s", id);
	if (e != ERR_OK)
		return ctl_err(e);
	(void)printf(
	    "Client %s removed, with its refresh tokens and secrets.\n"
	    "Next: nothing; an access token that it has ends by itself in "
	    "ten minutes at most.\n",
	    id);
	return CTL_DONE;
}

#define LIMITS                                                                 \
	"[--max-priority QUEUE=N]... [--max-reservation QUEUE=SECONDS]... "

static const struct ctl_command commands[] = {
    {"client", "add",
	"[--role ROLE] " LIMITS
	"[--email ADDRESS] [--secret-stdin | --make-secret] ID",
	"Make a client.  Its secret is the line on standard input, or made "
	"and shown.",
	client_add},
    {"client", "list", "[--json]", "List all clients with their roles.",
	list_clients},
    {"client", "show", "[--json] ID", "Show what a client may.", show_client},
    {"client", "set",
	"[--role ROLE] " LIMITS
	"[--email ADDRESS] [--secret-stdin | --make-secret] ID",
	"Change a client; what is not named stays.", client_set},
    {"client", "remove", "ID",
	"Remove a client, its refresh tokens and secrets.", remove_client},
};

const struct ctl_group ctl_client = {
    commands, sizeof(commands) / sizeof(commands[0])};
