/* Back-off with jitter, and the log lines of a broker that comes and goes. */

#include "broker_breaker.h"

#include <sys/random.h>

#include "clock.h"
#include "log.h"

#define BACKOFF_MIN_MS 250
#define BACKOFF_MAX_MS 15000

void
broker_breaker_init(struct broker_breaker *k)
{
	*k = (struct broker_breaker){
	    .state = BROKER_UNKNOWN, .backoff_ms = BACKOFF_MIN_MS};
}

bool
broker_breaker_lets(const struct broker_breaker *k)
{
	return k->state == BROKER_UP || k->state == BROKER_UNKNOWN;
}

/* Somewhere in the upper half of ms, so that processes do not come together. */
static int64_t
jitter(int64_t ms)
{
	uint16_t r;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) != sizeof(r))
		r = (uint16_t)clock_mono_ms();
	return ms / 2 + ms / 2 * r / UINT16_MAX;
}

void
broker_breaker_down(struct broker_breaker *k, const struct amqp_addr *addr,
    const char *why, bool at_once)
{
	if (k->state != BROKER_DOWN) {
		log_error("broker %s:%d: %s; jobs are kept and published when "
			  "it is back",
		    addr->host, addr->port, why);
		k->backoff_ms = BACKOFF_MIN_MS;
		k->retry_ms =
		    clock_mono_ms() + (at_once ? 0 : jitter(BACKOFF_MIN_MS));
	}
	k->state = BROKER_DOWN;
}

void
broker_breaker_back_off(struct broker_breaker *k)
{
	k->backoff_ms *= 2;
	if (k->backoff_ms > BACKOFF_MAX_MS)
		k->backoff_ms = BACKOFF_MAX_MS;
	k->retry_ms = clock_mono_ms() + jitter(k->backoff_ms);
}

void
broker_breaker_blocked(struct broker_breaker *k, const struct amqp_addr *addr)
{
	if (k->state != BROKER_BLOCKED)
		log_warn(
		    "broker %s:%d: blocked, it has no memory or disk left; "
		    "jobs are kept and published afterwards",
		    addr->host, addr->port);
	k->state = BROKER_BLOCKED;
}

void
broker_breaker_up(struct broker_breaker *k, const struct amqp_addr *addr)
{
	if (k->state == BROKER_DOWN || k->state == BROKER_BLOCKED)
		log_info("broker %s:%d: answers again", addr->host, addr->port);
	k->state = BROKER_UP;
	k->backoff_ms = BACKOFF_MIN_MS;
}
