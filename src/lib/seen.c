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
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define MAGIC UINT64_C(0x31306e6565736674) /* "tfseen01" */
#define RUN 32
#define SLOTS_MIN 1024

struct slot {
	_Atomic uint64_t hash; /* 0: free */
	_Atomic int64_t at;
};

struct head {
	uint64_t magic;
	uint64_t n_slots;
	uint64_t seed; /* so that nobody can choose names that meet */
	uint64_t unused;
};

struct map {
	struct head head;
	struct slot slots[];
};

struct seen {
	struct map *map;
	uint64_t n_slots; /* a power of two */
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

static bool
fits(const struct head *h, uint64_t n_slots)
{
	return h->magic == MAGIC && h->n_slots == n_slots;
}

/* Under the file's lock: bring it into form. */
static int
prepare(int fd, uint64_t n_slots, size_t size)
{
	struct head h = {.magic = 0};
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	if ((size_t)st.st_size == size &&
	    pread(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) &&
	    fits(&h, n_slots))
		return 0;
	h = (struct head){.magic = MAGIC, .n_slots = n_slots};
	if (getrandom(&h.seed, sizeof(h.seed), 0) != (ssize_t)sizeof(h.seed) ||
	    ftruncate(fd, 0) == -1 || ftruncate(fd, (off_t)size) == -1 ||
	    pwrite(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h))
		return -1;
	return 0;
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
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd != -1 && flock(fd, LOCK_EX) == 0 &&
	    prepare(fd, s->n_slots, s->size) == 0)
		s->map = mmap(
		    NULL, s->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (s->map == MAP_FAILED) {
		log_errno("cannot use %s", path);
		if (fd != -1)
			(void)close(fd);
		free(s);
		return ERR_IO;
	}
	/* The map keeps the file open, and with it the lock. */
	(void)flock(fd, LOCK_UN);
	(void)close(fd);
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
	uint64_t h = s->map->head.seed ^ (uint64_t)kind;

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

/* The slot of the hash; NULL: it has none.  *room: where it could go. */
static struct slot *
find(const struct seen *s, uint64_t hash, struct slot **room)
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

void
seen_note(struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms)
{
	uint64_t hash = hash_of(s, kind, name);
	struct slot *room = NULL, *slot = find(s, hash, &room);

	if (slot == NULL) {
		slot = room;
		atomic_store(&slot->at, 0);
		atomic_store(&slot->hash, hash);
	}
	if (atomic_load(&slot->at) < now_ms)
		atomic_store(&slot->at, now_ms);
}

int64_t
seen_last(struct seen *s, enum seen_kind kind, const char *name)
{
	struct slot *room, *slot = find(s, hash_of(s, kind, name), &room);

	return slot != NULL ? atomic_load(&slot->at) : 0;
}
