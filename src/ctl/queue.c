/* testflingerctl queue: who may submit to restricted queues. */

#include <stdio.h>
#include <string.h>

#include "ctl.h"
#include "queue.h"
#include "restricted.h"

static int
run_restrict(struct ctl *c, int argc, char **argv)
{
	enum err failure;
	const char *why;

	if (argc != 3)
		return ctl_usage(c, "write a queue and the id of a client");
	if ((why = queue_name_fault(argv[1], strlen(argv[1]))) != NULL)
		return ctl_usage(c, "the queue %s: %s", argv[1], why);
	switch (restricted_add(c->svc, argv[1], argv[2], true, &failure)) {
	case RESTRICTED_OK:
		(void)printf("The queue %s is restricted, and %s may submit "
			     "to it with its next token.\n",
		    argv[1], argv[2]);
		return CTL_DONE;
	case RESTRICTED_NO_CLIENT:
		return ctl_fail("Make it with: testflingerctl client add",
		    "there is no client %s", argv[2]);
	case RESTRICTED_LIMIT:
		return ctl_fail("Raise MAX_QUEUES.", "too many queues");
	case RESTRICTED_TOO_MANY:
		return ctl_fail("Make another client for some of them.",
		    "the token of %s would not fit into a request with more "
		    "queues",
		    argv[2]);
	default:
		return ctl_err(failure);
	}
}

static int
run_release(struct ctl *c, int argc, char **argv)
{
	enum err failure;

	if (argc != 2)
		return ctl_usage(c, "write a queue");
	switch (restricted_lift(c->svc, argv[1], &failure)) {
	case RESTRICTED_OK:
		(void)printf(
		    "Everybody may submit to the queue %s.\n", argv[1]);
		return CTL_DONE;
	case RESTRICTED_NOT:
		return ctl_fail("testflingerctl queue restricted shows all.",
		    "the queue %s is not restricted", argv[1]);
	default:
		return ctl_err(failure);
	}
}

static int
run_restricted(struct ctl *c, int argc, char **argv)
{
	const char *json;
	size_t len;
	enum err e;

	(void)argv;
	if (argc != 1)
		return ctl_usage(c, "it takes no arguments");
	e = restricted_list(c->svc, c->arena, &json, &len);
	if (e != ERR_OK)
		return ctl_err(e);
	(void)fwrite(json, 1, len, stdout);
	return CTL_DONE;
}

static const struct ctl_command commands[] = {
    {"queue", "restrict", "QUEUE ID",
	"let only owners submit to a queue, and make a client one",
	run_restrict},
    {"queue", "release", "QUEUE", "let everybody submit to a queue again",
	run_release},
    {"queue", "restricted", "", "show restricted queues and their owners",
	run_restricted},
};

const struct ctl_group ctl_queue = {
    commands, sizeof(commands) / sizeof(commands[0])};
