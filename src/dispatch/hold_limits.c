/* Open files and DISPATCH_HOLDS_MAX; DISPATCH_WAIT and DISPATCH_WAIT_MAX. */

#include "hold_limits.h"

#include <stdio.h>

#define FILES_BESIDE 192 /* files of the process that are no held requests */

static size_t
files_beside(const struct conf *conf)
{
	return FILES_BESIDE + (size_t)conf_int(conf, CONF_WORKERS);
}

size_t
hold_limits_room(const struct conf *conf, rlim_t files)
{
	size_t most = (size_t)conf_int(conf, CONF_DISPATCH_HOLDS_MAX);
	size_t beside = files_beside(conf);

	if (files == RLIM_INFINITY || files >= most + beside)
		return most;
	return files > beside ? (size_t)files - beside : 0;
}

/* 0 as the most is no mistake: it turns waiting off, whatever stands beside it unsaid. */
static int
tell_waits(const struct conf *conf, char *text, size_t size)
{
	int64_t wait = conf_int(conf, CONF_DISPATCH_WAIT);
	int64_t most = conf_int(conf, CONF_DISPATCH_WAIT_MAX);

	if (wait <= most ||
	    (most == 0 && !conf_is_set(conf, CONF_DISPATCH_WAIT)))
		return 0;
	return snprintf(text, size,
	    "DISPATCH_WAIT is %lld, but DISPATCH_WAIT_MAX cuts it to %lld: "
	    "write DISPATCH_WAIT = %lld, or raise DISPATCH_WAIT_MAX",
	    (long long)wait, (long long)most, (long long)most);
}

static int
tell_room(const struct conf *conf, char *text, size_t size)
{
	size_t most = (size_t)conf_int(conf, CONF_DISPATCH_HOLDS_MAX), room;
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == -1 ||
	    (room = hold_limits_room(conf, l.rlim_max)) == most)
		return 0;
	return snprintf(text, size,
	    "DISPATCH_HOLDS_MAX is %zu, but with its limit of %llu open files "
	    "the process can hold %zu requests only: raise the limit to %zu "
	    "(LimitNOFILE of the unit, or ulimit -n), or write "
	    "DISPATCH_HOLDS_MAX = %zu",
	    most, (unsigned long long)l.rlim_max, room,
	    most + files_beside(conf), room);
}

bool
hold_limits_misfit(const struct conf *conf, char *text, size_t size)
{
	char waits[256], room[512];
	int n = tell_waits(conf, waits, sizeof(waits));
	int m = tell_room(conf, room, sizeof(room));

	(void)snprintf(text, size, "%s%s%s", n > 0 ? waits : "",
	    n > 0 && m > 0 ? ".  " : "", m > 0 ? room : "");
	return n > 0 || m > 0;
}
