/*
 * The limit of a look-up: a responder that answers one constant, BENCH_BODY, to
 * whatever it is asked.  spawn/up starts it in the place of tf-result.
 */

#include <fcgiapp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THREADS_MAX 64

static char answer[65536];
static int answer_len;

static void *
serve(void *arg)
{
	FCGX_Request r;

	(void)arg;
	if (FCGX_InitRequest(&r, 0, 0) != 0)
		exit(EXIT_FAILURE);
	while (FCGX_Accept_r(&r) == 0) {
		(void)FCGX_PutStr(answer, answer_len, r.out);
		FCGX_Finish_r(&r);
	}
	return NULL;
}

int
main(int argc, char **argv)
{
	const char *body = getenv("BENCH_BODY"),
		   *text = getenv("BENCH_THREADS");
	int i, n = text != NULL ? atoi(text) : 1;
	pthread_t threads[THREADS_MAX];

	/* spawn/up asks every responder for this first. */
	if (argc == 2 && strcmp(argv[1], "--check-config") == 0)
		return EXIT_SUCCESS;
	if (body == NULL || n < 1 || n > THREADS_MAX || FCGX_Init() != 0)
		return EXIT_FAILURE;
	/* libfcgi would only note it, and go on waiting for a connection. */
	(void)signal(SIGTERM, SIG_DFL);
	answer_len = snprintf(answer, sizeof(answer),
	    "Status: 200 OK\r\nContent-Type: application/json\r\n"
	    "Content-Length: %zu\r\n\r\n%s",
	    strlen(body), body);
	for (i = 0; i < n; i++)
		if (pthread_create(&threads[i], NULL, serve, NULL) != 0)
			return EXIT_FAILURE;
	for (i = 0; i < n; i++)
		(void)pthread_join(threads[i], NULL);
	return EXIT_FAILURE;
}
