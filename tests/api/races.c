/*
 * Two requests that cannot both have their way, sent at once, as often as told; what
 * they were answered, what is there afterwards and what the journal tells must fit.
 *
 *   races PORT-A PORT-B CONTESTS [RACE...]
 *
 * The two ports are of two instances on one store, so that the two sides of a contest are
 * answered by different processes.  Each lane is a thread with a connection to either.
 * Who is sent first, and how long before the other, is led by who won so far, so that either
 * side wins about half of the contests.  Prints a line "ok" or "not ok" for each promise.
 */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LANES 24
#define ANSWER_MAX (512 * 1024) /* a page of events */
#define REQUEST_MAX 1024
#define SPREAD_US 400 /* of chance in who is sent first */
#define LEAD_MAX_US 20000
#define ID_LEN 36
#define TIMEOUT_S 60
#define TOLD_MAX 5 /* violations of a promise that are shown */

enum race {
	CANCEL_TAKE,
	TAKE_TAKE,
	RESULT_CANCEL,
	SAME_ID,
	OTHER_ID,
	SAME_KEY,
	OTHER_KEY,
	RACE__MAX
};

static const char *const names[RACE__MAX] = {
    [CANCEL_TAKE] = "cancel-take",
    [TAKE_TAKE] = "take-take",
    [RESULT_CANCEL] = "result-cancel",
    [SAME_ID] = "same-id",
    [OTHER_ID] = "other-id",
    [SAME_KEY] = "same-key",
    [OTHER_KEY] = "other-key",
};

/* One end of a contest. */
struct side {
	unsigned port;
	int fd; /* -1: not connected */
	int status;
	size_t len;
	char *body;
	char *buf;
	char request[REQUEST_MAX];
	size_t request_len;
};

/* What came of a contest, and what the journal tells of its job. */
struct contest {
	bool a_won;
	unsigned char submitted, offered, started, ended, ignored, cancelled;
	bool disordered; /* something after the end */
	char taker; /* 'a', 'b', or 's' of who was given it before */
	char id[ID_LEN + 1]; /* as answered */
};

struct lane {
	pthread_t thread;
	unsigned number;
	unsigned random;
	struct side a, b;
};

static enum race race;
static unsigned port_a, port_b, n_contests;
static struct contest *contests;
static atomic_uint next_contest, violations, overlaps, won_by_a, repeats;
static atomic_int lead_us; /* by how much A is sent before B */
static unsigned failures;
static long long last_event;

static void
die(const char *what)
{
	perror(what);
	exit(2);
}

static void
check(const char *promise, bool good)
{
	(void)printf(
	    "%s: %s: %s\n", good ? "ok" : "not ok", names[race], promise);
	(void)fflush(stdout);
	failures += !good;
}

/* A contest that broke a promise; the first few are shown. */
static void
violated(unsigned i, const char *what, int a, int b)
{
	if (atomic_fetch_add(&violations, 1) < TOLD_MAX)
		(void)printf("    contest %u: %s (%d, %d)\n", i, what, a, b);
}

static void
open_side(struct side *s)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET,
	    .sin_port = htons((unsigned short)s->port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct timeval limit = {.tv_sec = TIMEOUT_S};
	int one = 1;

	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (s->fd == -1 ||
	    connect(s->fd, (struct sockaddr *)&to, sizeof(to)) == -1 ||
	    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) ==
		-1 ||
	    setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) ==
		-1)
		die("connect");
}

/* The request that s sends next.  body NULL: GET.  header: "" or a line. */
static void
prepare(struct side *s, const char *path, const char *header, const char *body)
{
	int n;

	if (body == NULL)
		n = snprintf(s->request, REQUEST_MAX,
		    "GET %s HTTP/1.1\r\nHost: localhost\r\n%s\r\n", path,
		    header);
	else
		n = snprintf(s->request, REQUEST_MAX,
		    "POST %s HTTP/1.1\r\nHost: localhost\r\n%s"
		    "Content-Type: application/json\r\n"
		    "Content-Length: %zu\r\n\r\n%s",
		    path, header, strlen(body), body);
	if (n < 0 || n >= REQUEST_MAX)
		die("a request is too long");
	s->request_len = (size_t)n;
}

static void
send_it(struct side *s)
{
	if (s->fd == -1)
		open_side(s);
	if (send(s->fd, s->request, s->request_len, MSG_NOSIGNAL) !=
	    (ssize_t)s->request_len)
		die("send");
}

/* The answer as far as it has come: true when it is whole. */
static bool
is_whole(struct side *s)
{
	char *end, *length;
	size_t head, want = 0;

	s->buf[s->len] = '\0';
	end = strstr(s->buf, "\r\n\r\n");
	if (end == NULL)
		return false;
	head = (size_t)(end - s->buf) + 4;
	length = strcasestr(s->buf, "\r\nContent-Length: ");
	if (length != NULL && length < end)
		want = strtoul(length + 18, NULL, 10);
	if (s->len < head + want)
		return false;
	s->status = atoi(s->buf + sizeof("HTTP/1.1 ") - 1);
	s->body = s->buf + head;
	if (strcasestr(s->buf, "\r\nConnection: close") != NULL) {
		(void)close(s->fd);
		s->fd = -1;
	}
	return true;
}

static void
receive(struct side *s)
{
	ssize_t n;

	s->len = 0;
	do {
		if (s->len + 1 >= ANSWER_MAX)
			die("an answer is too long");
		n = recv(s->fd, s->buf + s->len, ANSWER_MAX - 1 - s->len, 0);
		if (n <= 0)
			die("no answer");
		s->len += (size_t)n;
	} while (!is_whole(s));
}

/* Whoever is told to come again does. */
static void
insist(struct side *s)
{
	for (receive(s); s->status == 503; receive(s)) {
		atomic_fetch_add(&repeats, 1);
		(void)usleep(20000);
		send_it(s);
	}
}

static int
call(struct side *s, const char *path, const char *header, const char *body)
{
	prepare(s, path, header, body);
	send_it(s);
	insist(s);
	return s->status;
}

/* Both prepared requests at once. */
static void
meet(struct lane *l)
{
	int gap = atomic_load(&lead_us) - SPREAD_US +
		  (int)(rand_r(&l->random) % (2 * SPREAD_US));
	struct side *first = gap >= 0 ? &l->a : &l->b;
	struct side *second = gap >= 0 ? &l->b : &l->a;
	struct pollfd answered;

	send_it(first);
	if (abs(gap) > SPREAD_US / 8)
		(void)usleep((useconds_t)abs(gap));
	send_it(second);
	answered = (struct pollfd){.fd = first->fd, .events = POLLIN};
	if (poll(&answered, 1, 0) == 0)
		atomic_fetch_add(&overlaps, 1);
	insist(first);
	insist(second);
}

static void
note_winner(unsigned i, bool a_won)
{
	int lead = atomic_load(&lead_us);

	contests[i].a_won = a_won;
	atomic_fetch_add(&won_by_a, a_won);
	if (a_won ? lead > -LEAD_MAX_US : lead < LEAD_MAX_US)
		atomic_fetch_add(&lead_us, a_won ? -10 : 10);
}

static void
id_of(unsigned i, char out[ID_LEN + 1])
{
	(void)snprintf(out, ID_LEN + 1, "%08x-0000-4000-8000-%012x",
	    0xace00000U + race, i);
}

/* The path of lane l's next job for the agent of that side in that contest.  An agent of
 * another race has a job in hand, which would go back. */
static const char *
poll_path(const struct lane *l, char side, unsigned i)
{
	static _Thread_local char path[4][128];
	static _Thread_local unsigned turn;
	char *out = path[turn++ % 4];

	(void)snprintf(out, sizeof(path[0]),
	    "/v1/job?queue=%s%u&agent=%c%u-%u&wait=0", names[race], l->number,
	    side, i, race);
	return out;
}

static void
body_of(const struct lane *l, const char *id, const char *mark, char *out,
    size_t size)
{
	(void)snprintf(out, size,
	    "{\"job_queue\":\"%s%u\",%s%s%s\"test_data\":{\"test_cmds\":"
	    "\"%s\"}}",
	    names[race], l->number, id != NULL ? "\"job_id\":\"" : "",
	    id != NULL ? id : "", id != NULL ? "\"," : "", mark);
}

static bool
has(const struct side *s, const char *text)
{
	return strstr(s->body, text) != NULL;
}

static void
given_job(struct lane *l, unsigned i, char id[ID_LEN + 1])
{
	char body[256];

	id_of(i, id);
	body_of(l, id, "true", body, sizeof(body));
	if (call(&l->a, "/v1/job", "", body) != 200)
		violated(i, "a job is not accepted", l->a.status, 0);
}

static void
action_path(const char *id, char out[96])
{
	(void)snprintf(out, 96, "/v1/job/%s/action", id);
}

static const char cancel[] = "{\"action\":\"cancel\"}";

/* A cancels, B takes. */
static void
cancel_take(struct lane *l, unsigned i)
{
	char id[ID_LEN + 1], path[96];
	bool taken;

	given_job(l, i, id);
	action_path(id, path);
	prepare(&l->a, path, "", cancel);
	prepare(&l->b, poll_path(l, 'b', i), "", NULL);
	meet(l);
	taken = l->b.status == 200;
	note_winner(i, !taken);
	if (l->a.status != 200 || (!taken && l->b.status != 204))
		violated(i, "cancel 200 and take 200 or 204", l->a.status,
		    l->b.status);
	if (taken && !has(&l->b, id))
		violated(i, "another job was taken", l->a.status, l->b.status);
	if (call(&l->b, poll_path(l, 's', i), "", NULL) != 204)
		violated(i, "handed out after the cancel's answer", 200,
		    l->b.status);
}

/* Both take. */
static void
take_take(struct lane *l, unsigned i)
{
	char id[ID_LEN + 1];
	struct side *winner;

	given_job(l, i, id);
	prepare(&l->a, poll_path(l, 'a', i), "", NULL);
	prepare(&l->b, poll_path(l, 'b', i), "", NULL);
	meet(l);
	note_winner(i, l->a.status == 200);
	winner = l->a.status == 200 ? &l->a : &l->b;
	if (l->a.status + l->b.status != 200 + 204)
		violated(i, "one 200 and one 204", l->a.status, l->b.status);
	else if (!has(winner, id))
		violated(i, "another job was taken", l->a.status, l->b.status);
}

/* A posts the result, B cancels. */
static void
result_cancel(struct lane *l, unsigned i)
{
	char id[ID_LEN + 1], result[96], action[96], cookie[64];
	bool cancelled;

	given_job(l, i, id);
	if (call(&l->a, poll_path(l, 's', i), "", NULL) != 200 ||
	    !has(&l->a, id))
		violated(i, "it is not given to its agent", l->a.status, 0);
	(void)snprintf(result, sizeof(result), "/v1/result/%s", id);
	(void)snprintf(
	    cookie, sizeof(cookie), "Cookie: agent_name=s%u-%u\r\n", i, race);
	action_path(id, action);
	prepare(&l->a, result, cookie,
	    "{\"job_state\":\"complete\",\"status\":{\"test\":0}}");
	prepare(&l->b, action, "", cancel);
	meet(l);
	cancelled = l->b.status == 200;
	note_winner(i, !cancelled);
	if (l->a.status != 200 || (!cancelled && l->b.status != 400))
		violated(i, "result 200 and cancel 200 or 400", l->a.status,
		    l->b.status);
	(void)call(&l->a, result, "", NULL);
	if (!has(&l->a, cancelled ? "\"job_state\":\"cancelled\""
				  : "\"job_state\":\"complete\""))
		violated(i, "its state is not what was answered", l->a.status,
		    l->b.status);
	if (!has(&l->a, "\"test_status\":0"))
		violated(i, "the report is not kept", l->a.status, 0);
}

/* The job that was accepted, and its content; then it is taken. */
static void
judge_submitted(
    struct lane *l, unsigned i, const struct side *winner, const char *mark)
{
	const char *at = strstr(winner->body, "\"job_id\":\"");
	char *id = contests[i].id;

	if (at != NULL)
		(void)snprintf(id, ID_LEN + 1, "%.36s", at + 10);
	if (call(&l->b, poll_path(l, 's', i), "", NULL) != 200 ||
	    !has(&l->b, id) || !has(&l->b, mark))
		violated(i, "what is taken is not what was accepted",
		    l->b.status, 0);
}

/* Both submit. */
static void
submit_submit(struct lane *l, unsigned i)
{
	bool keyed = race == SAME_KEY || race == OTHER_KEY;
	bool other = race == OTHER_ID || race == OTHER_KEY;
	int refusal = keyed ? 422 : 409;
	char id[ID_LEN + 1], key[64] = "", a[256], b[256];
	struct side *winner = &l->a;

	id_of(i, id);
	if (keyed)
		(void)snprintf(
		    key, sizeof(key), "Idempotency-Key: race%u\r\n", i);
	if (keyed && other)
		(void)snprintf(
		    key, sizeof(key), "Idempotency-Key: other%u\r\n", i);
	body_of(l, keyed ? NULL : id, "first", a, sizeof(a));
	body_of(l, keyed ? NULL : id, other ? "other" : "first", b, sizeof(b));
	prepare(&l->a, "/v1/job", key, a);
	prepare(&l->b, "/v1/job", key, b);
	meet(l);
	if (other) {
		note_winner(i, l->a.status == 200);
		winner = l->a.status == 200 ? &l->a : &l->b;
		if (l->a.status + l->b.status != 200 + refusal)
			violated(i, "one is accepted and one refused",
			    l->a.status, l->b.status);
	} else if (l->a.status != 200 || l->b.status != 200 ||
		   strcmp(l->a.body, l->b.body) != 0) {
		violated(
		    i, "both get the same answer", l->a.status, l->b.status);
	}
	judge_submitted(l, i, winner, winner == &l->a ? "first" : "other");
}

static void *
lane_main(void *arg)
{
	static void (*const runs[RACE__MAX])(struct lane *, unsigned) = {
	    [CANCEL_TAKE] = cancel_take,
	    [TAKE_TAKE] = take_take,
	    [RESULT_CANCEL] = result_cancel,
	    [SAME_ID] = submit_submit,
	    [OTHER_ID] = submit_submit,
	    [SAME_KEY] = submit_submit,
	    [OTHER_KEY] = submit_submit,
	};
	struct lane *l = arg;
	unsigned i;

	/* Sleep as exactly as told. */
	(void)prctl(PR_SET_TIMERSLACK, 1000UL);
	while ((i = atomic_fetch_add(&next_contest, 1)) < n_contests)
		runs[race](l, i);
	if (call(&l->b, poll_path(l, 'z', l->number), "", NULL) != 204)
		violated(n_contests, "a job is left over", l->b.status, 0);
	return NULL;
}

static void
side_new(struct side *s, unsigned port)
{
	s->port = port;
	s->fd = -1;
	s->buf = malloc(ANSWER_MAX);
	if (s->buf == NULL)
		die("memory");
}

static void
side_free(struct side *s)
{
	if (s->fd != -1)
		(void)close(s->fd);
	free(s->buf);
}

static void
run_lanes(void)
{
	static struct lane lanes[LANES];
	unsigned i;

	for (i = 0; i < LANES; i++) {
		lanes[i].number = i;
		lanes[i].random = i + 1;
		side_new(&lanes[i].a, port_a);
		side_new(&lanes[i].b, port_b);
		if (pthread_create(
			&lanes[i].thread, NULL, lane_main, &lanes[i]) != 0)
			die("thread");
	}
	for (i = 0; i < LANES; i++) {
		(void)pthread_join(lanes[i].thread, NULL);
		side_free(&lanes[i].a);
		side_free(&lanes[i].b);
	}
}

static int
compare_ids(const void *a, const void *b)
{
	return strcmp(
	    ((const struct contest *)a)->id, ((const struct contest *)b)->id);
}

/* The contest of a job; NULL: it is of none of this race. */
static struct contest *
contest_of(const char *subject)
{
	struct contest key;
	unsigned long i;
	char id[ID_LEN + 1];

	(void)snprintf(key.id, sizeof(key.id), "%.36s", subject);
	if (race == SAME_KEY || race == OTHER_KEY)
		return bsearch(
		    &key, contests, n_contests, sizeof(key), compare_ids);
	i = strtoul(key.id + 24, NULL, 16);
	id_of((unsigned)i, id);
	return i < n_contests && strcmp(id, key.id) == 0 ? &contests[i] : NULL;
}

static bool
is_kind(const char *kind, const char *word)
{
	return strncmp(kind, word, strlen(word)) == 0 &&
	       kind[strlen(word)] == '"';
}

/* One event of a contest's job. */
static void
count_event(struct contest *c, const char *kind, const char *taker)
{
	bool over = c->ended > 0 || c->cancelled > 0;

	if (is_kind(kind, "job.ignored")) {
		c->ignored++;
		return;
	}
	c->disordered |= over || (c->submitted == 0) !=
				     (is_kind(kind, "job.submitted") != 0);
	if (is_kind(kind, "job.submitted")) {
		c->submitted++;
	} else if (is_kind(kind, "job.offered")) {
		c->offered++;
		c->taker =
		    taker != NULL ? taker[sizeof("{\"agent\":\"") - 1] : '?';
	} else if (is_kind(kind, "job.started")) {
		c->started++;
	} else if (is_kind(kind, "job.ended")) {
		c->ended++;
	} else if (is_kind(kind, "job.cancelled")) {
		c->cancelled++;
	} else {
		c->disordered = true;
	}
}

/* A page of events; how many were of jobs of no contest. */
static unsigned
read_page(char *p)
{
	unsigned strange = 0;
	char *kind, *subject, *data;
	struct contest *c;

	while ((kind = strstr(p, "\"kind\":\"")) != NULL) {
		subject = strstr(kind, "\"subject\":\"");
		if (subject == NULL)
			break;
		*kind = '\0';
		data = strstr(p, "\"data\":");
		kind += 8;
		p = subject + 11;
		if (strncmp(kind, "job.", 4) != 0)
			continue;
		c = contest_of(p);
		if (c == NULL)
			strange++;
		else
			count_event(c, kind, data != NULL ? data + 7 : NULL);
	}
	return strange;
}

/* All events since the race before. */
static unsigned
read_journal(void)
{
	struct side s;
	unsigned strange = 0;
	char path[64], *last;
	long long n;

	side_new(&s, port_a);
	for (;;) {
		(void)snprintf(
		    path, sizeof(path), "/v1/events?after=%lld", last_event);
		if (call(&s, path, "", NULL) != 200)
			die("no events");
		last = strstr(s.body, "\"last\":");
		n = last != NULL ? atoll(last + 7) : last_event;
		if (n == last_event)
			break;
		last_event = n;
		strange += read_page(s.body);
	}
	side_free(&s);
	return strange;
}

/* Does the journal tell what was answered? */
static bool
fits(const struct contest *c)
{
	bool ran = race == RESULT_CANCEL && c->a_won;
	bool cancelled =
	    race == CANCEL_TAKE || (race == RESULT_CANCEL && !c->a_won);
	unsigned offered = race != CANCEL_TAKE || !c->a_won;
	char taker = 's';

	if (race == CANCEL_TAKE)
		taker = 'b';
	else if (race == TAKE_TAKE)
		taker = c->a_won ? 'a' : 'b';
	return c->submitted == 1 && !c->disordered && c->offered == offered &&
	       (offered == 0 || c->taker == taker) && c->started == ran &&
	       c->ended == ran && c->cancelled == cancelled &&
	       c->ignored == (race == RESULT_CANCEL && !c->a_won);
}

static void
judge_journal(void)
{
	unsigned i, strange, bad = 0;

	if (race == SAME_KEY || race == OTHER_KEY)
		qsort(contests, n_contests, sizeof(contests[0]), compare_ids);
	strange = read_journal();
	for (i = 0; i < n_contests; i++)
		if (!fits(&contests[i]) && bad++ < TOLD_MAX)
			(void)printf("    %u %s: submitted %d, offered %d to "
				     "%c, started %d, ended %d, ignored %d, "
				     "cancelled %d, A won: %d%s\n",
			    i, contests[i].id, contests[i].submitted,
			    contests[i].offered, contests[i].taker,
			    contests[i].started, contests[i].ended,
			    contests[i].ignored, contests[i].cancelled,
			    contests[i].a_won,
			    contests[i].disordered ? ", disordered" : "");
	check("the journal tells what was answered, once, in order", bad == 0);
	check("and of no other job", strange == 0);
}

static void
run_race(void)
{
	bool has_winner = race != SAME_ID && race != SAME_KEY;
	struct timespec begun, now;
	unsigned met, a;

	contests = calloc(n_contests, sizeof(contests[0]));
	if (contests == NULL)
		die("memory");
	atomic_store(&next_contest, 0);
	atomic_store(&violations, 0);
	atomic_store(&overlaps, 0);
	atomic_store(&won_by_a, 0);
	atomic_store(&repeats, 0);
	atomic_store(&lead_us, 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &begun);
	run_lanes();
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	met = atomic_load(&overlaps);
	a = atomic_load(&won_by_a);
	(void)printf("    %s: %u contests in %.1f s, %u overlapped",
	    names[race], n_contests,
	    (double)(now.tv_sec - begun.tv_sec) +
		(double)(now.tv_nsec - begun.tv_nsec) / 1e9,
	    met);
	if (has_winner)
		(void)printf(", won %u : %u, the lead of A at the end %d us", a,
		    n_contests - a, atomic_load(&lead_us));
	(void)printf(", %u asked to come again\n", atomic_load(&repeats));
	check("each contest ends as it may", atomic_load(&violations) == 0);
	check("most of them were contests", met >= n_contests / 2);
	if (has_winner)
		check("either side wins a good part",
		    a >= n_contests / 5 && n_contests - a >= n_contests / 5);
	judge_journal();
	free(contests);
}

int
main(int argc, char **argv)
{
	bool wanted;
	int i;

	if (argc < 4) {
		(void)fprintf(
		    stderr, "usage: races PORT-A PORT-B CONTESTS [RACE...]\n");
		return 2;
	}
	port_a = (unsigned)atoi(argv[1]);
	port_b = (unsigned)atoi(argv[2]);
	n_contests = (unsigned)atoi(argv[3]);
	for (race = 0; race < RACE__MAX; race++) {
		wanted = argc == 4;
		for (i = 4; i < argc; i++)
			wanted |= strcmp(argv[i], names[race]) == 0;
		if (wanted)
			run_race();
	}
	return failures > 0;
}
