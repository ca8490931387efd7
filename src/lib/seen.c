/*
 * An open hash table of fixed size: a slot is the hash of a name and a time, each
 * written at once.  Names that meet take the next slots; where a run is full the
 * oldest gives way.  Two writers that take one slot at the same moment lose one of the
 * two times, which is what a hint may do.
 *
 * The file is read and written and not mapped: one that is cut short, or that the disk does not give,
 * is then a call that fails, and not the end of the process.  A call costs about a microsecond.
 */

#include "seen.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "hash.h"
#include "log.h"

#define MAGIC UINT64_C(0x32306e6565736674) /* "tfseen02" */
#define RUN 32
#define SLOTS_MIN 1024
#define SLOTS_MAX (UINT64_C(1) << 32)
#define LOOK_MS 1000
#define TELL_MS 60000
#define PATH_LEN 4200
#define TRIES 100

struct slot {
	uint64_t hash; /* 0: free */
	int64_t at;
};

/* The slots in which a name may be, as they are in the file. */
struct run {
	uint64_t first;
	struct slot slots[RUN];
};

struct head {
	uint64_t magic;
	uint64_t n_slots;
	uint64_t seed; /* so that nobody can choose names that meet */
	uint64_t check; /* of the three before */
};

struct seen {
	char *path;
	uint64_t wanted; /* slots */
	_Atomic int64_t looked_ms; /* whether the file is still that at path */
	atomic_bool lost; /* it is not, and another cannot be had */
	_Atomic int64_t told_ms; /* that it could not be read or written */
	pthread_rwlock_t lock; /* of everything below */
	int fd; /* -1: none so far */
	uint64_t n_slots; /* a power of two */
	uint64_t seed;
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
	return sizeof(struct head) + n_slots * sizeof(struct slot);
}

/* False: the file is none of ours, or damaged. */
static bool
read_head(int fd, struct head *h)
{
	struct stat st;

	return fstat(fd, &st) == 0 &&
	       pread(fd, h, sizeof(*h), 0) == (ssize_t)sizeof(*h) &&
	       h->magic == MAGIC && h->check == check_of(h) &&
	       h->n_slots >= SLOTS_MIN && h->n_slots <= SLOTS_MAX &&
	       (h->n_slots & (h->n_slots - 1)) == 0 &&
	       (uint64_t)st.st_size == size_for(h->n_slots);
}

/* All of it is given room now, so that a full disk hinders nobody later. */
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
	struct head h;

	if (locked == -1)
		return -1;
	if (read_head(locked, &h) && h.n_slots >= n_least) {
		(void)flock(locked, LOCK_UN);
		return locked;
	}
	fd = replace(path, n_new);
	(void)close(locked);
	return fd;
}

/* Use the file of fd, which is ours from then on, in place of the one that is used. */
static bool
go_over(struct seen *s, int fd)
{
	struct head h;
	struct stat st;

	if (!read_head(fd, &h) || fstat(fd, &st) == -1)
		return false;
	(void)pthread_rwlock_wrlock(&s->lock);
	if (s->fd != -1)
		(void)close(s->fd);
	s->fd = fd;
	s->n_slots = h.n_slots;
	s->seed = h.seed;
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	(void)pthread_rwlock_unlock(&s->lock);
	return true;
}

static bool
use_file(struct seen *s, uint64_t n_least)
{
	int fd = open_good(s->path, n_least, s->wanted);
	bool done = fd != -1 && go_over(s, fd);

	if (!done && !atomic_exchange(&s->lost, true))
		log_errno("cannot use %s", s->path);
	if (done)
		atomic_store(&s->lost, false);
	else if (fd != -1)
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
	       (uint64_t)st.st_size == size_for(s->n_slots);
	(void)pthread_rwlock_unlock(&s->lock);
	return same;
}

/* Begin to use the file, to be ended by unlocking.  Another process may have replaced the file,
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
		(void)use_file(s, 0);
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
	s->fd = -1;
	s->wanted = slots_for(n);
	s->looked_ms = clock_mono_ms();
	s->told_ms = -TELL_MS;
	errno = ENAMETOOLONG;
	if (strlen(path) >= PATH_LEN || !use_file(s, s->wanted)) {
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
	if (s->fd != -1)
		(void)close(s->fd);
	(void)pthread_rwlock_destroy(&s->lock);
	free(s->path);
	free(s);
}

static uint64_t
hash_of(const struct seen *s, enum seen_kind kind, const char *name)
{
	return hash_end(hash_add(s->seed ^ (uint64_t)kind, name, strlen(name)));
}

/* Whether all of it went well.  Where it did not that is told, and the next use looks at the file
 * again; but not for each use of a disk that goes on failing, as one that only reads. */
static bool
went(struct seen *s, ssize_t n, size_t wanted)
{
	int64_t now, told;

	if (n == (ssize_t)wanted)
		return true;
	if (n != -1)
		errno = EIO; /* it is shorter than it was */
	now = clock_mono_ms();
	told = atomic_load(&s->told_ms);
	if (now - told >= TELL_MS &&
	    atomic_compare_exchange_strong(&s->told_ms, &told, now)) {
		log_errno("cannot use %s", s->path);
		atomic_store(&s->looked_ms, now - LOOK_MS);
	}
	return false;
}

static off_t
place_of(uint64_t i)
{
	return (off_t)(sizeof(struct head) + i * sizeof(struct slot));
}

static bool
read_run(struct seen *s, uint64_t hash, struct run *r)
{
	uint64_t first = hash & (s->n_slots - 1), left = s->n_slots - first;
	size_t n = left < RUN ? (size_t)left : RUN;

	r->first = first;
	if (!went(s,
		pread(
		    s->fd, r->slots, n * sizeof(r->slots[0]), place_of(first)),
		n * sizeof(r->slots[0])))
		return false;
	/* It goes on at the beginning. */
	return n == RUN ||
	       went(s,
		   pread(s->fd, r->slots + n, (RUN - n) * sizeof(r->slots[0]),
		       place_of(0)),
		   (RUN - n) * sizeof(r->slots[0]));
}

/* One member of the ith slot of the run. */
static void
write_word(struct seen *s, const struct run *r, unsigned i, size_t member,
    const void *p)
{
	uint64_t slot = (r->first + i) & (s->n_slots - 1);

	(void)went(s,
	    pwrite(s->fd, p, sizeof(uint64_t), place_of(slot) + (off_t)member),
	    sizeof(uint64_t));
}

static void
write_hash(struct seen *s, const struct run *r, unsigned i, uint64_t hash)
{
	write_word(s, r, i, offsetof(struct slot, hash), &hash);
}

static void
write_at(struct seen *s, const struct run *r, unsigned i, int64_t at)
{
	write_word(s, r, i, offsetof(struct slot, at), &at);
}

/* Whether at can be the time of something at now; what a damaged file or a wrong clock
 * has left often cannot. */
static bool
is_time(int64_t at, int64_t now_ms)
{
	return at >= 0 && at <= now_ms + SEEN_AHEAD_MS;
}

/* Which slot of the run is that of the hash; RUN: none.  *room: where it could go. */
static unsigned
find(const struct run *r, uint64_t hash, int64_t now_ms, unsigned *room)
{
	int64_t at, least = INT64_MAX;
	unsigned i;

	for (i = 0; i < RUN; i++) {
		if (r->slots[i].hash == hash)
			return i;
		at = r->slots[i].hash == 0 ? -1 : r->slots[i].at;
		if (!is_time(at, now_ms))
			at = -1;
		if (at < least) {
			least = at;
			*room = i;
		}
		if (r->slots[i].hash == 0)
			break;
	}
	return RUN;
}

enum use {
	USE_LOOK,
	USE_TOUCH, /* the time, of what has a place */
	USE_KEEP, /* a place for what has none */
	USE_NOTE /* both */
};

/* The time that the name had; 0: none. */
static int64_t
use(struct seen *s, enum use how, enum seen_kind kind, const char *name,
    int64_t now_ms)
{
	uint64_t hash = hash_of(s, kind, name);
	unsigned i, room = 0;
	int64_t at = 0;
	struct run r;

	if (!read_run(s, hash, &r))
		return 0;
	i = find(&r, hash, now_ms, &room);
	if (i != RUN) {
		at = r.slots[i].at;
	} else if (how == USE_KEEP || how == USE_NOTE) {
		i = room;
		write_at(s, &r, i, 0);
		write_hash(s, &r, i, hash);
	} else {
		return 0;
	}
	if ((how == USE_TOUCH || how == USE_NOTE) &&
	    (at < now_ms || !is_time(at, now_ms)))
		write_at(s, &r, i, now_ms);
	return is_time(at, now_ms) ? at : 0;
}

static int64_t
enter_and_use(struct seen *s, enum use how, enum seen_kind kind,
    const char *name, int64_t now_ms)
{
	int64_t at;

	if (s == NULL)
		return 0;
	enter(s);
	at = use(s, how, kind, name, now_ms);
	leave(s);
	return at;
}

void
seen_note(struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms)
{
	(void)enter_and_use(s, USE_NOTE, kind, name, now_ms);
}

void
seen_touch(
    struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms)
{
	(void)enter_and_use(s, USE_TOUCH, kind, name, now_ms);
}

void
seen_keep(struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms)
{
	(void)enter_and_use(s, USE_KEEP, kind, name, now_ms);
}

int64_t
seen_last(struct seen *s, enum seen_kind kind, const char *name, int64_t now_ms)
{
	return enter_and_use(s, USE_LOOK, kind, name, now_ms);
}

int64_t
seen_fresh(int64_t now_ms, int64_t max_age_ms)
{
	return max_age_ms > 0 ? now_ms - max_age_ms / 2 : 0;
}
