/*
 * A directory in trash is locked while somebody may yet put it back, so that
 * whoever starts next can tell it from what a dead process left.
 */

#include "blob_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blob_fs.h"
#include "log.h"

#define NAME_LEN (ID_LEN + 18) /* "<uuid>.<16 hex>" */

struct blob_tree {
	int jobs;
	int trash;
	DIR *dir; /* the shard that is looked through; NULL between two */
	unsigned shard; /* the next one */
};

struct blob_gone {
	struct blob_tree *tree;
	int fd; /* of the directory, locked */
	char from[BLOB_DIR_LEN];
	char name[NAME_LEN];
};

/* A stream of its own on the directory that fd is. */
static DIR *
list(int fd)
{
	int own = blob_fs_open_dir(fd, ".");
	DIR *dir = own != -1 ? fdopendir(own) : NULL;

	if (dir == NULL && own != -1)
		(void)close(own);
	return dir;
}

static bool
is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int64_t
changed_ms(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000 +
	       st->st_mtim.tv_nsec / 1000000;
}

/* When the directory or a file in it was last written; -1: cannot be told. */
static int64_t
newest_ms(int fd)
{
	struct dirent *d;
	struct stat st;
	int64_t newest;
	DIR *dir;

	if (fstat(fd, &st) == -1 || (dir = list(fd)) == NULL)
		return -1;
	newest = changed_ms(&st);
	while ((d = readdir(dir)) != NULL)
		if (!is_dots(d->d_name) &&
		    fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
		    changed_ms(&st) > newest)
			newest = changed_ms(&st);
	(void)closedir(dir);
	return newest;
}

static void
empty(int fd)
{
	struct dirent *d;
	DIR *dir = list(fd);

	while (dir != NULL && (d = readdir(dir)) != NULL)
		if (!is_dots(d->d_name))
			(void)unlinkat(fd, d->d_name, 0);
	if (dir != NULL)
		(void)closedir(dir);
}

static void
remove_dir(struct blob_tree *t, int fd, const char *name)
{
	empty(fd);
	if (unlinkat(t->trash, name, AT_REMOVEDIR) == -1 && errno != ENOENT)
		log_errno("trash/%s: remove", name);
}

static void
sweep(struct blob_tree *t)
{
	struct dirent *d;
	DIR *dir = list(t->trash);
	int fd;

	while (dir != NULL && (d = readdir(dir)) != NULL) {
		if (is_dots(d->d_name) ||
		    (fd = blob_fs_open_dir(t->trash, d->d_name)) == -1)
			continue;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			remove_dir(t, fd, d->d_name);
		(void)close(fd);
	}
	if (dir != NULL)
		(void)closedir(dir);
}

enum err
blob_tree_open(struct blob_tree **out, const char *path)
{
	struct blob_tree *t = calloc(1, sizeof(*t));
	int root;

	if (t == NULL)
		return ERR_NOMEM;
	t->jobs = t->trash = -1;
	root = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root != -1) {
		(void)mkdirat(root, "trash", 0750);
		t->jobs = blob_fs_open_dir(root, "jobs");
		t->trash = blob_fs_open_dir(root, "trash");
	}
	if (t->jobs == -1 || t->trash == -1) {
		log_errno("cannot look through the data directory %s", path);
		blob_tree_close(t);
		t = NULL;
	}
	if (root != -1)
		(void)close(root);
	if (t == NULL)
		return ERR_IO;
	sweep(t);
	*out = t;
	return ERR_OK;
}

void
blob_tree_close(struct blob_tree *t)
{
	if (t->dir != NULL)
		(void)closedir(t->dir);
	if (t->jobs != -1)
		(void)close(t->jobs);
	if (t->trash != -1)
		(void)close(t->trash);
	free(t);
}

/* Into the next shard. */
static void
next_shard(struct blob_tree *t)
{
	char name[BLOB_SHARD_LEN];
	int fd;

	(void)snprintf(name, sizeof(name), "%02x", t->shard & 0xff);
	t->shard = (t->shard + 1) % BLOB_SHARDS;
	fd = blob_fs_open_dir(t->jobs, name);
	if (fd == -1)
		return;
	t->dir = list(fd);
	(void)close(fd);
}

/* Whether the entry is the directory of a job, and old. */
static bool
is_old(struct blob_tree *t, const char *name, int64_t since_ms, struct id *out)
{
	int64_t newest;
	int fd;

	if (strlen(name) != ID_LEN || !id_parse(name, ID_LEN, out) ||
	    strcmp(name, out->text) != 0)
		return false;
	fd = blob_fs_open_dir(dirfd(t->dir), name);
	if (fd == -1)
		return false;
	newest = newest_ms(fd);
	(void)close(fd);
	return newest != -1 && newest < since_ms;
}

enum err
blob_tree_next(
    struct blob_tree *t, int64_t since_ms, unsigned *budget, struct id *out)
{
	struct dirent *d;

	while (*budget > 0) {
		if (t->dir == NULL) {
			/* An empty shard costs about as much as a directory. */
			(*budget)--;
			next_shard(t);
			continue;
		}
		d = readdir(t->dir);
		if (d == NULL) {
			(void)closedir(t->dir);
			t->dir = NULL;
			continue;
		}
		if (is_dots(d->d_name))
			continue;
		(*budget)--;
		if (is_old(t, d->d_name, since_ms, out))
			return ERR_OK;
	}
	return ERR_NOTFOUND;
}

static void
gone_free(struct blob_gone *g)
{
	if (g->fd != -1)
		(void)close(g->fd);
	free(g);
}

static enum err
move_away(struct blob_gone *g, int64_t since_ms)
{
	struct blob_tree *t = g->tree;
	int64_t newest = newest_ms(g->fd);

	if (newest == -1)
		return ERR_IO;
	if (newest >= since_ms)
		return ERR_CONFLICT;
	if (flock(g->fd, LOCK_EX | LOCK_NB) == -1 ||
	    renameat(t->jobs, g->from, t->trash, g->name) == -1)
		return ERR_IO;
	return ERR_OK;
}

enum err
blob_tree_discard(struct blob_tree *t, const struct id *id, int64_t since_ms,
    struct blob_gone **out)
{
	struct blob_gone *g = calloc(1, sizeof(*g));
	uint64_t r;
	enum err e;

	if (g == NULL || getrandom(&r, sizeof(r), 0) != (ssize_t)sizeof(r)) {
		free(g);
		return ERR_NOMEM;
	}
	g->tree = t;
	blob_name_dir(id, g->from);
	(void)snprintf(
	    g->name, NAME_LEN, "%s.%016llx", id->text, (unsigned long long)r);
	g->fd = blob_fs_open_dir(t->jobs, g->from);
	if (g->fd == -1 && errno == ENOENT) {
		gone_free(g);
		*out = NULL;
		return ERR_OK;
	}
	e = g->fd != -1 ? move_away(g, since_ms) : ERR_IO;
	if (e != ERR_OK) {
		if (e == ERR_IO)
			log_errno("jobs/%s: discard", g->from);
		gone_free(g);
		return e;
	}
	/* A file may have come between the look and the move: nobody who
	 * was told that it is kept shall miss it. */
	if (newest_ms(g->fd) >= since_ms) {
		blob_gone_undo(g);
		return ERR_CONFLICT;
	}
	*out = g;
	return ERR_OK;
}

void
blob_gone_remove(struct blob_gone *g)
{
	remove_dir(g->tree, g->fd, g->name);
	gone_free(g);
}

void
blob_gone_undo(struct blob_gone *g)
{
	struct blob_tree *t = g->tree;
	struct dirent *d;
	DIR *dir;
	int to;

	if (renameat(t->trash, g->name, t->jobs, g->from) == 0) {
		gone_free(g);
		return;
	}
	/* Somebody has made it anew: what is there is younger. */
	to = blob_fs_open_dir(t->jobs, g->from);
	dir = list(g->fd);
	while (to != -1 && dir != NULL && (d = readdir(dir)) != NULL)
		if (!is_dots(d->d_name))
			(void)renameat2(
			    g->fd, d->d_name, to, d->d_name, RENAME_NOREPLACE);
	if (dir != NULL)
		(void)closedir(dir);
	if (to != -1)
		(void)close(to);
	blob_gone_remove(g);
}
