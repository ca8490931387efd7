/* testflingerctl secret: the key that secrets are sealed with. */

#include <stdbool.h>
#include <stdio.h>

#include "ctl.h"
#include "seal.h"
#include "secret_reseal.h"

static bool
has(const struct conf *conf, enum conf_id id)
{
	return conf_str(conf, id)[0] != '\0';
}

/* All is done here; what is left is in the configuration. */
static void
tell_next(const struct conf *conf)
{
	const char *file = conf_file(conf);
	const char *key = has(conf, CONF_SECRETS_MASTER_KEY_OLD)
			      ? "SECRETS_MASTER_KEY_OLD"
			      : "SECRETS_MASTER_KEY_OLD_FILE";

	if (!has(conf, CONF_SECRETS_MASTER_KEY_OLD) &&
	    !has(conf, CONF_SECRETS_MASTER_KEY_OLD_FILE)) {
		(void)printf("No former key is configured: nothing is left to "
			     "do.\n");
		return;
	}
	(void)printf("None needs the former key any more.\n"
		     "Next:\n"
		     "  1. Remove %s from %s.\n"
		     "  2. Restart the server: systemctl reload "
		     "'testflinger@*.service', or spawn/restart.\n"
		     "  3. Keep the former key for backups that were made "
		     "before, or make a new backup.\n",
	    key, file != NULL ? file : "the configuration");
}

static int
run_rotate(struct ctl *c, int argc, char **argv)
{
	struct secret_reseal_place after = {NULL, NULL};
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
		e = secret_reseal(c->svc, &after, &n, &lost);
		all += n;
	} while (e == ERR_OK && n > 0);
	secret_reseal_free(&after);
	if (e != ERR_OK)
		return ctl_err(e);
	(void)printf("%lld secrets are sealed with the present key.\n",
	    (long long)(all - lost));
	if (lost > 0)
		return ctl_fail(
		    "Write the key that sealed them in SECRETS_MASTER_KEY_OLD, "
		    "restart the server and run this again; or have them "
		    "written anew.",
		    "%lld secrets are sealed with a key that is not "
		    "configured, and are handed out empty",
		    (long long)lost);
	tell_next(c->svc->conf);
	return CTL_DONE;
}

static const struct ctl_command commands[] = {
    {"secret", "rotate", "",
	"seal anew with the present key what a former one has sealed",
	run_rotate},
};

const struct ctl_group ctl_secret = {
    commands, sizeof(commands) / sizeof(commands[0])};
