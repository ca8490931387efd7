/*
 * What a process remembers of log-ins stands in two tables of fixed size, under hashes
 * with a random key of the process: nobody can choose names that meet in
 * one place, and nothing in memory tells a secret.  An entry that finds its row
 * full takes the place of the oldest.
 */

#include "login.h"

#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "bcrypt.h"
#include "clock.h"
#include "gate.h"

#define ROWS 1024
#define IN_ROW 4
#define KNOWN_MS 600000
#define FAILURES_MS 60000
/* Of the threads: those that wait for the verdict on what another one brings too. */
#define SHARE 2

struct entry {
	unsigned char key[32];
	int64_t since; /* 0: free */
	unsigned n;
};

/* A log-in on its way. */
struct attempt {
	struct attempt *next;
	unsigned char known[32];
	unsigned char failures[32];
	unsigned max;
	int wait_s;
};

struct table {
	struct entry rows[ROWS][IN_ROW];
};

static struct {
	pthread_mutex_t mutex;
	unsigned char key[crypto_generichash_KEYBYTES];
	bool ready;
	struct table known; /* id, secret and hash that matched */
	struct table failures; /* id and address */
	struct attempt *judged; /* those that bcrypt has now */
	pthread_cond_t ended; /* one of them has */
	unsigned joined; /* threads that wait for one of them */
} seen = {
    .mutex = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};

static void
add_part(crypto_generichash_state *h, const char *p, size_t len)
{
	uint64_t n = len;

	(void)crypto_generichash_update(h, (const void *)&n, sizeof(n));
	(void)crypto_generichash_update(h, (const void *)p, len);
}

static void
key_of(const char *a, const char *b, size_t b_len, const char *c,
    unsigned char out[32])
{
	crypto_generichash_state h;

	(void)crypto_generichash_init(&h, seen.key, sizeof(seen.key), 32);
	add_part(&h, a, strlen(a));
	add_part(&h, b, b_len);
	add_part(&h, c, strlen(c));
	(void)crypto_generichash_final(&h, out, 32);
}

/* The entry of key if it is younger than age; with make a new one where there is none. */
static struct entry *
find(struct table *t, const unsigned char key[32], int64_t now, int64_t age,
    bool make)
{
	struct entry *e, *oldest = NULL;
	uint16_t row;
	size_t i;

	memcpy(&row, key, sizeof(row));
	for (i = 0; i < IN_ROW; i++) {
		e = &t->rows[row % ROWS][i];
		/* A clock that was set back makes nothing last longer. */
		if (now < e->since || now - e->since >= age)
			e->since = 0;
		if (e->since != 0 && sodium_memcmp(e->key, key, 32) == 0)
			return e;
		if (oldest == NULL || e->since < oldest->since)
			oldest = e;
	}
	if (!make)
		return NULL;
	memcpy(oldest->key, key, 32);
	oldest->since = now;
	oldest->n = 0;
	return oldest;
}

static void
begin(struct attempt *a, const struct login *l, const char *hash)
{
	(void)pthread_mutex_lock(&seen.mutex);
	if (!seen.ready) {
		seen.ready = sodium_init() != -1;
		randombytes_buf(seen.key, sizeof(seen.key));
	}
	(void)pthread_mutex_unlock(&seen.mutex);
	key_of(l->id, l->secret, l->secret_len, hash != NULL ? hash : "",
	    a->known);
	key_of(l->id, l->address, strlen(l->address), "", a->failures);
}

/* Whether memory alone answers; *v is the answer. */
static bool
remembered(struct attempt *a, bool has_hash, enum login_verdict *v)
{
	int64_t now = clock_now_ms();
	struct entry *e;
	bool answers = true;

	(void)pthread_mutex_lock(&seen.mutex);
	if (has_hash &&
	    find(&seen.known, a->known, now, KNOWN_MS, false) != NULL) {
		*v = LOGIN_GOOD;
	} else if ((e = find(&seen.failures, a->failures, now, FAILURES_MS,
			false)) != NULL &&
		   e->n >= a->max) {
		*v = LOGIN_LIMITED;
		a->wait_s = (int)((e->since + FAILURES_MS - now + 999) / 1000);
	} else {
		answers = false;
	}
	(void)pthread_mutex_unlock(&seen.mutex);
	return answers;
}

static void
remember(const struct attempt *a, bool good)
{
	int64_t now = clock_now_ms();

	(void)pthread_mutex_lock(&seen.mutex);
	if (good)
		(void)find(&seen.known, a->known, now, KNOWN_MS, true);
	else
		find(&seen.failures, a->failures, now, FAILURES_MS, true)->n++;
	(void)pthread_mutex_unlock(&seen.mutex);
}

static bool
is_judged(const struct attempt *a)
{
	const struct attempt *other;

	for (other = seen.judged; other != NULL; other = other->next)
		if (sodium_memcmp(other->known, a->known, 32) == 0)
			return true;
	return false;
}

/* ERR_OK: it is up to this thread to judge; ERR_CONFLICT: another one just has. */
static enum err
judge_begin(struct attempt *a)
{
	enum err e = ERR_OK;

	gate_leave();
	(void)pthread_mutex_lock(&seen.mutex);
	if (!is_judged(a)) {
		a->next = seen.judged;
		seen.judged = a;
	} else if (seen.joined >= gate_share(SHARE)) {
		e = ERR_BUSY;
	} else {
		seen.joined++;
		while (is_judged(a))
			(void)pthread_cond_wait(&seen.ended, &seen.mutex);
		seen.joined--;
		e = ERR_CONFLICT;
	}
	(void)pthread_mutex_unlock(&seen.mutex);
	return e;
}

static void
judge_end(const struct attempt *a)
{
	struct attempt **at;

	(void)pthread_mutex_lock(&seen.mutex);
	for (at = &seen.judged; *at != a; at = &(*at)->next)
		continue;
	*at = a->next;
	(void)pthread_cond_broadcast(&seen.ended);
	(void)pthread_mutex_unlock(&seen.mutex);
}

static enum login_verdict
judge(const struct attempt *a, const struct login *l, const char *hash,
    enum err *failure)
{
	bool good;

	if ((*failure = bcrypt_enter()) != ERR_OK)
		return LOGIN_FAILED;
	good = bcrypt_verify(l->secret, hash);
	bcrypt_leave();
	remember(a, good);
	return good ? LOGIN_GOOD : LOGIN_WRONG;
}

/* A lab that starts thirty clients at once pays for one: the others wait for its
 * verdict, which they know if it was good. */
static enum login_verdict
verify(struct attempt *a, const struct login *l, const char *hash,
    enum err *failure)
{
	enum login_verdict v;

	do {
		if (remembered(a, hash != NULL, &v))
			return v;
		*failure = judge_begin(a);
	} while (*failure == ERR_CONFLICT);
	if (*failure != ERR_OK)
		return LOGIN_FAILED;
	v = judge(a, l, hash, failure);
	judge_end(a);
	return v;
}

enum login_verdict
login_check(struct svc *s, struct arena *a, const struct login *l,
    struct client *out, int *wait_s, enum err *failure)
{
	struct attempt try = {
	    .max = (unsigned)conf_int(s->conf, CONF_TOKEN_FAILURES_MAX)};
	struct client client = {.hash = NULL};
	enum login_verdict v;

	/* No client has such a secret, so the time tells nothing of clients. */
	if (client_secret_fault(l->secret, l->secret_len) != NULL)
		return LOGIN_WRONG;
	*failure = client_read(s, a, l->id, &client);
	if (*failure != ERR_OK && *failure != ERR_NOTFOUND)
		return LOGIN_FAILED;
	begin(&try, l, client.hash);
	v = verify(&try, l, client.hash, failure);
	if (v == LOGIN_GOOD)
		*out = client;
	*wait_s = try.wait_s;
	return v;
}
