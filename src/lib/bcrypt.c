/* bcrypt by libxcrypt, a few at a time. */

#include "bcrypt.h"

#include <crypt.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate.h"
#include "log.h"

#define COST 12
#define COST_MIN 4
#define COST_MAX 15
/* Of the threads: those that hash and those that wait to. */
#define SHARE 8

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t turn;
	unsigned running, inside;
} turns = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};

static unsigned
turns_max(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n > 0 ? (unsigned)n : 1;
}

enum err
bcrypt_enter(void)
{
	unsigned max = turns_max();
	enum err e = ERR_BUSY;

	gate_leave();
	(void)pthread_mutex_lock(&turns.mutex);
	if (turns.inside < gate_share(SHARE)) {
		turns.inside++;
		while (turns.running >= max)
			(void)pthread_cond_wait(&turns.turn, &turns.mutex);
		turns.running++;
		e = ERR_OK;
	}
	(void)pthread_mutex_unlock(&turns.mutex);
	return e;
}

void
bcrypt_leave(void)
{
	(void)pthread_mutex_lock(&turns.mutex);
	turns.running--;
	turns.inside--;
	(void)pthread_cond_signal(&turns.turn);
	(void)pthread_mutex_unlock(&turns.mutex);
}

/* The hash of secret by the salt and cost of setting. */
static bool
hash_by(const char *secret, const char *setting, char out[BCRYPT_LEN + 1])
{
	struct crypt_data *d = calloc(1, sizeof(*d));
	const char *p;
	bool good;

	if (d == NULL)
		return false;
	p = crypt_rn(secret, setting, d, (int)sizeof(*d));
	good = p != NULL && strlen(p) == BCRYPT_LEN;
	if (good)
		memcpy(out, p, BCRYPT_LEN + 1);
	sodium_memzero(d, sizeof(*d));
	free(d);
	return good;
}

enum err
bcrypt_hash(const char *secret, char out[BCRYPT_LEN + 1])
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];

	if (crypt_gensalt_rn(
		"$2b$", COST, NULL, 0, setting, (int)sizeof(setting)) == NULL ||
	    !hash_by(secret, setting, out)) {
		log_errno("bcrypt: cannot hash");
		return ERR_NOMEM;
	}
	return ERR_OK;
}

/* The cost of a hash that we verify; 0 for anything else. */
static int
cost_of(const char *hash)
{
	int cost;

	if (hash == NULL || strlen(hash) != BCRYPT_LEN ||
	    strncmp(hash, "$2", 2) != 0 || strchr("aby", hash[2]) == NULL ||
	    hash[3] != '$' || hash[6] != '$' || hash[4] < '0' ||
	    hash[4] > '9' || hash[5] < '0' || hash[5] > '9')
		return 0;
	cost = (hash[4] - '0') * 10 + hash[5] - '0';
	return cost >= COST_MIN && cost <= COST_MAX ? cost : 0;
}

/* Work as much as a hash of that cost does. */
static void
burn(const char *secret, int cost)
{
	char setting[32], hash[BCRYPT_LEN + 1];

	(void)snprintf(
	    setting, sizeof(setting), "$2b$%02d$abcdefghijklmnopqrstuu", cost);
	(void)hash_by(secret, setting, hash);
}

bool
bcrypt_verify(const char *secret, const char *hash)
{
	int cost = cost_of(hash);
	char got[BCRYPT_LEN + 1];

	if (cost == 0) {
		burn(secret, COST);
		return false;
	}
	if (hash_by(secret, hash, got) &&
	    sodium_memcmp(got, hash, BCRYPT_LEN) == 0)
		return true;
	/* Each step of the cost doubles the work, so these add up to what a hash of COST
	 * would have taken more. */
	for (; cost < COST; cost++)
		burn(secret, cost);
	return false;
}
