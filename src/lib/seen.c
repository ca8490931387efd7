/*
 * An open hash table of fixed size: a slot is the hash of a name and a time, each
 * written at once.  Names that meet take the next slots; where a run is full the
 * oldest gives way.  Two writers that take one slot at the same moment lose one of the
 * two times, which is what a hint may do.
 */

#include "seen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define MAGIC UINT64_C(0x32306e6565736674) /* "tfseen02" */
#define RUN 32
#define SLOTS_MIN 1024
#define PATH_LEN 4200
#define TRIES 100

struct slot {
	_Atomic uint64_t hash; /* 0: free */
	_Atomic int64_t at;
};

struct head {
	uint64_t magic;
	uint64_t n_slots;
	uint64_t seed; /* so that nobody can choose names that meet */
	uint64_t check; /* of the three before */
};

struct map {
	struct head head;
	struct slot slots[];
};

struct seen {
	struct map *map;
	uint64_t n_slots; /* a power of two */
	uint64_t seed;
	size_t size;
};

static uint64_t
slots_for(uint64_t n)
{
	uint64_t slots = SLOTS_MIN;

	while (slots < 2 * n)
		slots *= 2;
	return slots;
}

static uint64_t
check_of(const struct head *h)
{
	return ~(h->magic ^ h->n_slots ^ h->seed);
}

static bool
is_good(int fd, uint64_t n_slots, size_t size)
{
	struct head h;
	struct stat st;

	return fstat(fd, &st) == 0 && (uint64_t)st.st_size == size &&
	       pread(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) &&
	       h.magic == MAGIC && h.n_slots == n_slots &&
	       h.check == check_of(&h);
}

/* All of it is given room now: a page that the disk had no room for would end the
 * process at its first touch. */
static int
fill(int fd, uint64_t n_slots, size_t size)
{
	struct head h = {.magic = MAGIC, .n_slots = n_slots};
	int rc;

	if (getrandom(&h.seed, sizeof(h.seed), 0) != (ssize_t)sizeof(h.seed))
		return -1;
	h.check = check_of(&h);
	if ((rc = posix_fallocate(fd, 0, (off_t)size)) != 0) {
		errno = rc;
		return -1;
	}
	return pwrite(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) ? 0 : -1;
}

/* A new file in the place of the one at path, which others may go on using: that is
 * never cut or overwritten. */
static int
replace(const char *path, uint64_t n_slots, size_t size)
{
	char tmp[PATH_LEN + 16];
	int fd;

	(void)snprintf(tmp, sizeof(tmp), "%s.new", path);
	(void)unlink(tmp);
	fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd == -1)
		return -1;
	if (fill(fd, n_slots, size) == -1 || rename(tmp, path) == -1) {
		(void)unlink(tmp);
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* Open and lock the file that stands at path; another process may just be replacing
 * it. */
static int
open_locked(const char *path)
{
	struct stat opened, there;
	int fd, i;

	for (i = 0; i < TRIES; i++) {
		fd =
		    open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
		if (fd == -1)
			return -1;
		if (flock(fd, LOCK_EX) == 0 && fstat(fd, &opened) == 0 &&
		    stat(path, &there) == 0 && opened.st_ino == there.st_ino &&
		    opened.st_dev == there.st_dev)
			return fd;
		(void)close(fd);
	}
	errno = EBUSY;
	return -1;
}

/* The file in good form, its lock released. */
static int
open_good(const char *path, uint64_t n_slots, size_t size)
{
	int locked = open_locked(path), fd;

	if (locked == -1)
		return -1;
	if (is_good(locked, n_slots, size)) {
		(void)flock(locked, LOCK_UN);
		return locked;
	}
	fd = replace(path, n_slots, size);
	(void)close(locked);
	return fd;
}

enum err
seen_open(struct seen **out, const char *path, uint64_t n)
{
	struct seen *s = calloc(1, sizeof(*s));
	int fd;

	if (s == NULL)
		return ERR_NOMEM;
	s->n_slots = slots_for(n);
	s->size = sizeof(struct map) + s->n_slots * sizeof(struct slot);
	s->map = MAP_FAILED;
	errno = ENAMETOOLONG;
	fd =
	    strlen(path) < PATH_LEN ? open_good(path, s->n_slots, s->size) : -1;
	if (fd != -1)
		s->map = mmap(
		    NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s->map == MAP_FAILED) {
		log_errno("cannot use %s", path);
		if (fd != -1)
			(void)close(fd);
		free(s);
		return ERR_IO;
	}
	(void)close(fd);
	s->seed = s->map->head.seed;
	*out = s;
	return ERR_OK;
}

void
seen_close(struct seen *s)
{
	if (s == NULL)
		return;
	(void)munmap(s->map, s->size);
	free(s);
}

/* FNV-1a from a random start, mixed at its end; never 0. */
static uint64_t
hash_of(const struct seen *s, enum seen_kind kind, const char *name)
{
	uint64_t h = s->seed ^ (uint64_t)kind;

	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
	h ^= h >> 32;
	h *= UINT64_C(0xd6e8feb86659fd93);
	h ^= h >> 32;
	return h != 0 ? h : 1;
}

static struct slot *
slot_at(const struct seen *s, uint64_t hash, unsigned i)
{
	return &s->map->slots[(hash + i) & (s->n_slots - 1)];
}

/* Whether at can be the time of something at now; what a damaged file or a wrong clock
 * has left often cannot. */
static bool
is_time(int64_t at, int64_t now_ms)
{
	return at >= 0 && at <= now_ms + SEEN_AHEAD_MS;
}

/* The slot of the hash; NULL: it has none.  *room: where it could go. */
static struct slot *
find(const struct seen *s, uint64_t hash, int64_t now_ms, struct slot **room)
{
	struct slot *slot, *oldest = NULL;
	int64_t at, least = INT64_MAX;
	uint64_t h;
	unsigned i;

	for (i = 0; i < RUN; i++) {
		slot = slot_at(s, hash, i);
		h = atomic_load(&slot->hash);
		if (h == hash)
			return slot;
		at = h == 0 ? -1 : atomic_load(&slot->at);
		if (!is_time(at, now_ms))
			at = -1;
		if (at < least) {
			least = at;
			oldest = slot;
		}
		if (h == 0)
			break;
	}
	*room = oldest;
	return NULL;
}

/* The slot of the name, which is given one if it has none. */
static struct slot *
place(struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms)
{
	uint64_t hash = hash_of(s, kind, name);
	struct slot *room = NULL, *slot = find(s, hash, now_ms, &room);

	if (slot == NULL) {
		slot = room;
		atomic_store(&slot->at, 0);
		atomic_store(&slot->hash, hash);
	}
	return slot;
}

static void
set(struct slot *slot, int64_t now_ms)
{
	int64_t at = atomic_load(&slot->at);

	if (at < now_ms || !is_time(at, now_ms))
		atomic_store(&slot->at, now_ms);
}

void
seen_note(struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms)
{
	if (s != NULL)
		set(place(s, kind, name, now_ms), now_ms);
}

void
seen_touch(
    struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms)
{
	struct slot *room, *slot;

	if (s == NULL)
		return;
	slot = find(s, hash_of(s, kind, name), now_ms, &room);
	if (slot != NULL)
		set(slot, now_ms);
}

void
seen_keep(struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms)
{
	if (s != NULL)
		(void)place(s, kind, name, now_ms);
}

int64_t
seen_last(struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms)
{
	struct slot *room, *slot;
	int64_t at;

	if (s == NULL)
		return 0;
	slot = find(s, hash_of(s, kind, name), now_ms, &room);
	at = slot != NULL ? atomic_load(&slot->at) : 0;
	return is_time(at, now_ms) ? at : 0;
}

int64_t
seen_fresh(int64_t now_ms, int64_t max_age_ms)
{
	return max_age_ms > 0 ? now_ms - max_age_ms / 2 : 0;
}
