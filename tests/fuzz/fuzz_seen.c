/*
 * The file of last-seen times.  The input is the whole file; then what stands behind a
 * good head.  Either way the file is used or replaced, a name that is noted is known,
 * and no time lies ahead.
 */

#include "seen.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NEED(what)                                                             \
	do {                                                                   \
		if (!(what))                                                   \
			abort();                                               \
	} while (0)

#define NOW INT64_C(1795337503000)
#define HEAD_SIZE 32
/* Of the smallest file. */
#define SLOTS_SIZE ((size_t)1024 * 16)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[] = "/tmp/tf-fuzz-seen.XXXXXX", path[64];

static void
clean(void)
{
	(void)unlink(path);
	(void)rmdir(dir);
}

static void
write_file(const uint8_t *data, size_t size, off_t at)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	NEED(fd != -1);
	NEED(at != 0 || ftruncate(fd, 0) == 0);
	NEED(pwrite(fd, data, size, at) == (ssize_t)size);
	(void)close(fd);
}

static void
use_file(void)
{
	struct seen *s;
	char name[16];
	int64_t t;
	int i;

	NEED(seen_open(&s, path, 1) == ERR_OK);
	for (i = 0; i < 100; i++) {
		(void)snprintf(name, sizeof(name), "%d", i);
		t = seen_last(s, SEEN_AGENT, name, NOW);
		NEED(t >= 0 && t <= NOW + SEEN_AHEAD_MS);
		seen_note(s, SEEN_AGENT, name, NOW);
		t = seen_last(s, SEEN_AGENT, name, NOW);
		NEED(t >= NOW && t <= NOW + SEEN_AHEAD_MS);
	}
	seen_close(s);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (path[0] == '\0') {
		NEED(mkdtemp(dir) != NULL);
		(void)snprintf(path, sizeof(path), "%s/seen", dir);
		(void)atexit(clean);
	}
	write_file(data, size, 0);
	use_file();
	write_file(data, size < SLOTS_SIZE ? size : SLOTS_SIZE, HEAD_SIZE);
	use_file();
	return 0;
}
