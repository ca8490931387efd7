#ifndef CTL_H
#define CTL_H

#include <stddef.h>

#include "arena.h"
#include "svc.h"

/*
 * testflingerctl: what the operator does on the host, a table of commands.  A group of
 * commands is one file; main.c lists the groups.  A command gets the words behind its
 * name, the name itself as argv[0], and returns the exit status.
 */

enum ctl_status {
	CTL_DONE = 0,
	CTL_FAILED = 1, /* why and what helps has been told */
	CTL_USAGE = 2 /* a wrong command line, told too */
};

struct ctl {
	struct svc *svc; /* with the store open */
	struct arena *arena;
	const struct ctl_command *command; /* the one that runs */
};

struct ctl_command {
	const char *group, *name; /* "client", "add" */
	const char *args; /* for the usage */
	const char *doc; /* one sentence */
	int (*run)(struct ctl *c, int argc, char **argv);
};

struct ctl_group {
	const struct ctl_command *commands;
	size_t n;
};

extern const struct ctl_group ctl_client;
extern const struct ctl_group ctl_queue;
extern const struct ctl_group ctl_secret;

/* Tell why it failed, or what is wrong with the command line, as in printf, and what
 * helps (NULL: nothing).  Each returns the status. */
int ctl_fail(const char *help, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int ctl_usage(const struct ctl *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A failure of the store or of memory. */
int ctl_err(enum err e);

#endif /* !CTL_H */
