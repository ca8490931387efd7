/*
 * The limit of a posted result: threads that do nothing but make files durable,
 * with the names and sizes of the server's tree (STORE.md).  It syncs the
 * file and the directory that holds it, which is the least that may be done.
 */

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define THREADS 8
#define SHARDS 256
#define NAME 96

static int jobs, tmp;
static unsigned run_number;
static const char *body;
static double stop_at;

struct thread {
	pthread_t thread;
	unsigned number;
	unsigned done;
};

static void
fail(const char *what)
{
	(void)fprintf(stderr, "files: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int
open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd == -1)
		fail(name);
	return fd;
}

static int
make_dir(int at, const char *name)
{
	if (mkdirat(at, name, 0750) == -1 && errno != EEXIST)
		fail(name);
	return open_dir(at, name);
}

/* The directory of the n-th result of a thread, as in requests.lua. */
static void
dir_name(char out[NAME], unsigned thread, unsigned n)
{
	(void)snprintf(out, NAME, "%02x/%02x%06x-%04x-4000-8000-%012x",
	    n & 0xff, n & 0xff, n >> 8 & 0xffffff, thread & 0xffff, run_number);
}

static void
put(unsigned thread, unsigned n)
{
	char dir[NAME], path[NAME + 16], temporary[32];
	size_t len = strlen(body);
	int fd;

	dir_name(dir, thread, n);
	(void)snprintf(path, sizeof(path), "%s/result.json", dir);
	(void)snprintf(temporary, sizeof(temporary), "%08x%08x", thread, n);
	fd = openat(
	    tmp, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd == -1 || write(fd, body, len) != (ssize_t)len || fsync(fd) == -1)
		fail("write");
	(void)close(fd);
	if (mkdirat(jobs, dir, 0750) == -1 && errno != EEXIST)
		fail(dir);
	if (renameat(tmp, temporary, jobs, path) == -1)
		fail(path);
	fd = open_dir(jobs, dir);
	if (fsync(fd) == -1)
		fail(dir);
	(void)close(fd);
}

static void *
work(void *arg)
{
	struct thread *t = arg;

	while (now() < stop_at)
		put(t->number, t->done++);
	return NULL;
}

static void
open_tree(const char *path)
{
	char shard[8];
	unsigned i;
	int root;

	root = open_dir(AT_FDCWD, path);
	jobs = make_dir(root, "jobs");
	tmp = make_dir(root, "tmp");
	for (i = 0; i < SHARDS; i++) {
		(void)snprintf(shard, sizeof(shard), "%02x", i & 0xff);
		(void)close(make_dir(jobs, shard));
	}
	if (fsync(jobs) == -1 || fsync(root) == -1)
		fail(path);
}

int
main(int argc, char **argv)
{
	struct thread threads[THREADS] = {{.number = 0}};
	unsigned i, n = 0;
	double start;

	if (argc != 5) {
		(void)fprintf(stderr, "usage: files DIR RUN BODY SECONDS\n");
		return 2;
	}
	run_number = (unsigned)atoi(argv[2]);
	body = argv[3];
	open_tree(argv[1]);
	start = now();
	stop_at = start + atof(argv[4]);
	for (i = 0; i < THREADS; i++) {
		threads[i].number = i;
		if (pthread_create(
			&threads[i].thread, NULL, work, &threads[i]) != 0)
			fail("thread");
	}
	for (i = 0; i < THREADS; i++) {
		(void)pthread_join(threads[i].thread, NULL);
		n += threads[i].done;
	}
	(void)printf("%.1f\n", (double)n / (now() - start));
	return EXIT_SUCCESS;
}
