/* testflingerctl client: who may log in, and what for. */

#include <errno.h>
#include <getopt.h>
#include <json-c/json.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "auth.h"
#include "bcrypt.h"
#include "client.h"
#include "ctl.h"
#include "rand_text.h"
#include "uri.h"

#define MADE_LEN 32

/* A client as the command line tells it. */
struct asked {
	const char *id;
	struct client_change change;
	struct json_object *priority, *reservation; /* NULL: not told */
	bool from_stdin;
	bool make;
	char secret[128];
	size_t secret_len;
};

/* QUEUE=NUMBER into a map.  False if it is none. */
static bool
add_entry(struct json_object **map, const char *text)
{
	const char *equal = strrchr(text, '=');
	char *name, *end;
	long long n;

	if (equal == NULL || equal == text)
		return false;
	errno = 0;
	n = strtoll(equal + 1, &end, 10);
	if (errno != 0 || end == equal + 1 || *end != '\0')
		return false;
	if (*map == NULL)
		*map = json_object_new_object();
	name = strndup(text, (size_t)(equal - text));
	if (name == NULL || *map == NULL ||
	    json_object_object_add(*map, name, json_object_new_int64(n)) != 0)
		abort();
	free(name);
	return true;
}

/* The first line of standard input, without its end; of one that is too long enough to
 * tell. */
static bool
read_secret(struct asked *q)
{
	char *line = NULL;
	size_t size = 0, n = 0;
	ssize_t len = getline(&line, &size, stdin);

	if (len > 0)
		n = (size_t)len;
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
		n--;
	q->secret_len = n < sizeof(q->secret) ? n : sizeof(q->secret);
	if (n > 0)
		memcpy(q->secret, line, q->secret_len);
	if (line != NULL)
		sodium_memzero(line, size);
	free(line);
	return n > 0;
}

static int
settle_secret(struct asked *q)
{
	const char *why;

	if (q->from_stdin && !read_secret(q))
		return ctl_fail(
		    "Write one line to standard input.", "no secret came");
	if (!q->from_stdin && q->make) {
		if (rand_text(q->secret, MADE_LEN) != ERR_OK)
			return ctl_err(ERR_IO);
		q->secret_len = MADE_LEN;
	}
	if (q->secret_len == 0)
		return CTL_DONE;
	why = client_secret_fault(q->secret, q->secret_len);
	if (why != NULL)
		return ctl_fail("Take 15 characters or more in at most 72 "
				"bytes, or let one be made.",
		    "the secret does not do: %s", why);
	q->change.secret = q->secret;
	return CTL_DONE;
}

static int
read_option(struct ctl *c, struct asked *q, int option, const char *value)
{
	switch (option) {
	case 'r':
		q->change.role = auth_role(value);
		if (q->change.role == 0 ||
		    strcmp(auth_role_name(q->change.role), value) != 0)
			return ctl_usage(c,
			    "--role %s: write admin, manager, contributor or "
			    "agent",
			    value);
		return CTL_DONE;
	case 'p':
		return add_entry(&q->priority, value)
			   ? CTL_DONE
			   : ctl_usage(c,
				 "--max-priority %s: write QUEUE=NUMBER, the "
				 "queue may be *",
				 value);
	case 't':
		return add_entry(&q->reservation, value)
			   ? CTL_DONE
			   : ctl_usage(c,
				 "--max-reservation %s: write QUEUE=SECONDS, "
				 "the queue may be *",
				 value);
	case 'e':
		if (!address_is_email(value, strlen(value)))
			return ctl_usage(
			    c, "--email %s: that is no address", value);
		q->change.email = value;
		return CTL_DONE;
	case 's':
		q->from_stdin = true;
		return CTL_DONE;
	case 'n':
		q->make = true;
		return CTL_DONE;
	default:
		return ctl_usage(
		    c, "an option that is unknown or lacks its value");
	}
}

static int
read_asked(struct ctl *c, struct asked *q, int argc, char **argv)
{
	static const struct option options[] = {
	    {"role", required_argument, NULL, 'r'},
	    {"max-priority", required_argument, NULL, 'p'},
	    {"max-reservation", required_argument, NULL, 't'},
	    {"email", required_argument, NULL, 'e'},
	    {"secret-stdin", no_argument, NULL, 's'},
	    {"new-secret", no_argument, NULL, 'n'},
	    {NULL, 0, NULL, 0},
	};
	int option, status;

	optind = 0;
	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if ((status = read_option(c, q, option, optarg)) != CTL_DONE)
			return status;
	if (argc - optind != 1)
		return ctl_usage(c, "write the id of one client");
	q->id = argv[optind];
	if (q->priority != NULL)
		q->change.max_priority = json_object_to_json_string_ext(
		    q->priority, JSON_C_TO_STRING_PLAIN);
	if (q->reservation != NULL)
		q->change.max_reservation_time = json_object_to_json_string_ext(
		    q->reservation, JSON_C_TO_STRING_PLAIN);
	return CTL_DONE;
}

static void
free_asked(struct asked *q)
{
	(void)json_object_put(q->priority);
	(void)json_object_put(q->reservation);
	sodium_memzero(q->secret, sizeof(q->secret));
}

/* The secret is shown once, and only if it was made here. */
static void
tell_secret(const struct asked *q)
{
	if (q->change.secret == NULL || q->from_stdin)
		return;
	(void)printf("Its secret is shown this once: %s\n", q->secret);
}

static int
put(struct ctl *c, struct asked *q)
{
	enum client_verdict v;
	enum err failure;
	const char *role;

	v = client_put(c->svc, q->id, &q->change, ROLE_ADMIN, &role, &failure);
	switch (v) {
	case CLIENT_FAILED:
		return ctl_err(failure);
	case CLIENT_OIDC:
		return ctl_fail(
		    "Its e-mail and secret are those of the provider.",
		    "the client %s signs in elsewhere", q->id);
	case CLIENT_NO_SECRET:
		return ctl_fail("Make it with: testflingerctl client add",
		    "there is no client %s", q->id);
	default:
		break;
	}
	(void)printf("The client %s is %s, in the role %s.\n", q->id,
	    v == CLIENT_CREATED ? "made" : "changed", role);
	tell_secret(q);
	return CTL_DONE;
}

/* Where clients find the server is known only if the configuration says so. */
static void
tell_next(const struct ctl *c, const char *id)
{
	const char *url = conf_str(c->svc->conf, CONF_PUBLIC_URL);

	(void)printf("Next: log in with it, for instance\n"
		     "  curl --user %s --request POST %.*s/v1/oauth2/token\n",
	    id, url[0] != '\0' ? (int)uri_origin(url) : 7,
	    url[0] != '\0' ? url : "ADDRESS");
	if (url[0] == '\0')
		(void)printf("Write for ADDRESS where the server answers, such "
			     "as http://localhost:8000.\n");
}

static int
add(struct ctl *c, struct asked *q)
{
	struct client known;
	const char *why;
	enum err e;
	int status;

	if ((why = client_id_fault(q->id)) != NULL)
		return ctl_usage(c, "the id %s: %s", q->id, why);
	e = client_read(c->svc, c->arena, q->id, &known);
	if (e == ERR_OK)
		return ctl_fail("Change it with: testflingerctl client set",
		    "there is a client %s already", q->id);
	if (e != ERR_NOTFOUND)
		return ctl_err(e);
	if (q->change.role == 0)
		q->change.role = ROLE_CONTRIBUTOR;
	q->from_stdin = q->from_stdin || (!q->make && !isatty(STDIN_FILENO));
	q->make = true;
	if ((status = settle_secret(q)) != CTL_DONE ||
	    (status = put(c, q)) != CTL_DONE)
		return status;
	tell_next(c, q->id);
	if (c->svc->jwt == NULL)
		(void)printf("The server gives no tokens yet: set "
			     "JWT_SIGNING_KEY, see testflinger.conf(5).\n");
	return CTL_DONE;
}

static int
run_add(struct ctl *c, int argc, char **argv)
{
	struct asked q = {.id = NULL};
	int status = read_asked(c, &q, argc, argv);

	if (status == CTL_DONE)
		status = add(c, &q);
	free_asked(&q);
	return status;
}

static int
run_set(struct ctl *c, int argc, char **argv)
{
	struct asked q = {.id = NULL};
	struct client known;
	enum err e;
	int status = read_asked(c, &q, argc, argv);

	if (status == CTL_DONE) {
		e = client_read(c->svc, c->arena, q.id, &known);
		if (e == ERR_NOTFOUND)
			status =
			    ctl_fail("Make it with: testflingerctl client add",
				"there is no client %s", q.id);
		else if (e != ERR_OK)
			status = ctl_err(e);
	}
	if (status == CTL_DONE)
		status = settle_secret(&q);
	if (status == CTL_DONE)
		status = put(c, &q);
	if (status == CTL_DONE)
		(void)printf("Tokens that it has are good for up to ten "
			     "minutes as they are.\n");
	free_asked(&q);
	return status;
}

static int
run_list(struct ctl *c, int argc, char **argv)
{
	const char *json;
	size_t len;
	enum err e;

	(void)argv;
	if (argc != 1)
		return ctl_usage(c, "it takes no arguments");
	e = client_list(c->svc, c->arena, &json, &len);
	if (e != ERR_OK)
		return ctl_err(e);
	(void)fwrite(json, 1, len, stdout);
	return CTL_DONE;
}

static int
run_show(struct ctl *c, int argc, char **argv)
{
	struct client known;
	enum err e;

	if (argc != 2)
		return ctl_usage(c, "write the id of one client");
	e = client_read(c->svc, c->arena, argv[1], &known);
	if (e == ERR_NOTFOUND)
		return ctl_fail("testflingerctl client list shows all.",
		    "there is no client %s", argv[1]);
	if (e != ERR_OK)
		return ctl_err(e);
	(void)printf("%.*s\n", (int)known.json_len, known.json);
	return CTL_DONE;
}

static int
run_remove(struct ctl *c, int argc, char **argv)
{
	enum err e;

	if (argc != 2)
		return ctl_usage(c, "write the id of one client");
	e = client_remove(c->svc, argv[1]);
	if (e == ERR_NOTFOUND)
		return ctl_fail("testflingerctl client list shows all.",
		    "there is no client %s", argv[1]);
	if (e != ERR_OK)
		return ctl_err(e);
	(void)printf("The client %s is removed, with its refresh tokens, its "
		     "secrets and its queues.\n",
	    argv[1]);
	return CTL_DONE;
}

#define OPTIONS                                                                \
	"[--role ROLE] [--max-priority QUEUE=N]... "                           \
	"[--max-reservation QUEUE=SECONDS]... [--email ADDRESS] "              \
	"[--secret-stdin | --new-secret] ID"

static const struct ctl_command commands[] = {
    {"client", "add", OPTIONS,
	"make a client; its secret is made and shown, or read from standard "
	"input",
	run_add},
    {"client", "set", OPTIONS,
	"change what is given of a client; a map replaces the former one",
	run_set},
    {"client", "list", "", "show all clients", run_list},
    {"client", "show", "ID", "show one client", run_show},
    {"client", "remove", "ID", "remove a client and what is its own",
	run_remove},
};

const struct ctl_group ctl_client = {
    commands, sizeof(commands) / sizeof(commands[0])};
