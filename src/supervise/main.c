/*
 * tf-supervise: keeps a listening socket open on fd 0 and responders alive on
 * it.  A child that dies is started again; at SIGHUP each is replaced in turn,
 * the new one serving before the old one drains, so that no request is refused.
 * Only where none can start are requests answered here, with 503.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "standin.h"
#include "status_file.h"

#define CHILDREN_MAX 64
#define DELAY_FIRST_MS 100
#define DELAY_MAX_MS 5000
#define DELAY_SERVED_MAX_MS 200 /* of one that has served: it waits no longer */
#define GOOD_LIFE_MS 10000 /* who lived that long did not fail at its start */
#define READY_MS 30000 /* a new one must serve by then */
#define STOP_S 75
#define AGAIN_MS 60000 /* between two lines on one that ends always alike */
#define FAILED_MIN 2 /* starts that failed in a row: it cannot start */
#define KILLED_MS 30000 /* who was killed for so long cannot start either */

struct child {
	pid_t pid; /* 0: none */
	pid_t old; /* the one it takes over from; 0: none */
	int ready_fd; /* readable once it serves; -1 */
	int64_t started_ms;
	int64_t retry_ms; /* when to start one; 0: not waiting */
	int64_t ready_by_ms; /* of a new one; 0: not waiting */
	int64_t kill_ms; /* when to be less patient; 0: not waiting */
	int delay_ms; /* before the next start */
	int64_t down_ms; /* since when it does not serve */
	unsigned failed; /* starts in a row */
	bool served; /* it has told that it serves */
	bool old_served; /* so had the one in old */
	int end; /* the status of the last that ended before it served; 0: none */
	int64_t told_ms; /* when that was logged */
	unsigned untold; /* how many have ended so since */
};

static struct supervisor {
	const char *program; /* of the children */
	char **argv; /* theirs */
	pid_t pid; /* our own */
	const char *status_path; /* NULL: none */
	int status_fd; /* -1: none */
	struct status_file status;
	struct standin *standin; /* NULL: there is no socket to answer on */
	unsigned answered; /* by it, before it had to */
	int stop_s;
	sigset_t signals;
	unsigned n;
	struct child children[CHILDREN_MAX];
	bool stopping;
	int rolling; /* the child being replaced, -1 */
	bool roll_again; /* asked for while one was under way */
} sv = {.program = "",
    .argv = (char *[]){NULL},
    .status_fd = -1,
    .stop_s = STOP_S,
    .n = 1,
    .rolling = -1};

static void
write_status(void)
{
	if (sv.status_fd != -1)
		status_file_write(sv.status_fd, &sv.status);
}

/* In the child: an ordinary process again, that ends when we do. */
static void
become_child(int ready_fd)
{
	char text[16];
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != sv.pid)
		_exit(EXIT_FAILURE);
	(void)snprintf(text, sizeof(text), "%d", ready_fd);
	(void)setenv("TF_READY_FD", text, 1);
	if (sv.status_path != NULL)
		(void)setenv(STATUS_FILE_ENV, sv.status_path, 1);
	(void)execv(sv.program, sv.argv);
	log_errno("cannot run %s", sv.program);
	_exit(EXIT_FAILURE);
}

static void
child_start(struct child *c)
{
	int fds[2];

	if (c->ready_fd != -1)
		(void)close(c->ready_fd);
	c->ready_fd = -1;
	c->retry_ms = 0;
	c->served = false;
	c->started_ms = clock_mono_ms();
	if (pipe(fds) == -1) {
		log_errno("pipe");
		c->failed++;
		c->retry_ms = c->started_ms + DELAY_MAX_MS;
		return;
	}
	c->pid = fork();
	if (c->pid == 0) {
		(void)close(fds[0]);
		become_child(fds[1]);
	}
	(void)close(fds[1]);
	c->ready_fd = fds[0];
	if (c->pid == -1) {
		log_errno("fork");
		c->failed++;
		c->pid = 0;
		c->retry_ms = c->started_ms + DELAY_MAX_MS;
	}
}

static void
signal_child(pid_t pid, int sig)
{
	if (pid > 0 && kill(pid, sig) == -1 && errno != ESRCH)
		log_errno("signal %d to %ld", sig, (long)pid);
}

static void
roll_end(bool failed)
{
	sv.rolling = -1;
	sv.roll_again = sv.roll_again && !failed;
	sv.status.roll_failed = failed;
	sv.status.rolls++;
	write_status();
	if (failed)
		log_error("the restart has failed: the old %s goes on; see the "
			  "lines above",
		    sv.program);
	else
		log_info("restarted %s", sv.program);
}

/* The new one has failed: the old one, if it is there yet, has its place again. */
static void
keep_old(struct child *c)
{
	c->pid = c->old;
	c->old = 0;
	c->served = c->pid != 0 && c->old_served;
	/* It may serve by now although it has not told: that went unheard. */
	if (c->pid != 0)
		c->failed = 0;
	c->ready_by_ms = 0;
	if (c->ready_fd != -1)
		(void)close(c->ready_fd);
	c->ready_fd = -1;
	roll_end(true);
}

/* Replace the next child, or come to the end. */
static void
roll_next(void)
{
	struct child *c;

	if (++sv.rolling == (int)sv.n) {
		roll_end(false);
		if (!sv.roll_again)
			return;
		sv.roll_again = false;
		sv.rolling = 0;
	}
	c = &sv.children[sv.rolling];
	c->old = c->pid;
	c->old_served = c->served;
	child_start(c);
	c->ready_by_ms = clock_mono_ms() + READY_MS;
	if (c->pid == 0 || c->retry_ms != 0) {
		if (c->old != 0)
			c->retry_ms = 0;
		keep_old(c);
	}
}

/* The new one serves: the old one may go. */
static void
child_ready(struct child *c)
{
	char byte;

	/* Its end without a word means that it is about to be reaped. */
	c->served = read(c->ready_fd, &byte, 1) == 1;
	if (c->served)
		c->failed = 0;
	if (c->served && c->ready_by_ms != 0) {
		c->ready_by_ms = 0;
		if (c->old == 0) {
			roll_next();
		} else {
			signal_child(c->old, SIGTERM);
			c->kill_ms = clock_mono_ms() + sv.stop_s * 1000LL;
		}
	}
	(void)close(c->ready_fd);
	c->ready_fd = -1;
}

static void
log_end(pid_t pid, int status, unsigned untold)
{
	char before[48] = "";

	if (untold > 0)
		(void)snprintf(before, sizeof(before),
		    ", as have %u since this was told last", untold);
	if (WIFSIGNALED(status))
		log_error("%s %ld was ended by signal %d%s", sv.program,
		    (long)pid, WTERMSIG(status), before);
	else if (WEXITSTATUS(status) != 0)
		log_error("%s %ld ended with status %d%s", sv.program,
		    (long)pid, WEXITSTATUS(status), before);
}

/* Who cannot start says itself why.  That it ended again, each five seconds, tells nothing new. */
static void
tell_end(struct child *c, int status)
{
	int64_t now = clock_mono_ms();

	if (!c->served && status == c->end && now - c->told_ms < AGAIN_MS) {
		c->untold++;
		return;
	}
	if (c->served || status != c->end)
		c->untold = 0;
	log_end(c->pid, status, c->untold);
	c->end = c->served ? 0 : status;
	c->told_ms = now;
	c->untold = 0;
}

/* Whether that end tells that the program cannot start.  Who kills it from outside might let
 * the next one live; but the kernel, for want of memory, goes on so. */
static bool
failed_to_start(const struct child *c, int status, int64_t now)
{
	if (c->served)
		return false;
	return !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL ||
	       now - c->down_ms >= KILLED_MS;
}

/* A child that should serve has ended. */
static void
child_died(struct child *c, int status)
{
	int64_t now = clock_mono_ms();
	int max_ms;

	if (c->ready_by_ms != 0) {
		keep_old(c);
		if (c->pid != 0)
			return;
	}
	if (c->served)
		c->down_ms = now;
	if (failed_to_start(c, status, now))
		c->failed++;
	if (now - c->started_ms >= GOOD_LIFE_MS)
		c->delay_ms = 0;
	max_ms = c->served ? DELAY_SERVED_MAX_MS : DELAY_MAX_MS;
	if (c->delay_ms > max_ms)
		c->delay_ms = max_ms;
	c->pid = 0;
	c->retry_ms = now + c->delay_ms;
	c->delay_ms = c->delay_ms == 0 ? DELAY_FIRST_MS : c->delay_ms * 2;
	if (c->delay_ms > DELAY_MAX_MS)
		c->delay_ms = DELAY_MAX_MS;
}

static void
reap(void)
{
	struct child *c;
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (c = sv.children; c < sv.children + sv.n; c++) {
			if (c->pid == pid)
				tell_end(c, status);
			if (c->pid == pid && !sv.stopping) {
				child_died(c, status);
			} else if (c->pid == pid) {
				c->pid = 0;
			} else if (c->old == pid) {
				log_end(pid, status, 0);
				c->old = 0;
				c->kill_ms = 0;
				if (c->ready_by_ms == 0 && sv.rolling >= 0 &&
				    !sv.stopping)
					roll_next();
			}
		}
	}
}

static void
stop(void)
{
	struct child *c;

	sv.stopping = true;
	for (c = sv.children; c < sv.children + sv.n; c++) {
		signal_child(c->pid, SIGTERM);
		signal_child(c->old, SIGTERM);
		c->retry_ms = c->ready_by_ms = 0;
		c->kill_ms = clock_mono_ms() + sv.stop_s * 1000LL;
	}
}

static void
roll(void)
{
	if (sv.stopping)
		return;
	if (sv.rolling >= 0)
		sv.roll_again = true;
	else
		roll_next();
}

/* What is due of the children by now; when to look again, INT64_MAX: no need. */
static int64_t
look_at_clock(void)
{
	int64_t now = clock_mono_ms(), next = INT64_MAX;
	struct child *c;

	for (c = sv.children; c < sv.children + sv.n; c++) {
		if (c->retry_ms != 0 && c->retry_ms <= now)
			child_start(c);
		if (c->ready_by_ms != 0 && c->ready_by_ms <= now) {
			log_error("the new %s does not serve after %d s",
			    sv.program, READY_MS / 1000);
			c->ready_by_ms = now + READY_MS;
			signal_child(c->pid, SIGKILL);
		}
		if (c->kill_ms != 0 && c->kill_ms <= now) {
			c->kill_ms = 0;
			signal_child(c->old, SIGKILL);
			if (sv.stopping)
				signal_child(c->pid, SIGKILL);
		}
		if (c->retry_ms != 0 && c->retry_ms < next)
			next = c->retry_ms;
		if (c->ready_by_ms != 0 && c->ready_by_ms < next)
			next = c->ready_by_ms;
		if (c->kill_ms != 0 && c->kill_ms < next)
			next = c->kill_ms;
	}
	return next;
}

/* Whether requests are answered here.  One that serves, or may in a moment, is waited for. */
static bool
none_can_start(void)
{
	const struct child *c;

	for (c = sv.children; c < sv.children + sv.n; c++)
		if (c->failed < FAILED_MIN)
			return false;
	return !sv.stopping;
}

/* Tell it where that has changed. */
static void
look_at_starts(void)
{
	bool down = none_can_start();
	unsigned answered;

	if (down == sv.status.down)
		return;
	sv.status.down = down;
	write_status();
	if (sv.standin == NULL)
		return;
	answered = standin_answered(sv.standin);
	if (down)
		log_error("%s cannot start: requests are answered with 503 "
			  "until it does",
		    sv.program);
	else
		log_info("%u requests were answered with 503 for want of %s",
		    answered - sv.answered, sv.program);
	sv.answered = answered;
}

static bool
all_gone(void)
{
	const struct child *c;

	for (c = sv.children; c < sv.children + sv.n; c++)
		if (c->pid != 0 || c->old != 0)
			return false;
	return true;
}

static void
take_signal(int fd)
{
	struct signalfd_siginfo si;

	if (read(fd, &si, sizeof(si)) != (ssize_t)sizeof(si))
		return;
	if (si.ssi_signo == SIGCHLD)
		reap();
	else if (si.ssi_signo == SIGHUP)
		roll();
	else if (!sv.stopping)
		stop();
}

/* Until something happens, or is due. */
static int
wait_ms(int64_t due)
{
	int64_t now = clock_mono_ms();

	if (sv.standin != NULL && standin_due_ms(sv.standin) < due)
		due = standin_due_ms(sv.standin);
	if (due == INT64_MAX)
		return -1;
	return due > now ? (int)(due - now) : 0;
}

static int
supervise(int signal_fd)
{
	static struct pollfd fds[CHILDREN_MAX + 1 + STANDIN_FDS];
	struct pollfd *others = fds + sv.n + 1;
	unsigned i, n;
	int64_t due;

	while (!sv.stopping || !all_gone()) {
		due = look_at_clock();
		look_at_starts();
		fds[sv.n] = (struct pollfd){.fd = signal_fd, .events = POLLIN};
		for (i = 0; i < sv.n; i++)
			fds[i] = (struct pollfd){
			    .fd = sv.children[i].ready_fd, .events = POLLIN};
		n = sv.n + 1;
		if (sv.standin != NULL)
			n += standin_fds(sv.standin, sv.status.down, others);
		if (poll(fds, n, wait_ms(due)) == -1)
			continue;
		for (i = 0; i < sv.n; i++)
			if (fds[i].fd != -1 && fds[i].revents != 0)
				child_ready(&sv.children[i]);
		if (fds[sv.n].revents != 0)
			take_signal(signal_fd);
		/* Who serves by now takes what comes. */
		if (!none_can_start())
			others[0].revents = 0;
		if (sv.standin != NULL)
			standin_turn(sv.standin, others);
	}
	standin_free(sv.standin);
	return EXIT_SUCCESS;
}

static void
usage(FILE *to)
{
	(void)fputs(
	    "usage: tf-supervise [-n COUNT] [-s FILE] [-t SECONDS] -- PROGRAM "
	    "[ARG]...\n"
	    "Keep COUNT processes (default 1) of PROGRAM alive on the "
	    "listening socket at fd 0.\n"
	    "SIGHUP replaces them one after the other, SIGTERM ends them "
	    "and then itself.\n"
	    "-s: keep FILE, which tells how it goes, locked: see "
	    "tf-supervise(8).\n"
	    "-t: how long a process may take to end (default 75 s).\n",
	    to);
}

static bool
positive(const char *text, int max, int *out)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (*text == '\0' || *end != '\0' || n < 1 || n > max)
		return false;
	*out = (int)n;
	return true;
}

static bool
read_options(int argc, char **argv)
{
	int opt, n = 1;

	while ((opt = getopt(argc, argv, "+n:s:t:")) != -1) {
		switch (opt) {
		case 'n':
			if (!positive(optarg, CHILDREN_MAX, &n))
				return false;
			break;
		case 's':
			sv.status_path = optarg;
			break;
		case 't':
			if (!positive(optarg, 86400, &sv.stop_s))
				return false;
			break;
		default:
			return false;
		}
	}
	sv.n = (unsigned)n;
	sv.argv = argv + optind;
	if (argv[optind] == NULL)
		return false;
	sv.program = argv[optind];
	return true;
}

int
main(int argc, char **argv)
{
	unsigned i;
	int fd;

	log_setup("tf-supervise", LOG_LVL_INFO);
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		usage(stdout);
		return EXIT_SUCCESS;
	}
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)printf("tf-supervise %s\n", PACKAGE_VERSION);
		return EXIT_SUCCESS;
	}
	if (!read_options(argc, argv)) {
		usage(stderr);
		return 2;
	}
	(void)sigemptyset(&sv.signals);
	(void)sigaddset(&sv.signals, SIGCHLD);
	(void)sigaddset(&sv.signals, SIGHUP);
	(void)sigaddset(&sv.signals, SIGINT);
	(void)sigaddset(&sv.signals, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &sv.signals, NULL);
	fd = signalfd(-1, &sv.signals, SFD_CLOEXEC);
	if (fd == -1) {
		log_errno("signalfd");
		return EXIT_FAILURE;
	}
	if (sv.status_path != NULL &&
	    (sv.status_fd = status_file_open(sv.status_path)) == -1)
		return EXIT_FAILURE;
	sv.pid = getpid();
	sv.standin = standin_new(STDIN_FILENO);
	write_status();
	for (i = 0; i < sv.n; i++) {
		sv.children[i].ready_fd = -1;
		sv.children[i].down_ms = clock_mono_ms();
		child_start(&sv.children[i]);
	}
	return supervise(fd);
}
