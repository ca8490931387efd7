/*
 * testflingerctl: finds the command, becomes the user to whom the store belongs, and
 * opens the store by the same code as the responders.
 */

#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <libgen.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl.h"
#include "log.h"
#include "schema.h"

#define NAME "testflingerctl"

static const struct ctl_group *const groups[] = {
    &ctl_client, &ctl_queue, &ctl_secret};

#define N_GROUPS (sizeof(groups) / sizeof(groups[0]))

__attribute__((format(printf, 2, 0))) static void
say(const char *help, const char *fmt, va_list ap)
{
	(void)fprintf(stderr, NAME ": ");
	(void)vfprintf(stderr, fmt, ap);
	(void)fprintf(stderr, "\n");
	if (help != NULL)
		(void)fprintf(stderr, "%s\n", help);
}

int
ctl_fail(const char *help, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(help, fmt, ap);
	va_end(ap);
	return CTL_FAILED;
}

int
ctl_usage(const struct ctl *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(NULL, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "usage: " NAME " %s %s %s\n", c->command->group,
	    c->command->name, c->command->args);
	return CTL_USAGE;
}

int
ctl_err(enum err e)
{
	if (e == ERR_DAMAGED)
		return ctl_fail("Restore it, see section 6 of docs/STORE.md.",
		    "the store refused: %s", err_text(e));
	return ctl_fail(
	    e == ERR_BUSY || e == ERR_FULL
		? "Nothing was changed: make room or wait, and try again."
		: "The lines above tell more, as do the logs of the server.",
	    "the store refused: %s", err_text(e));
}

static void
usage(FILE *to)
{
	const struct ctl_command *c;
	size_t g, i;

	(void)fprintf(to,
	    "usage: " NAME " [--config FILE] GROUP COMMAND [ARGUMENT]...\n"
	    "Manage a Testflinger server on its host.  FILE is the "
	    "configuration of its\nresponders (default: "
	    "TESTFLINGER_CONFIG, else the installed one).\n\n");
	for (g = 0; g < N_GROUPS; g++)
		for (i = 0; i < groups[g]->n; i++) {
			c = &groups[g]->commands[i];
			(void)fprintf(to, "  %s %s %s\n      %s\n", c->group,
			    c->name, c->args, c->doc);
		}
	(void)fprintf(to,
	    "\n--help prints this, --version the version.  The manual is "
	    "testflingerctl(8).\n");
}

/* NULL: there is none, which has been told. */
static const struct ctl_command *
find(int argc, char **argv)
{
	const struct ctl_command *c;
	size_t g, i;

	for (g = 0; argc >= 2 && g < N_GROUPS; g++)
		for (i = 0; i < groups[g]->n; i++) {
			c = &groups[g]->commands[i];
			if (strcmp(c->group, argv[0]) == 0 &&
			    strcmp(c->name, argv[1]) == 0)
				return c;
		}
	if (argc >= 2)
		(void)ctl_fail(NAME " --help lists the commands.",
		    "there is no command %s %s", argv[0], argv[1]);
	else
		usage(stderr);
	return NULL;
}

/* Where the store is: its file, or the directory in which it will be. */
static bool
store_owner(const struct conf *conf, struct stat *st, const char **where)
{
	static const char scheme[] = "sqlite:";
	const char *uri = conf_str(conf, CONF_STATE_URI);
	static char path[4200];

	if (uri[0] != '\0')
		(void)snprintf(
		    path, sizeof(path), "%s", uri + sizeof(scheme) - 1);
	else
		(void)snprintf(path, sizeof(path), "%s/state.db",
		    conf_str(conf, CONF_DATA_PATH));
	*where = path;
	if (stat(path, st) == 0)
		return true;
	*where = dirname(path);
	return stat(*where, st) == 0;
}

static const char *
user_name(uid_t uid)
{
	static char number[24];
	const struct passwd *p = getpwuid(uid);

	(void)snprintf(number, sizeof(number), "%lu", (unsigned long)uid);
	return p != NULL ? p->pw_name : number;
}

/*
 * Be the user whose the store is: files that root made beside it, such as SQLite's log
 * and index, would lock the responders out.
 */
static int
become_owner(const struct conf *conf)
{
	const char *where;
	struct stat st;

	if (!store_owner(conf, &st, &where))
		return ctl_fail(
		    "Is the store elsewhere?  Name the configuration of its "
		    "server: " NAME " --config FILE (of spawn/up: "
		    "DIR/conf/testflinger.conf).\nElse start the server once, "
		    "or make the directory and give it to the server's user.",
		    "%s: %s", where, strerror(errno));
	if (st.st_uid == geteuid())
		return CTL_DONE;
	if (geteuid() != 0)
		return ctl_fail("Run it as root or as that user.",
		    "%s belongs to the user %s", where, user_name(st.st_uid));
	if (setgroups(0, NULL) == -1 || setgid(st.st_gid) == -1 ||
	    setuid(st.st_uid) == -1)
		return ctl_fail(NULL, "cannot become the user %s: %s",
		    user_name(st.st_uid), strerror(errno));
	return CTL_DONE;
}

static int
run_opened(struct ctl *ctl, const struct conf *conf, int argc, char **argv)
{
	static struct svc svc;
	int status;

	if (svc_open(&svc, conf, &model_schema, SVC_DB | SVC_SEAL, NAME) !=
	    ERR_OK)
		return ctl_fail(
		    "The lines above tell why; DATA_PATH and STATE_URI "
		    "name it.",
		    "the store cannot be opened");
	ctl->svc = &svc;
	ctl->arena = arena_new();
	status = ctl->arena != NULL ? ctl->command->run(ctl, argc, argv)
				    : ctl_err(ERR_NOMEM);
	arena_free(ctl->arena);
	svc_close(&svc);
	ctl->svc = NULL;
	return status;
}

static int
run(const char *file, int argc, char **argv)
{
	struct ctl ctl = {.command = find(argc, argv)};
	struct conf_fault fault;
	struct conf *conf;
	int status;

	if (ctl.command == NULL)
		return CTL_USAGE;
	if (conf_load(&conf, file, &fault) != ERR_OK)
		return ctl_fail(NULL, "%s", fault.text);
	if (svc_check(conf, &fault) != ERR_OK)
		status = ctl_fail(NULL, "%s", fault.text);
	else
		status = become_owner(conf);
	if (status == CTL_DONE)
		status = run_opened(&ctl, conf, argc - 1, argv + 1);
	conf_free(conf);
	return status;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"config", required_argument, NULL, 'c'},
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'v'},
	    {NULL, 0, NULL, 0},
	};
	const char *file = NULL;
	int option;

	log_setup(NAME, LOG_LVL_WARN);
	(void)umask(0027);
	/* "+": what follows the command's name is the command's. */
	while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
		switch (option) {
		case 'c':
			file = optarg;
			break;
		case 'h':
			usage(stdout);
			return CTL_DONE;
		case 'v':
			(void)printf(NAME " %s\n", PACKAGE_VERSION);
			return CTL_DONE;
		default:
			usage(stderr);
			return CTL_USAGE;
		}
	}
	return run(file, argc - optind, argv + optind);
}
