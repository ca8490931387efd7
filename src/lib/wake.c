/*
 * Datagrams to the sockets in one directory.  Who speaks keeps a connected socket for
 * each listener and reads the directory anew only when its time stamp has moved, so
 * that a word costs two system calls, and one if nobody listens.
 */

#include "wake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "log.h"

#define DIRECTORY "wake"
#define EARS_MAX 256
#define EAR_NAME_MAX 40
/* Two changes of a directory within a tick of the kernel's clock have one time. */
#define TICK_NS 50000000LL
#define QUEUE_LEN_FILE "/proc/sys/net/unix/max_dgram_qlen"
#define QUEUE_LEN_USUAL 10

struct peer {
	int fd;
	char name[EAR_NAME_MAX];
};

struct wake {
	int dir_fd;
	pthread_mutex_t mutex; /* of everything below */
	struct timespec changed; /* the directory, when it was read */
	bool sure; /* and it cannot have changed since without showing it */
	size_t n;
	struct peer peers[EARS_MAX];
};

struct wake_ear {
	int fd;
	int dir_fd;
	unsigned room; /* words that the kernel keeps for us */
	unsigned heard; /* since there was silence */
	char name[EAR_NAME_MAX];
};

enum err
wake_open(struct wake **out, const char *data_path)
{
	struct wake *w = calloc(1, sizeof(*w));
	char path[4200];

	if (w == NULL)
		return ERR_NOMEM;
	(void)snprintf(path, sizeof(path), "%s/" DIRECTORY, data_path);
	if (mkdir(path, 0750) == -1 && errno != EEXIST)
		log_errno("cannot make %s", path);
	w->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dir_fd == -1) {
		log_errno("cannot open %s", path);
		free(w);
		return ERR_IO;
	}
	(void)pthread_mutex_init(&w->mutex, NULL);
	*out = w;
	return ERR_OK;
}

static void
forget(struct wake *w)
{
	while (w->n > 0)
		(void)close(w->peers[--w->n].fd);
}

void
wake_close(struct wake *w)
{
	if (w == NULL)
		return;
	forget(w);
	(void)close(w->dir_fd);
	(void)pthread_mutex_destroy(&w->mutex);
	free(w);
}

/* The address of a name in the directory, however long the directory's own is. */
static void
address(struct sockaddr_un *a, int dir_fd, const char *name)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void)snprintf(a->sun_path, sizeof(a->sun_path),
	    "/proc/self/fd/%d/%.*s", dir_fd, EAR_NAME_MAX - 1, name);
}

static int
new_socket(void)
{
	return socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* One that nobody listens on is what a dead process has left.  Names come once, so
 * that it is not another's by now. */
static void
meet(struct wake *w, const char *name)
{
	struct peer *p = &w->peers[w->n];
	struct sockaddr_un to;

	if (w->n == EARS_MAX || strlen(name) >= sizeof(p->name))
		return;
	if ((p->fd = new_socket()) == -1) {
		log_errno("socket");
		return;
	}
	address(&to, w->dir_fd, name);
	if (connect(p->fd, (struct sockaddr *)&to, sizeof(to)) == -1) {
		if (errno == ECONNREFUSED)
			(void)unlinkat(w->dir_fd, name, 0);
		(void)close(p->fd);
		return;
	}
	(void)snprintf(p->name, sizeof(p->name), "%s", name);
	w->n++;
}

static void
read_directory(struct wake *w)
{
	int fd = openat(w->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	forget(w);
	if (d == NULL) {
		if (fd != -1)
			(void)close(fd);
		return;
	}
	while ((entry = readdir(d)) != NULL)
		if (entry->d_name[0] != '.')
			meet(w, entry->d_name);
	(void)closedir(d);
}

/* Know who listens now. */
static void
look_around(struct wake *w)
{
	struct timespec now;
	struct stat st;
	int64_t age;

	if (fstat(w->dir_fd, &st) == -1)
		return;
	if (w->sure && st.st_mtim.tv_sec == w->changed.tv_sec &&
	    st.st_mtim.tv_nsec == w->changed.tv_nsec)
		return;
	(void)clock_gettime(CLOCK_REALTIME, &now);
	age = (int64_t)(now.tv_sec - st.st_mtim.tv_sec) * 1000000000 +
	      (now.tv_nsec - st.st_mtim.tv_nsec);
	read_directory(w);
	w->changed = st.st_mtim;
	w->sure = age > TICK_NS;
}

void
wake_say(struct wake *w, enum wake_kind kind, const char *name)
{
	char text[WAKE_NAME_MAX + 1];
	size_t len = strlen(name), i;

	if (w == NULL)
		return;
	/* What is no name of ours is said as "look yourselves". */
	if (len > WAKE_NAME_MAX || kind == WAKE_ANY) {
		kind = WAKE_ANY;
		len = 0;
	}
	text[0] = (char)(unsigned char)kind;
	for (i = 0; i < len; i++)
		text[1 + i] = name[i];
	(void)pthread_mutex_lock(&w->mutex);
	look_around(w);
	for (i = 0; i < w->n; i++)
		if (send(w->peers[i].fd, text, len + 1, MSG_NOSIGNAL) == -1 &&
		    (errno == ECONNREFUSED || errno == ENOTCONN)) {
			(void)unlinkat(w->dir_fd, w->peers[i].name, 0);
			w->sure = false;
		}
	(void)pthread_mutex_unlock(&w->mutex);
}

/* How many words the kernel keeps before it drops some. */
static unsigned
queue_length(void)
{
	FILE *f = fopen(QUEUE_LEN_FILE, "re");
	unsigned n = QUEUE_LEN_USUAL;

	char line[32];
	unsigned long told = 0;

	if (f == NULL)
		return n;
	if (fgets(line, sizeof(line), f) != NULL)
		told = strtoul(line, NULL, 10);
	if (told > 0 && told < 1000000)
		n = (unsigned)told;
	(void)fclose(f);
	return n;
}

enum err
wake_listen(struct wake_ear **out, const struct wake *w)
{
	struct wake_ear *ear = calloc(1, sizeof(*ear));
	struct sockaddr_un at;
	uint64_t once;

	if (ear == NULL)
		return ERR_NOMEM;
	ear->room = queue_length();
	ear->dir_fd = fcntl(w->dir_fd, F_DUPFD_CLOEXEC, 0);
	ear->fd = new_socket();
	if (ear->fd == -1 || ear->dir_fd == -1 ||
	    getrandom(&once, sizeof(once), 0) != sizeof(once))
		goto err;
	(void)snprintf(ear->name, sizeof(ear->name), "%ld-%016llx",
	    (long)getpid(), (unsigned long long)once);
	address(&at, ear->dir_fd, ear->name);
	if (bind(ear->fd, (struct sockaddr *)&at, sizeof(at)) == -1)
		goto err;
	*out = ear;
	return ERR_OK;
err:
	log_errno("cannot listen for changes");
	ear->name[0] = '\0';
	wake_deafen(ear);
	return ERR_IO;
}

void
wake_deafen(struct wake_ear *ear)
{
	if (ear == NULL)
		return;
	if (ear->name[0] != '\0')
		(void)unlinkat(ear->dir_fd, ear->name, 0);
	if (ear->fd != -1)
		(void)close(ear->fd);
	if (ear->dir_fd != -1)
		(void)close(ear->dir_fd);
	free(ear);
}

int
wake_fd(const struct wake_ear *ear)
{
	return ear->fd;
}

/* When the queue was full, words were dropped, and whoever sent them does not try
 * again.  It can only have been if at least as many came in one go. */
static bool
end_of_words(struct wake_ear *ear, enum wake_kind *kind, char *name)
{
	bool lost = ear->heard >= ear->room;

	ear->heard = 0;
	*kind = WAKE_ANY;
	name[0] = '\0';
	return lost;
}

bool
wake_hear(
    struct wake_ear *ear, enum wake_kind *kind, char name[WAKE_NAME_MAX + 1])
{
	char text[WAKE_NAME_MAX + 2];
	ssize_t n;

	do
		n = recv(ear->fd, text, sizeof(text), 0);
	while (n == -1 && errno == EINTR);
	if (n <= 0)
		return end_of_words(ear, kind, name);
	ear->heard++;
	*kind = WAKE_ANY;
	name[0] = '\0';
	if ((text[0] == WAKE_QUEUE || text[0] == WAKE_AGENT) &&
	    n <= WAKE_NAME_MAX + 1) {
		*kind = (enum wake_kind)text[0];
		memcpy(name, text + 1, (size_t)n - 1);
		name[n - 1] = '\0';
	}
	return true;
}
