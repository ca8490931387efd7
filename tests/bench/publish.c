/*
 * The limit of a submission with a broker: threads, each with a connection of
 * its own, that publish one persistent message after the other and wait for
 * the confirm of each.  Also counts and empties queues for tests/bench/run.
 */

#if __has_include(<rabbitmq-c/amqp.h>)
#include <rabbitmq-c/amqp.h>
#include <rabbitmq-c/tcp_socket.h>
#else
#include <amqp.h>
#include <amqp_tcp_socket.h>
#endif
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define THREADS_MAX 256
#define FRAME_MAX 131072
#define CONFIRM_S 60

static char uri[1024];
static const char *queue, *body;
static double stop_at;
static pthread_barrier_t ready;

struct thread {
	pthread_t thread;
	unsigned long done;
};

static void
fail(const char *what)
{
	(void)fprintf(stderr, "publish: %s failed\n", what);
	exit(EXIT_FAILURE);
}

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
must(amqp_connection_state_t c, const char *what)
{
	if (amqp_get_rpc_reply(c).reply_type != AMQP_RESPONSE_NORMAL)
		fail(what);
}

static amqp_connection_state_t
open_connection(void)
{
	amqp_connection_state_t c = amqp_new_connection();
	amqp_socket_t *s = c != NULL ? amqp_tcp_socket_new(c) : NULL;
	struct amqp_connection_info info;
	char copy[sizeof(uri)];

	(void)memcpy(copy, uri, sizeof(copy));
	if (s == NULL || amqp_parse_url(copy, &info) != AMQP_STATUS_OK)
		fail("the address");
	if (amqp_socket_open(s, info.host, info.port) != AMQP_STATUS_OK)
		fail("connect");
	if (amqp_login(c, info.vhost, 0, FRAME_MAX, 0, AMQP_SASL_METHOD_PLAIN,
		info.user, info.password)
		.reply_type != AMQP_RESPONSE_NORMAL)
		fail("log in");
	(void)amqp_channel_open(c, 1);
	must(c, "open a channel");
	return c;
}

static void
close_connection(amqp_connection_state_t c)
{
	(void)amqp_connection_close(c, AMQP_REPLY_SUCCESS);
	(void)amqp_destroy_connection(c);
}

static void
publish(amqp_connection_state_t c)
{
	static const amqp_basic_properties_t p = {
	    ._flags = AMQP_BASIC_DELIVERY_MODE_FLAG,
	    .delivery_mode = AMQP_DELIVERY_PERSISTENT,
	};
	struct timeval wait = {.tv_sec = CONFIRM_S};
	amqp_frame_t f;

	if (amqp_basic_publish(c, 1, amqp_empty_bytes,
		amqp_cstring_bytes(queue), 0, 0, &p,
		amqp_cstring_bytes(body)) != AMQP_STATUS_OK)
		fail("publish");
	if (amqp_simple_wait_frame_noblock(c, &f, &wait) != AMQP_STATUS_OK ||
	    f.frame_type != AMQP_FRAME_METHOD ||
	    f.payload.method.id != AMQP_BASIC_ACK_METHOD)
		fail("a confirm");
	amqp_maybe_release_buffers(c);
}

static void *
work(void *arg)
{
	amqp_connection_state_t c = open_connection();
	struct thread *t = arg;

	(void)amqp_confirm_select(c, 1);
	must(c, "ask for confirms");
	/* Time runs once all are connected. */
	(void)pthread_barrier_wait(&ready);
	(void)pthread_barrier_wait(&ready);
	while (now() < stop_at) {
		publish(c);
		t->done++;
	}
	/* Closing is not measured. */
	(void)pthread_barrier_wait(&ready);
	close_connection(c);
	return NULL;
}

static void
run(unsigned n, double seconds)
{
	static struct thread threads[THREADS_MAX];
	unsigned long done = 0;
	double start, end;
	unsigned i;

	if (pthread_barrier_init(&ready, NULL, n + 1) != 0)
		fail("barrier");
	for (i = 0; i < n; i++)
		if (pthread_create(
			&threads[i].thread, NULL, work, &threads[i]) != 0)
			fail("thread");
	(void)pthread_barrier_wait(&ready);
	start = now();
	stop_at = start + seconds;
	(void)pthread_barrier_wait(&ready);
	(void)pthread_barrier_wait(&ready);
	end = now();
	for (i = 0; i < n; i++) {
		(void)pthread_join(threads[i].thread, NULL);
		done += threads[i].done;
	}
	(void)printf("%.1f %lu\n", (double)done / (end - start), done);
}

/* The messages that a queue holds; a new one has none. */
static void
count(void)
{
	amqp_connection_state_t c = open_connection();
	amqp_queue_declare_ok_t *ok;

	ok = amqp_queue_declare(
	    c, 1, amqp_cstring_bytes(queue), 0, 1, 0, 0, amqp_empty_table);
	must(c, "declare the queue");
	(void)printf("%u\n", ok->message_count);
	close_connection(c);
}

static void
purge(void)
{
	amqp_connection_state_t c = open_connection();

	(void)amqp_queue_purge(c, 1, amqp_cstring_bytes(queue));
	must(c, "empty the queue");
	close_connection(c);
}

int
main(int argc, char **argv)
{
	int threads;

	if (argc >= 4 && strlen(argv[2]) < sizeof(uri)) {
		(void)strcpy(uri, argv[2]);
		queue = argv[3];
	}
	if (argc == 7 && queue != NULL && strcmp(argv[1], "run") == 0) {
		threads = atoi(argv[4]);
		if (threads < 1 || threads > THREADS_MAX)
			fail("so many threads");
		body = argv[5];
		run((unsigned)threads, atof(argv[6]));
	} else if (argc == 4 && queue != NULL &&
		   strcmp(argv[1], "count") == 0) {
		count();
	} else if (argc == 4 && queue != NULL &&
		   strcmp(argv[1], "purge") == 0) {
		purge();
	} else {
		(void)fprintf(stderr,
		    "usage: publish run URI QUEUE THREADS BODY SECONDS\n"
		    "       publish count|purge URI QUEUE\n");
		return 2;
	}
	return EXIT_SUCCESS;
}
