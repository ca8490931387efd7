/* testflingerctl secret: the key that secrets are sealed with. */

#include <stdio.h>

#include "ctl.h"
#include "seal.h"
#include "secret.h"

static int
run_rotate(struct ctl *c, int argc, char **argv)
{
	struct secret_place after = {NULL, NULL};
	int64_t n, all = 0, lost = 0;
	enum err e;

	(void)argv;
	if (argc != 1)
		return ctl_usage(c, "it takes no arguments");
	if (c->svc->seal == NULL)
		return ctl_fail(
		    "Set SECRETS_MASTER_KEY, see testflinger.conf(5).",
		    "there is no key for secrets");
	do {
		e = secret_rotate(c->svc, &after, &n, &lost);
		all += n;
	} while (e == ERR_OK && n > 0);
	secret_place_free(&after);
	if (e != ERR_OK)
		return ctl_err(e);
	(void)printf("%lld secrets are sealed with the present key.\n",
	    (long long)(all - lost));
	if (lost > 0)
		return ctl_fail(
		    "Name their key in SECRETS_MASTER_KEY_OLD and try "
		    "again, or have them written anew.",
		    "%lld secrets are sealed with a key that is not configured",
		    (long long)lost);
	(void)printf("Next: empty SECRETS_MASTER_KEY_OLD and restart the "
		     "server.\n");
	return CTL_DONE;
}

static const struct ctl_command commands[] = {
    {"secret", "rotate", "",
	"seal anew with the present key what a former one has sealed",
	run_rotate},
};

const struct ctl_group ctl_secret = {
    commands, sizeof(commands) / sizeof(commands[0])};
