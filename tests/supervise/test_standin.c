/* What stands in for a program that cannot start, over a socket as nginx has it. */

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"
#include "fixture.h"
#include "supervise/standin.h"

#define LONG_MS 11000 /* longer than anybody is waited for */

static const unsigned char request[] = {
    /* BEGIN_REQUEST, of number 258; the ends of PARAMS and STDIN. */
    1, 1, 1, 2, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, /**/
    1, 4, 1, 2, 0, 0, 0, 0, 1, 5, 1, 2, 0, 0, 0, 0};
#define BEGINS 16 /* bytes, and then it has begun */

static char dir[64];
static struct sockaddr_un address;
static int listener;
static struct standin *standin;

static void
setup(void)
{
	fixture_mkdir(dir);
	address = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void)snprintf(
	    address.sun_path, sizeof(address.sun_path), "%s/sock", dir);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert(listener != -1 && bind(listener, (struct sockaddr *)&address,
					sizeof(address)) == 0);
	cr_assert(listen(listener, 1024) == 0);
	standin = standin_new(listener);
	cr_assert_not_null(standin);
}

static void
teardown(void)
{
	standin_free(standin);
	(void)close(listener);
	fixture_rmdir(dir);
}

TestSuite(standin, .init = setup, .fini = teardown);

/* Go on until nothing more is to be done at once. */
static void
run(bool accept)
{
	struct pollfd fds[STANDIN_FDS];
	unsigned n;

	do
		n = standin_fds(standin, accept, fds);
	while (poll(fds, n, 0) > 0 && (standin_turn(standin, fds), true));
	standin_turn(standin, fds);
}

static int
peer(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert(fd != -1 && connect(fd, (struct sockaddr *)&address,
				  sizeof(address)) == 0);
	cr_assert(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
	return fd;
}

static void
say(int fd, const void *p, size_t n)
{
	cr_assert(send(fd, p, n, MSG_NOSIGNAL) == (ssize_t)n);
}

static bool
is_open(int fd)
{
	char byte;

	return recv(fd, &byte, 1, MSG_PEEK) == -1 && errno == EAGAIN;
}

/* It was answered, whole and to the end, and then no more comes. */
static void
expect_answer(int fd)
{
	static const char want[] =
	    "Status: 503 Service Unavailable\r\n"
	    "Content-Type: application/json\r\nContent-Length: 46\r\n"
	    "Retry-After: 5\r\n\r\n"
	    "{\"detail\":{},\"message\":\"Service unavailable\"}\n";
	const size_t len = sizeof(want) - 1;
	unsigned char got[1024], tail[] = {1, 6, 1, 2, 0, 0, 0, 0, 1, 3, 1, 2,
				     0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
	unsigned char head[] = {1, 6, 1, 2, 0, (unsigned char)len, 0, 0};
	ssize_t n = recv(fd, got, sizeof(got), MSG_WAITALL);

	cr_assert(n == (ssize_t)(8 + len + sizeof(tail)), "%zd", n);
	cr_assert(memcmp(got, head, 8) == 0);
	cr_assert(memcmp(got + 8, want, len) == 0, "%.*s", (int)len, got + 8);
	cr_assert(memcmp(got + 8 + len, tail, sizeof(tail)) == 0);
	cr_assert(recv(fd, got, 1, 0) == 0);
}

Test(standin, answers_with_503_as_soon_as_a_request_begins)
{
	int fd = peer();

	say(fd, request, BEGINS - 1);
	run(true);
	cr_assert(is_open(fd));
	say(fd, request + BEGINS - 1, 1);
	run(true);
	expect_answer(fd);
	cr_assert(standin_answered(standin) == 1);
	/* The rest may still come. */
	say(fd, request + BEGINS, sizeof(request) - BEGINS);
	run(true);
	(void)close(fd);
	run(false);
	cr_assert(standin_due_ms(standin) == INT64_MAX);
}

Test(standin, answers_what_comes_byte_by_byte)
{
	int fd = peer();
	size_t i;

	for (i = 0; i < sizeof(request); i++) {
		say(fd, request + i, 1);
		run(true);
	}
	expect_answer(fd);
	(void)close(fd);
}

Test(standin, takes_a_big_body_to_nowhere)
{
	static const unsigned char body[65536];
	int fd = peer();
	size_t sent = 0;
	ssize_t n;

	say(fd, request, sizeof(request));
	while (sent < (size_t)8 << 20) {
		n = send(fd, body, sizeof(body), MSG_NOSIGNAL);
		cr_assert(n > 0 || errno == EAGAIN, "%s", strerror(errno));
		sent += n > 0 ? (size_t)n : 0;
		run(true);
	}
	expect_answer(fd);
	(void)close(fd);
}

Test(standin, ends_a_body_that_has_no_end)
{
	static const unsigned char body[65536];
	int fd = peer();
	size_t sent = 0;
	ssize_t n;

	say(fd, request, sizeof(request));
	do {
		n = send(fd, body, sizeof(body), MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
		run(true);
	} while ((n > 0 || errno == EAGAIN) && sent < (size_t)128 << 20);
	cr_assert(n == -1 && errno == EPIPE, "after %zu bytes", sent);
	(void)close(fd);
}

Test(standin, waits_for_nobody)
{
	int silent = peer(), half = peer(), deaf = peer(), good;

	say(half, request, BEGINS / 2);
	say(deaf, request, sizeof(request));
	run(true);
	good = peer();
	say(good, request, sizeof(request));
	run(true);
	expect_answer(good);
	cr_assert(is_open(silent) && is_open(half));
	cr_assert(standin_due_ms(standin) <= clock_mono_ms() + LONG_MS);
	clock_skip_for_test(LONG_MS);
	run(true);
	cr_assert(!is_open(silent) && !is_open(half));
	cr_assert(send(deaf, "x", 1, MSG_NOSIGNAL) == -1);
	cr_assert(standin_due_ms(standin) == INT64_MAX);
	(void)close(silent);
	(void)close(half);
	(void)close(deaf);
	(void)close(good);
}

Test(standin, has_room_again_when_silent_peers_were_sent_away)
{
	int fds[STANDIN_CONNS + 1], i;

	for (i = 0; i <= STANDIN_CONNS; i++)
		fds[i] = peer();
	say(fds[STANDIN_CONNS], request, sizeof(request));
	run(true);
	cr_assert(standin_answered(standin) == 0);
	clock_skip_for_test(LONG_MS);
	run(true);
	run(true);
	expect_answer(fds[STANDIN_CONNS]);
	for (i = 0; i <= STANDIN_CONNS; i++)
		(void)close(fds[i]);
}

Test(standin, hangs_up_on_what_is_no_fastcgi)
{
	static const char http[] = "GET /v1/job HTTP/1.1\r\nHost: x\r\n\r\n";
	int fd = peer();

	say(fd, http, sizeof(http) - 1);
	run(true);
	cr_assert(!is_open(fd));
	cr_assert(standin_answered(standin) == 0);
	(void)close(fd);
}

Test(standin, leaves_requests_to_others_when_told)
{
	int fd = peer(), taken;

	say(fd, request, sizeof(request));
	run(false);
	cr_assert(is_open(fd));
	taken = accept(listener, NULL, NULL);
	cr_assert(taken != -1);
	(void)close(taken);
	(void)close(fd);
}

Test(standin, ends_what_it_has_begun_while_it_takes_no_more)
{
	int fd = peer();

	run(true);
	say(fd, request, sizeof(request));
	run(false);
	expect_answer(fd);
	(void)close(fd);
}

Test(standin, needs_a_socket_that_listens)
{
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC), pair[2];

	cr_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	cr_assert(standin_new(null) == NULL);
	cr_assert(standin_new(pair[0]) == NULL);
	cr_assert(standin_new(-1) == NULL);
	(void)close(null);
	(void)close(pair[0]);
	(void)close(pair[1]);
}
