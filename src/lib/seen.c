/*
 * An open hash table of fixed size: a slot is the hash of a name and a time, each
 * written at once.  Names that meet take the next slots; where a run is full the
 * oldest gives way.  Two writers that take one slot at the same moment lose one of the
 * two times, which is what a hint may do.
 */

#include "seen.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
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

#include "clock.h"
#include "log.h"

#define MAGIC UINT64_C(0x32306e6565736674) /* "tfseen02" */
#define RUN 32
#define SLOTS_MIN 1024
#define SLOTS_MAX (UINT64_C(1) << 32)
#define LOOK_MS 1000
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
	char *path;
	uint64_t wanted; /* slots */
	_Atomic int64_t looked_ms; /* whether the file is still that at path */
	atomic_bool lost; /* it is not, and another cannot be had */
	pthread_rwlock_t lock; /* of everything below */
	struct map *map;
	uint64_t n_slots; /* a power of two */
	uint64_t seed;
	size_t size;
	dev_t dev;
	ino_t ino;
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

static size_t
size_for(uint64_t n_slots)
{
	return sizeof(struct map) + n_slots * sizeof(struct slot);
}

/* How many slots the file has; 0: it is none of ours, or damaged. */
static uint64_t
slots_in(int fd)
{
	struct head h;
	struct stat st;

	if (fstat(fd, &st) == -1 ||
	    pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) ||
	    h.magic != MAGIC || h.check != check_of(&h) ||
	    h.n_slots < SLOTS_MIN || h.n_slots > SLOTS_MAX ||
	    (h.n_slots & (h.n_slots - 1)) != 0 ||
	    (uint64_t)st.st_size != size_for(h.n_slots))
		return 0;
	return h.n_slots;
}

/* All of it is given room now: a page that the disk had no room for would end the
 * process at its first touch. */
static int
fill(int fd, uint64_t n_slots)
{
	struct head h = {.magic = MAGIC, .n_slots = n_slots};
	int rc;

	if (getrandom(&h.seed, sizeof(h.seed), 0) != (ssize_t)sizeof(h.seed))
		return -1;
	h.check = check_of(&h);
	if ((rc = posix_fallocate(fd, 0, (off_t)size_for(n_slots))) != 0) {
		errno = rc;
		return -1;
	}
	return pwrite(fd, &h, sizeof(h), 0) == (ssize_t)sizeof(h) ? 0 : -1;
}

/* A new file in the place of the one at path, which others may go on using: that is
 * never cut or overwritten. */
static int
replace(const char *path, uint64_t n_slots)
{
	char tmp[PATH_LEN + 16];
	int fd;

	(void)snprintf(tmp, sizeof(tmp), "%s.new", path);
	(void)unlink(tmp);
	fd = open(tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd == -1)
		return -1;
	if (fill(fd, n_slots) == -1 || rename(tmp, path) == -1) {
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

/* A good file of n_least slots or more, its lock released; where there is none it is made,
 * with n_new. */
static int
open_good(const char *path, uint64_t n_least, uint64_t n_new)
{
	int locked = open_locked(path), fd;
	uint64_t n;

	if (locked == -1)
		return -1;
	n = slots_in(locked);
	if (n != 0 && n >= n_least) {
		(void)flock(locked, LOCK_UN);
		return locked;
	}
	fd = replace(path, n_new);
	(void)close(locked);
	return fd;
}

/* Use the file of fd in place of the one that is mapped. */
static bool
go_over(struct seen *s, int fd)
{
	uint64_t n = slots_in(fd);
	struct stat st;
	struct map *map;

	if (n == 0 || fstat(fd, &st) == -1)
		return false;
	map =
	    mmap(NULL, size_for(n), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		return false;
	(void)pthread_rwlock_wrlock(&s->lock);
	if (s->map != NULL)
		(void)munmap(s->map, s->size);
	s->map = map;
	s->n_slots = n;
	s->seed = map->head.seed;
	s->size = size_for(n);
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	(void)pthread_rwlock_unlock(&s->lock);
	return true;
}

static bool
map_file(struct seen *s, uint64_t n_least)
{
	int fd = open_good(s->path, n_least, s->wanted);
	bool done = fd != -1 && go_over(s, fd);

	if (!done && !atomic_exchange(&s->lost, true))
		log_errno("cannot use %s", s->path);
	if (done)
		atomic_store(&s->lost, false);
	if (fd != -1)
		(void)close(fd);
	return done;
}

static bool
is_current(struct seen *s)
{
	struct stat st;
	bool same;

	if (stat(s->path, &st) == -1)
		return errno != ENOENT;
	(void)pthread_rwlock_rdlock(&s->lock);
	same = st.st_ino == s->ino && st.st_dev == s->dev &&
	       (size_t)st.st_size == s->size;
	(void)pthread_rwlock_unlock(&s->lock);
	return same;
}

/* Begin to use the map, to be ended by unlocking.  Another process may have replaced the file,
 * or a person removed it: now and then one thread looks, so that all soon use the same. */
static void
enter(struct seen *s)
{
	int64_t now = clock_mono_ms(), last = atomic_load(&s->looked_ms);

	/* Whatever size the file has that others use: each making its own size of it would
	 * never end. */
	if (now - last >= LOOK_MS &&
	    atomic_compare_exchange_strong(&s->looked_ms, &last, now) &&
	    !is_current(s))
		(void)map_file(s, 0);
	(void)pthread_rwlock_rdlock(&s->lock);
}

static void
leave(struct seen *s)
{
	(void)pthread_rwlock_unlock(&s->lock);
}

enum err
seen_open(struct seen **out, const char *path, uint64_t n)
{
	struct seen *s = calloc(1, sizeof(*s));

	if (s == NULL || (s->path = strdup(path)) == NULL) {
		free(s);
		return ERR_NOMEM;
	}
	(void)pthread_rwlock_init(&s->lock, NULL);
	s->wanted = slots_for(n);
	s->looked_ms = clock_mono_ms();
	errno = ENAMETOOLONG;
	if (strlen(path) >= PATH_LEN || !map_file(s, s->wanted)) {
		seen_close(s);
		return ERR_IO;
	}
	*out = s;
	return ERR_OK;
}

void
seen_close(struct seen *s)
{
	if (s == NULL)
		return;
	if (s->map != NULL)
		(void)munmap(s->map, s->size);
	(void)pthread_rwlock_destroy(&s->lock);
	free(s->path);
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
	if (s == NULL)
		return;
	enter(s);
	set(place(s, kind, name, now_ms), now_ms);
	leave(s);
}

void
seen_touch(
    struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms)
{
	struct slot *room, *slot;

	if (s == NULL)
		return;
	enter(s);
	slot = find(s, hash_of(s, kind, name), now_ms, &room);
	if (slot != NULL)
		set(slot, now_ms);
	leave(s);
}

void
seen_keep(struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms)
{
	if (s == NULL)
		return;
	enter(s);
	(void)place(s, kind, name, now_ms);
	leave(s);
}

int64_t
seen_last(struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms)
{
	struct slot *room, *slot;
	int64_t at;

	if (s == NULL)
		return 0;
	enter(s);
	slot = find(s, hash_of(s, kind, name), now_ms, &room);
	at = slot != NULL ? atomic_load(&slot->at) : 0;
	leave(s);
	return is_time(at, now_ms) ? at : 0;
}

int64_t
seen_fresh(int64_t now_ms, int64_t max_age_ms)
{
	return max_age_ms > 0 ? now_ms - max_age_ms / 2 : 0;
}
